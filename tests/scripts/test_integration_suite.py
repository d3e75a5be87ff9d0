"""The contract tests of `tests/integration` against a gateway of the tests, well and lying."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.load.conftest import KEY, Deployed
from tests.scripts.tampering import tampering

ROOT = Path(__file__).resolve().parents[2]
# Those that pyproject.toml configures; the others take longer to load than the tests.
_PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider")
pytestmark = pytest.mark.timeout(300)
Done = subprocess.CompletedProcess[str]


def suite(*arguments: str, **settings: str) -> Done:
    """As a person runs it after a deployment."""
    other = {name: value for name, value in os.environ.items() if not name.startswith("MODEL_ENDPOINT")}
    command = [sys.executable, "-m", "pytest", "-m", "integration", "-q", *arguments]
    return subprocess.run(
        [*command, *_PLUGINS],
        cwd=ROOT,
        env={**other, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **settings},
        capture_output=True,
        text=True,
        timeout=240,
    )


def count(done: Done, what: str) -> int:
    found = re.search(rf"(\d+) {what}", done.stdout.splitlines()[-1])
    return int(found[1]) if found else 0


def test_a_gateway_that_is_well_keeps_every_contract(deployed: Deployed) -> None:
    done = suite(MODEL_ENDPOINT=deployed.url, AUTH_TOKEN=KEY)
    assert done.returncode == 0, done.stdout[-6000:]
    assert count(done, "passed") > 70
    assert count(done, "skipped") == 0


def test_contracts_that_are_broken_are_found(deployed: Deployed) -> None:
    def lie(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if status == 409:
            return 200, body
        if path == "/v1/models/grader-llm:predict" and b'"score"' in body:
            return status, body.replace(b'"partial"', b'"parted"')
        return status, body.replace(b'"object": "chat.completion"', b'"object": "completion"')

    with tampering(deployed.url, lie) as url:
        done = suite(MODEL_ENDPOINT=url, AUTH_TOKEN=KEY)
    assert done.returncode == 1
    failed = set(re.findall(r"^FAILED \S+::(test_\w+)", done.stdout, re.MULTILINE))
    assert failed >= {
        "test_a_v1_request_gets_a_v1_answer",
        "test_a_v1_1_request_gets_a_v1_1_answer",
        "test_an_idempotency_key_pins_the_answer",
    }
    assert count(done, "passed") > 40


def test_without_an_endpoint_all_is_skipped_for_one_reason() -> None:
    done = suite()
    assert done.returncode == 0, done.stdout[-3000:]
    assert count(done, "passed") == 0
    reasons = re.findall(r"^SKIPPED \[\d+\] \S+ (.*)$", done.stdout, re.MULTILINE)
    assert set(reasons) == {"MODEL_ENDPOINT names no deployed instance"}


@pytest.mark.parametrize("settings", [{"AUTH_TOKEN": ""}, {"AUTH_TOKEN": KEY, "MODEL_ENDPOINT_KIND": "bot"}])
def test_settings_that_are_wrong_are_one_sentence(settings: dict[str, str]) -> None:
    done = suite(MODEL_ENDPOINT="http://127.0.0.1:1", **settings)
    assert done.returncode == 4
    assert "MODEL_ENDPOINT_KIND is one of gateway, llm, embeddings" in done.stderr + done.stdout


@pytest.mark.parametrize(("kind", "other"), [("llm", "embeddings_service"), ("embeddings", "model_server")])
def test_a_bare_service_is_asked_what_is_its_own(kind: str, other: str) -> None:
    settings = {"MODEL_ENDPOINT": "http://127.0.0.1:1", "AUTH_TOKEN": KEY, "MODEL_ENDPOINT_KIND": kind}
    done = suite("--collect-only", **settings)
    chosen = re.findall(r"^tests/integration/(\S+)::(test_\w+)", done.stdout, re.MULTILINE)
    assert chosen
    assert {file for file, _ in chosen} == {"test_inference_services.py"}
    assert not [name for _, name in chosen if other in name]
