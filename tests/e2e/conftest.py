"""The real thing: vLLM with the local model, the embeddings service with its heads, the gateway with its real
masking, everything over HTTP."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
API_KEY = "cu_prodml_hw_week13"  # the course's, as in the curl of the README
LLM_KEY = "e2e-between-gateway-and-model-server"
START_S = 420  # loading takes 105-140 s on two busy cores


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Wire(threading.Thread):
    """A loopback proxy between the gateway and a server behind it that keeps what the gateway sent."""

    def __init__(self, target: int) -> None:
        super().__init__(daemon=True)
        self.port = free_port()
        self.sent = bytearray()
        self.open = 0
        self._target = target
        self._listening = threading.Event()
        self._closed = asyncio.Event()  # never set: the thread ends with the tests
        self.start()
        self._listening.wait(5)

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self._server = server
        self._listening.set()
        await self._closed.wait()

    def close(self) -> None:
        """From now on connections are refused, as a dead server's are."""
        self._loop.call_soon_threadsafe(self._server.close)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self.open += 1
        forth = asyncio.create_task(self._pump(reader, back, keep=True))
        home = asyncio.create_task(self._pump(there, writer, keep=False))
        await asyncio.wait({forth, home}, return_when=asyncio.FIRST_COMPLETED)
        forth.cancel()
        home.cancel()
        back.close()
        writer.close()
        self.open -= 1

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, keep: bool) -> None:
        while data := await source.read(65536):
            if keep:
                self.sent += data
            sink.write(data)
            await sink.drain()


@dataclass
class Stack:
    """The running system."""

    url: str
    wire: Wire
    vllm: subprocess.Popen[bytes]
    embeddings_wire: Wire
    gateway: subprocess.Popen[bytes]
    log: Path
    settings: dict[str, str]  # the gateway's: a worker beside it has the same
    phases: dict[str, float] = field(default_factory=dict)

    def post(self, path: str, body: Any, *, key: str = API_KEY) -> tuple[int, Any, dict[str, str]]:
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        return self._ask(urllib.request.Request(self.url + path, raw, headers))

    def get(self, path: str, *, key: str = API_KEY) -> tuple[int, Any, dict[str, str]]:
        return self._ask(urllib.request.Request(self.url + path, headers={"authorization": f"Bearer {key}"}))

    def chat(self, content: str, **fields: Any) -> tuple[int, Any, dict[str, str]]:
        messages = [{"role": "user", "content": content}]
        body = {"model": "model_identifier", "messages": messages, "max_tokens": 24, **fields}
        return self.post("/v1/chat/completions", body)

    def grade(self, *, by: str = "grader-llm", **payload: Any) -> tuple[int, Any, dict[str, str]]:
        return self.post(f"/v1/models/{by}:predict", payload)

    @staticmethod
    def _ask(request: urllib.request.Request) -> tuple[int, Any, dict[str, str]]:
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.loads(answer.read()), dict(answer.headers)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read()), dict(refusal.headers)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    python = ROOT / ".venv-vllm" / "bin" / "python"
    assert python.exists(), "vLLM's environment is missing: run `make test`, which makes it"
    folder = tmp_path_factory.mktemp("e2e")
    llm_port, embeddings_port, port = free_port(), free_port(), free_port()
    wire, embeddings_wire = Wire(llm_port), Wire(embeddings_port)
    common = {**os.environ, "LLM_API_KEY": LLM_KEY}
    settings = {
        "LLM_MODEL": "local",
        "LLM_HOST": "127.0.0.1",
        "LLM_PORT": str(llm_port),
        "HF_HUB_OFFLINE": "1",
        "CC": "/no/compiler",  # nothing may be compiled while serving: bare machines have no compiler
        "CXX": "/no/compiler",
    }
    door = {
        "API_KEY": API_KEY,
        "PORT": str(port),
        "RPC_PORT": "0",
        "LLM_URL": f"http://127.0.0.1:{wire.port}",
        "EMBEDDINGS_URL": f"http://127.0.0.1:{embeddings_wire.port}",
        "API_KEYS_FILE": str(folder / "keys.json"),
        "DATABASE_URL": f"sqlite:///{folder / 'store.db'}",
        "UNKNOWN_MODEL_FALLBACK": "true",
        "LLM_TIMEOUT_S": "20",
        "TRAFFIC_PER_S": "500",  # a test's few hundred texts within two seconds are all noted
        "DATASETS_DIR": str(folder / "datasets"),
        "MODELS_URL": str(folder / "trained"),
        "REPORTS_URL": str(folder / "reports"),
    }
    log = folder / "gateway.log"
    began = time.monotonic()
    with (
        (folder / "vllm.log").open("wb") as llm_log,
        (folder / "embeddings.log").open("wb") as embeddings_log,
        log.open("wb") as gateway_log,
    ):
        vllm = subprocess.Popen(
            [python, "-m", "llm_server"], cwd=ROOT, env={**common, **settings}, stdout=llm_log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        gateway = subprocess.Popen(
            [ROOT / ".venv" / "bin" / "python", "-m", "gateway", "serve"], cwd=ROOT, env={**common, **door},
            stdout=gateway_log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        embeddings = subprocess.Popen(
            [ROOT / ".venv-embeddings" / "bin" / "python", "-m", "embeddings", "serve"], cwd=ROOT,
            env={**os.environ, "EMBEDDINGS_PORT": str(embeddings_port)}, stdout=embeddings_log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        made = Stack(f"http://127.0.0.1:{port}", wire, vllm, embeddings_wire, gateway, log, door)
        try:
            _wait_until_ready(made, folder)
            made.phases["ready"] = time.monotonic() - began
            yield made
        finally:
            for process in (gateway, embeddings, vllm):
                end(process)


def _wait_until_ready(stack: Stack, folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for process, log in ((stack.vllm, "vllm.log"), (stack.gateway, "gateway.log")):
            if process.poll() is not None:
                pytest.fail(f"{log} ended:\n{(folder / log).read_text()[-3000:]}")
        try:
            # The service's models are listed when it is there; readiness follows the model server alone.
            if stack.get("/-/readyz")[0] == 200 and stack.get("/v1/models/grader-embedding")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(1)
    pytest.fail(f"not ready after {START_S} s:\n{(folder / 'vllm.log').read_text()[-3000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and everything it started, whatever state a test left it in."""
    try:
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
