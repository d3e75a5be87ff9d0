"""`make run` as a newcomer types it: the real vLLM, the real gateway, the printed curl, one Ctrl-C."""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from llm_server.plan import LOCAL_NAME

ROOT = Path(__file__).resolve().parents[2]
KEY = {"Authorization": "Bearer cu_prodml_hw_week13"}
STARTS_WITHIN_S = 300
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(STARTS_WITHIN_S + 60)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Run:
    process: subprocess.Popen[bytes]
    log: Path
    port: int
    llm_port: int
    others: dict[str, int]
    family: list[psutil.Process] = field(default_factory=list)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The whole of `make run` in a copy of the tree that shares the environments: its .env is its own."""
    home = tmp_path_factory.mktemp("home")
    for part in ("bot", "scripts", "requirements", "embeddings", "fraud", "gateway", "llm_server", "ui"):
        shutil.copytree(ROOT / part, home / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("Makefile", "Procfile", ".env.example", "pyproject.toml"):
        shutil.copy(ROOT / part, home)
    for made in (".venv", ".venv-worker", ".venv-ui", ".venv-embeddings", ".venv-vllm"):
        (home / made).symlink_to(ROOT / made)
    ports = free_port(), free_port()
    said = {"PORT": str(ports[0]), "LLM_PORT": str(ports[1]), "LLM_MODEL": "local"}
    others = ("EMBEDDINGS_PORT", "RPC_PORT", "UI_PORT", "EVIDENTLY_PORT", "API_PORT")
    said |= {name: str(free_port()) for name in others}
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=home,
            env={**os.environ, **said},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Run(process, log, *ports, {name: int(said[name]) for name in others})
    try:
        until = time.monotonic() + STARTS_WITHIN_S
        while "READY" not in running.said() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.5)
        assert "READY" in running.said(), running.said()[-4000:]
        running.family = psutil.Process(process.pid).children(recursive=True)
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def test_the_curl_that_is_printed_works_as_typed(run: Run) -> None:
    line = next(line for line in run.said().splitlines() if "curl http" in line)
    command = shlex.split(line[line.index("curl") :])
    answer = subprocess.run(
        [*command, "-s", "-w", "%{http_code}"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.endswith("200"), answer.stdout
    assert '"choices"' in answer.stdout


def test_the_model_server_is_vllm_with_a_key_of_its_own(run: Run) -> None:
    direct = f"http://127.0.0.1:{run.llm_port}/v1/models"
    assert httpx.get(direct, headers=KEY).status_code == 401
    own = next(
        line for line in (run.log.parent / ".env").read_text().splitlines() if line.startswith("LLM_API_KEY=")
    )
    answer = httpx.get(direct, headers={"Authorization": f"Bearer {own.partition('=')[2]}"})
    assert [model["id"] for model in answer.json()["data"]] == [LOCAL_NAME]
    assert answer.json()["data"][0]["owned_by"] == "vllm"


def test_vectors_come_through_the_gateway(run: Run) -> None:
    url = f"http://127.0.0.1:{run.port}/v1/embeddings"
    asked = {"model": "model_identifier", "input": ["Plants release oxygen.", "Plants give off oxygen."]}
    answer = httpx.post(url, headers=KEY, json=asked, timeout=30)
    assert answer.status_code == 200, answer.text
    one, other = (vector["embedding"] for vector in answer.json()["data"])
    assert sum(a * b for a, b in zip(one, other, strict=True)) > 0.8


def test_dashboard_drift_service_and_bot_answer(run: Run) -> None:
    for name, path in (
        ("UI_PORT", "/_stcore/health"),
        ("EVIDENTLY_PORT", "/api/version"),
        ("API_PORT", "/healthz"),
    ):
        url = f"http://127.0.0.1:{run.others[name]}{path}"
        assert answered(url), f"{url}\n{run.said()[-2000:]}"


def answered(url: str) -> bool:
    """Within a minute: Evidently takes ten seconds to import, and more beside vLLM's start."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(url, timeout=5).status_code == 200
        time.sleep(0.5)
    return False


def test_a_wrong_key_is_refused(run: Run) -> None:
    url = f"http://127.0.0.1:{run.port}/v1/models"
    assert httpx.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(url, headers=KEY).status_code == 200


def test_no_text_of_a_student_is_in_what_it_prints(run: Run) -> None:
    body = {"model": LOCAL_NAME, "messages": [{"role": "user", "content": "Zanzibar42"}], "max_tokens": 4}
    url = f"http://127.0.0.1:{run.port}/v1/chat/completions"
    assert httpx.post(url, headers=KEY, json=body, timeout=60).status_code == 200
    assert "Zanzibar42" not in run.said()


def test_no_key_is_in_the_process_list_or_in_what_it_prints(run: Run) -> None:
    own = next(
        line.partition("=")[2]
        for line in (run.log.parent / ".env").read_text().splitlines()
        if line.startswith("LLM_API_KEY=")
    )
    shown = [" ".join(one.cmdline()) for one in run.family if one.is_running()]
    assert not any(own in line for line in [*shown, run.said()])


def test_one_ctrl_c_stops_everything(run: Run) -> None:
    """Last: nothing of this family, vLLM's children included, is alive afterwards."""
    assert any("EngineCore" in " ".join(one.cmdline()) for one in run.family)
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.process.wait(30) != 0
    _, alive = psutil.wait_procs(run.family, timeout=10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
