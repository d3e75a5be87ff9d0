"""A gateway as a process of its own; its model server and its embeddings service answer at once."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from tests.e2e.conftest import end, free_port
from tests.fakes import DONE, USAGE_EVENT, FakeEmbeddings, FakeUpstream, JsonObject, chunk, completion

ROOT = Path(__file__).resolve().parents[2]
KEY = "load-key"
_START_S = 60


class Instant(FakeUpstream):
    """Answers whatever is asked: a verdict to a grader, a stream where one is wanted. Keeps nothing."""

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body.get("stream"):
            events = (*(chunk(word) for word in ("Sugar ", "and ", "oxygen.")), chunk(finish="stop"))
            return await self.streams(*events, USAGE_EVENT, DONE)(request, body)
        return web.json_response(completion(_VERDICT if "response_format" in body else "Sugar and oxygen."))


_VERDICT = json.dumps({"evidence": "", "comment": "Right.", "level": 3})


class Vectors(FakeEmbeddings):
    """The same without what arrived."""

    async def _vectors(self, request: web.Request, body: JsonObject) -> web.StreamResponse:
        self.bodies.clear()
        return await super()._vectors(request, body)


class Models(threading.Thread):
    """Both servers, in a loop of their own: the test waits for another process meanwhile."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.llm = self.embeddings = ""
        self._ready = threading.Event()
        self.start()
        assert self._ready.wait(30)

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            self.llm = await stack.enter_async_context(Instant().running())
            self.embeddings = await stack.enter_async_context(Vectors().running())
            self._ready.set()
            await self._over.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self.join(10)


@dataclass(frozen=True)
class Deployed:
    url: str
    rpc: str


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Masks by patterns and rules; names would load for seconds, and are not what is loaded here."""
    folder = tmp_path_factory.mktemp("load")
    models, port, rpc_port = Models(), free_port(), free_port()
    settings = {
        "API_KEY": KEY,
        "API_KEYS_FILE": str(folder / "keys.json"),
        "PORT": str(port),
        "RPC_PORT": str(rpc_port),
        "LLM_URL": models.llm,
        "EMBEDDINGS_URL": models.embeddings,
        "DATABASE_URL": f"sqlite:///{folder / 'store.db'}",
        "DATASETS_DIR": str(folder / "datasets"),
        "MODELS_URL": str(folder / "trained"),
        "REPORTS_URL": str(folder / "reports"),
        "MASK_NAMES": "false",
        "REQUESTS_PER_MINUTE": "1000000",
    }
    log = folder / "gateway.log"
    with log.open("wb") as output:
        gateway = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"], cwd=ROOT, env={**os.environ, **settings},
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        made = Deployed(f"http://127.0.0.1:{port}", f"127.0.0.1:{rpc_port}")
        _wait_until_ready(made.url, gateway, log)
        yield made
    finally:
        end(gateway)
        models.close()


def _wait_until_ready(url: str, gateway: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if gateway.poll() is not None:
            break
        try:
            urllib.request.urlopen(url + "/-/readyz", timeout=5).close()
            key = {"authorization": f"Bearer {KEY}"}  # the store opens beside the door
            urllib.request.urlopen(urllib.request.Request(url + "/v1/grades", headers=key), timeout=5).close()
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.1)
            continue
        return
    pytest.fail(f"the gateway did not come up:\n{log.read_text()[-3000:]}")
