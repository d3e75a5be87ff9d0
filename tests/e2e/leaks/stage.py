"""A gateway in a folder of its own between servers that are recorded, and all that leaves its hands."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from aiohttp import web

from gateway.adapters.keyring import add_key
from gateway.domain import Role
from tests.e2e.conftest import ROOT, Wire, free_port
from tests.e2e.leaks.asks import plain
from tests.e2e.leaks.canaries import MASKING_FILE
from tests.fakes import DONE, FakeEmbeddings, FakeUpstream, JsonObject, chunk, completion, listening

PLACEHOLDER = re.compile(r"<[A-Z_]+_[0-9]+_[0-9a-z]+>")
START_S = 40.0
_MOST_BYTES = 50 << 20


class Servers(threading.Thread):
    """A model server, an embeddings service and a store of artefacts, each behind a Wire that keeps what it
    was sent. `mood` is how the model server answers."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mood = "echo"
        self.artefact = ""
        self._model, self._embeddings = FakeUpstream(), FakeEmbeddings()
        self._model.reply = self._reply
        self._embeddings.listed["data"].append(
            {"id": "injection-detector", "max_model_len": 256, "version": "1", "output": "classification",
             "labels": ["benign", "injection"]}
        )  # fmt: skip
        self._up = threading.Event()
        self.start()
        assert self._up.wait(10)
        self.model, self.embeddings, self.store = (Wire(port) for port in self._ports)

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        store = web.Application()
        store.router.add_get("/{name}", self._artefact)
        async with self._model.running() as a, self._embeddings.running() as b, listening(store) as c:
            self._ports = [int(url.rpartition(":")[2]) for url in (a, b, c)]
            self._up.set()
            await asyncio.Event().wait()  # the thread ends with the tests

    async def _artefact(self, request: web.Request) -> web.Response:
        if request.match_info["name"] != "there":
            return web.Response(status=404, text=self.artefact)
        return web.Response(text=self.artefact)

    async def _reply(self, request: web.Request, asked: JsonObject) -> web.StreamResponse:
        heard = json.dumps(asked["messages"], ensure_ascii=False)
        match self.mood:
            case "refuses":
                return web.json_response({"error": {"message": f"no such thing: {heard}"}}, status=400)
            case "fails":
                return web.json_response({"error": {"message": heard}}, status=500)
            case "talks nonsense":
                return web.Response(body=b"\x00\xff" + heard.encode(), content_type="application/json")
            case "breaks off" if not asked.get("stream"):
                return _cut_off(request)
        if asked.get("stream"):
            return await self._stream(request, heard)
        if (form := asked.get("response_format")) and form["type"] == "json_schema":
            return web.json_response(completion(_verdict(form["json_schema"]["schema"], heard)))
        return web.json_response(completion(heard))

    async def _stream(self, request: web.Request, heard: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for start in range(0, len(heard), 7):
            await response.write(chunk(heard[start : start + 7]))
            if self.mood == "breaks off":
                return _cut_off(request)
            if self.mood == "hangs":
                await asyncio.sleep(30)
        await response.write(chunk(finish="stop") + DONE)
        return response


def _cut_off(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _verdict(schema: JsonObject, heard: str) -> str:
    """A grade whose comment has the placeholders of the prompt, so that there is something to put back."""
    properties = schema.get("properties", {})
    if "label" in properties:
        return json.dumps({"label": properties["label"]["enum"][0]})
    comment = " ".join(dict.fromkeys(PLACEHOLDER.findall(heard)))[:600]
    return json.dumps({"evidence": "", "comment": comment, "level": 3})


def environment(folder: Path, servers: Servers, **settings: str) -> dict[str, str]:
    """What a gateway is told: every default place to write to is inside `folder`, its rules beside it."""
    for part in ("home", "tmp"):
        (folder / part).mkdir(parents=True)
    rules = folder.with_suffix(".toml")
    rules.write_text(MASKING_FILE)
    store = f"127.0.0.1:{servers.store.port}"
    return {
        **{name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "PYTHONFAULTHANDLER": "1",  # it tells where each thread was, and must tell no more
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LOG_LEVEL": "DEBUG",
        "API_KEYS_FILE": "keys.json",
        "DATABASE_URL": "sqlite:///store.db",
        "LLM_URL": f"http://127.0.0.1:{servers.model.port}",
        "EMBEDDINGS_URL": f"http://127.0.0.1:{servers.embeddings.port}",
        "MASKING_FILE": str(rules),
        "UNKNOWN_MODEL_FALLBACK": "true",
        "LLM_TIMEOUT_S": "20",
        "ARTIFACT_HOSTS": store,
        "ARTIFACT_HTTP_HOSTS": store,
        "ARTIFACT_PRIVATE_HOSTS": "127.0.0.1",
        **settings,
    }


class Gateway:
    """`gateway serve` as people start it, in a folder of its own."""

    def __init__(self, folder: Path, servers: Servers, **settings: str) -> None:
        self._port = free_port()
        self.keys = {"metrics": "metrics-key", "settings": "settings-key"}
        door = {
            "PORT": str(self._port),
            "RPC_PORT": "0",
            "API_KEY": "settings-key",
            "METRICS_KEY": "metrics-key",
        }
        told = environment(folder, servers, **door, **settings)
        for name, role in (("one", Role.GRADER), ("other", Role.GRADER), ("trainer", Role.TRAINER)):
            self.keys[name] = add_key(folder / "keys.json", name, role, 100_000)
        # A shell that lets cores be written, as many a machine does: the gateway itself has to say no.
        start = 'ulimit -c "$(ulimit -H -c)"; exec "$0" -m gateway serve'
        with (folder / "output.log").open("wb") as output:
            self.process = subprocess.Popen(
                ["sh", "-c", start, sys.executable], cwd=folder, env=told, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._wait_until_ready()

    def exchange(self, raw: bytes) -> bytes:
        """What comes back for these bytes until the gateway closes."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as client:
            with suppress(ConnectionError):  # refused before all of it was sent
                client.sendall(raw)
            return rest_of(client)

    @contextmanager
    def asking(self, raw: bytes) -> Iterator[socket.socket]:
        """A request whose answer is not waited for."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as client:
            client.sendall(raw)
            yield client

    def get(self, path: str, key: str = "settings") -> bytes:
        return self.exchange(plain("GET", path, self.keys[key]))

    def family(self) -> list[psutil.Process]:
        """The gateway and its workers."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def in_flight(self) -> int:
        return int(json.loads(self.get("/v1/status").rpartition(b"\r\n\r\n")[2])["in_flight"])

    def end(self) -> None:
        """Whatever state a test left it in."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def _wait_until_ready(self) -> None:
        def ready() -> bool:
            with suppress(OSError):
                # The store opens beside masking.
                pages = (self.get("/-/readyz"), self.get("/v1/grades"))
                return all(page.startswith(b"HTTP/1.1 200") for page in pages)
            return False

        until(ready, START_S)


def rest_of(client: socket.socket) -> bytes:
    answer = bytearray()
    with suppress(ConnectionError):
        while piece := client.recv(65536):
            answer += piece
    return bytes(answer)


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def files(folder: Path) -> Mapping[str, bytes]:
    """Every file below, read whole, by its name."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    large = [path.name for path in found if path.stat().st_size > _MOST_BYTES]
    assert not large, large  # a dump of a process's memory
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def processes(family: list[psutil.Process]) -> Mapping[str, bytes]:
    """What anybody on the machine may read of a process. An environment that is closed is as good."""
    told = {}
    for process in family:
        for name in ("cmdline", "environ"):
            with suppress(PermissionError):
                told[f"processes: {name} of {process.pid}"] = Path(f"/proc/{process.pid}/{name}").read_bytes()
    return told


def written_elsewhere(family: list[psutil.Process], folder: Path) -> list[str]:
    """Regular files outside the folder that a process has open for writing; only root is shown them."""
    found: list[str] = []
    for process in family:
        with suppress(psutil.AccessDenied):
            found += [one.path for one in process.open_files() if one.mode != "r"]
    return [path for path in found if not Path(path).is_relative_to(folder)]
