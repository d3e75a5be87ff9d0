"""What is run after a deployment, against the real vLLM, embeddings service and gateway."""

import json
import os
import subprocess
import sys

import pytest

from tests.e2e.conftest import API_KEY, LLM_KEY, ROOT, Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def test_smoke_passes_and_only_what_is_not_there_is_absent(stack: Stack) -> None:
    done = subprocess.run(
        ["make", "-s", "smoke", f"URL={stack.url}", "WITHIN=240", "JSON=1"],
        cwd=ROOT,
        env={**os.environ, "TOKEN": API_KEY},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checks = {one["check"]: one["outcome"] for one in json.loads(done.stdout)["checks"]}
    assert [name for name, outcome in checks.items() if outcome == "absent"] == ["fraud", "rpc"]


@pytest.mark.parametrize("kind", ["gateway", "llm", "embeddings"])
def test_the_contract_tests_pass(kind: str, stack: Stack) -> None:
    urls = {
        "gateway": stack.url,
        "llm": f"http://127.0.0.1:{stack.wire.port}",
        "embeddings": f"http://127.0.0.1:{stack.embeddings_wire.port}",
    }
    settings = {
        "MODEL_ENDPOINT": urls[kind],
        "MODEL_ENDPOINT_KIND": kind,
        "AUTH_TOKEN": LLM_KEY if kind == "llm" else API_KEY,
    }
    command = [sys.executable, "-m", "pytest", "-m", "integration", "-q"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert " skipped" not in done.stdout.splitlines()[-1]
