import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.metrics import Metrics
from gateway.adapters.tracing import NO_TRACES, Traces
from gateway.backends import backends_of
from gateway.domain import Artifact
from gateway.errors import ArtifactRefused
from gateway.ports import Artifacts
from gateway.rest.entrance import ConnectionBounds
from gateway.rest.listener import Listener
from gateway.rest.page import VERSION
from gateway.settings import Settings
from gateway.wiring import Services, assembled
from tests.fakes import FakeAnalyzer, FakeEmbeddings, FakeUpstream

KEY = "test-key"


@dataclass
class Running:
    """A gateway over real sockets between a client and a fake model server."""

    url: str
    upstream: FakeUpstream
    analyzer: FakeAnalyzer
    services: Services
    http: aiohttp.ClientSession

    async def post(self, path: str, json: Any = None, **kwargs: Any) -> tuple[int, Any, Any]:
        """Status, parsed body, headers."""
        headers = {"authorization": f"Bearer {KEY}", **kwargs.pop("headers", {})}
        async with self.http.post(self.url + path, json=json, headers=headers, **kwargs) as response:
            return response.status, await response.json(), response.headers

    async def put(self, path: str, json: Any) -> tuple[int, Any, Any]:
        headers = {"authorization": f"Bearer {KEY}"}
        async with self.http.put(self.url + path, json=json, headers=headers) as response:
            return response.status, await response.json(), response.headers

    async def get(self, path: str, key: str = KEY) -> tuple[int, Any, Any]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with self.http.get(self.url + path, headers=headers) as response:
            kind = response.content_type
            body = await (response.json() if kind == "application/json" else response.text())
            return response.status, body, response.headers

    async def chat(self, content: str = "Hello!", **fields: Any) -> tuple[int, Any, Any]:
        body = {"model": "tiny", "messages": [{"role": "user", "content": content}], **fields}
        return await self.post("/v1/chat/completions", body)

    async def stream(self, content: str = "Hello!", **fields: Any) -> bytes:
        """The raw bytes of a streamed answer."""
        body = {"model": "tiny", "messages": [{"role": "user", "content": content}], "stream": True, **fields}
        headers = {"authorization": f"Bearer {KEY}"}
        async with self.http.post(f"{self.url}/v1/chat/completions", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            return await response.read()


@asynccontextmanager
async def open_door(services: Services) -> AsyncIterator[str]:
    """What a gateway answers with, over a real socket. Yields its base address."""
    listener = Listener(services.app, ConnectionBounds(), services.metrics.connection_refused)
    port = await listener.open("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await listener.cut()


class NoArtifacts:
    """Nothing lies anywhere."""

    async def fetch(self, artifact: Artifact) -> tuple[str, str]:
        raise ArtifactRefused("Set ARTIFACT_HOSTS.", param="artifact.url")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table, to be copied: migrating costs more than most tests."""
    file = tmp_path_factory.mktemp("store") / "migrated.db"

    async def migrate() -> None:
        database = Database(f"sqlite:///{file}")
        await database.start()
        await database.close()

    asyncio.run(migrate())
    return file


@pytest.fixture
async def start(tmp_path: Path, migrated: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts a gateway with the settings given; everything is closed with the test."""
    async with AsyncExitStack() as stack:

        async def started(
            analyzer: FakeAnalyzer | None = None,
            embeddings: FakeEmbeddings | None = None,
            artifacts: Artifacts | None = None,
            traces: Traces = NO_TRACES,
            **settings: Any,
        ) -> Running:
            """Without `embeddings` or an `embeddings_url` no embeddings service is configured."""
            upstream = FakeUpstream()
            llm_url = settings.pop("llm_url", None) or await stack.enter_async_context(upstream.running())
            if embeddings:
                settings["embeddings_url"] = await stack.enter_async_context(embeddings.running())
            store = tmp_path / "store.db"
            if not store.exists():
                shutil.copy(migrated, store)
            chosen = Settings(
                **{
                    "api_key": KEY,
                    "api_keys_file": tmp_path / "keys.json",
                    "database_url": f"sqlite:///{store}",
                    "models_url": str(tmp_path / "models"),
                    "reports_url": str(tmp_path / "reports"),
                    "traffic_embeddings_per_s": 0,  # what an embeddings service hears, a test has said
                    "llm_url": llm_url,
                    "llm_api_key": "llm-key",
                    "llm_connect_timeout_s": 1.0,
                    **settings,
                }
            )
            metrics = Metrics(VERSION)
            backends = backends_of(chosen, traces, metrics)
            stack.push_async_callback(backends.close)
            analyzer = analyzer or FakeAnalyzer()
            database = Database(chosen.database_url.get_secret_value())
            stack.push_async_callback(database.close)
            await database.start()
            services = assembled(
                chosen, metrics, backends, analyzer, database, artifacts or NoArtifacts(), traces
            )
            services.recorder.start()
            stack.push_async_callback(services.recorder.close)
            services.runner.start()
            stack.push_async_callback(services.runner.close)
            services.classical.start()
            stack.push_async_callback(services.classical.close)
            services.drifting.start()
            stack.push_async_callback(services.drifting.close)
            stack.push_async_callback(services.status.close)
            url = await stack.enter_async_context(open_door(services))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Running(url, upstream, analyzer, services, http)

        yield started


@pytest.fixture
async def running(start: Callable[..., Any]) -> Running:
    """A gateway with default settings and an analyser that finds nothing."""
    gateway: Running = await start()
    return gateway
