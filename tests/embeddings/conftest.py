import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from embeddings import loading
from embeddings.app import Services, services
from embeddings.encoder import Encoded, Encoder
from embeddings.loading import load
from embeddings.rest.door import App
from embeddings.settings import Settings
from tests.embeddings import tiny, tiny_heads


class HeldEncoder(Encoder):
    """An encoder whose batches a test can hold back, or make fail."""

    def __init__(self, whole: Encoder) -> None:
        vars(self).update(vars(whole))
        self.release, self.entered = threading.Event(), threading.Event()
        self.release.set()
        self.error: Exception | None = None
        self.texts = 0  # that were computed

    def hold(self) -> None:
        self.entered.clear()
        self.release.clear()

    def encode(self, batch: Sequence[Sequence[int]]) -> list[Encoded]:
        self.texts += len(batch)
        self.entered.set()
        self.release.wait(10)
        if self.error:
            raise self.error
        return super().encode(batch)


@dataclass
class Running:
    """The service with a tiny encoder over a real socket."""

    url: str
    http: aiohttp.ClientSession
    encoder: HeldEncoder
    services: Services

    async def post(self, path: str, json: Any = None, **kwargs: Any) -> tuple[int, Any, Any]:
        """Status, parsed body, headers."""
        async with self.http.post(self.url + path, json=json, **kwargs) as response:
            return response.status, await response.json(), response.headers

    async def get(self, path: str, **headers: str) -> tuple[int, Any, Any]:
        async with self.http.get(self.url + path, headers=headers) as response:
            kind = response.content_type
            body = await (response.json() if kind == "application/json" else response.text())
            return response.status, body, response.headers

    async def embed(self, texts: Any, **fields: Any) -> tuple[int, Any, Any]:
        return await self.post("/v1/embeddings", {"model": "tiny", "input": texts, **fields})


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[str]:
    """The application over a real socket, in this event loop. Yields its base address."""
    config = uvicorn.Config(app, port=0, http="httptools", lifespan="off", log_config=None, access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Started and stopped by hand: serve() looks for its end ten times a second, which adds up over tests.
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.force_exit = True
        await server.shutdown()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests that do not test the cache."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def heads(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier, `sorter`, and a grader, `grader`, for the tiny encoder."""
    where, encoder = tmp_path_factory.mktemp("heads"), tiny_heads.encoder_of(tiny_folder)
    tiny_heads.classifier(where, encoder)
    return tiny_heads.grader(where, encoder)


@pytest.fixture
async def start(tiny_folder: Path, cache: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts a service with the settings given; everything is closed with the test."""
    async with AsyncExitStack() as stack:

        async def started(**settings: Any) -> Running:
            usual = {"model": str(tiny_folder), "cache": cache, "heads": "none", "max_delay_ms": 5000}
            chosen = Settings(**{**usual, **settings})
            whole, version = await asyncio.to_thread(load, chosen)
            encoder = HeldEncoder(whole)
            heads = await asyncio.to_thread(loading.heads, chosen, encoder)
            encoder.texts = 0
            made = await stack.enter_async_context(services(chosen, encoder, version, heads))
            url = await stack.enter_async_context(serving(made.app))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            stack.callback(encoder.release.set)
            return Running(url, http, encoder, made)

        yield started


@pytest.fixture
async def running(start: Callable[..., Any]) -> Running:
    """A service with default settings."""
    service: Running = await start()
    return service
