"""A bot over real sockets between a client and a stand-in for the gateway's wire."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import uvicorn
from aiohttp import web

from bot.app import App, app
from bot.settings import Settings
from tests.fakes import completion, listening
from tests.gateway.conftest import migrated, start

__all__ = ["migrated", "start"]  # a real gateway, for the test that has one

KEY = "bot-key"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(body: Any, status: int = 200, **headers: str) -> Handler:
    """`body`: JSON, or bytes as they are."""

    async def answer(_: web.Request) -> web.StreamResponse:
        if isinstance(body, bytes):
            return web.Response(body=body, status=status, headers=headers, content_type="application/json")
        return web.json_response(body, status=status, headers=headers)

    return answer


def refuses(status: int, code: str = "overloaded", *, retry: bool = True, after_ms: int = 5) -> Handler:
    """As the gateway refuses."""
    told = {"error": {"message": "Not now.", "type": "server_error", "param": None, "code": code}}
    seconds = str(max(1, after_ms // 1000))
    headers = {"x-should-retry": str(retry).lower(), "retry-after-ms": str(after_ms), "retry-after": seconds}
    return says(told, status, **headers)


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def breaks_off(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


class Wire:
    """The gateway, as far as the bot sees it. `turns` are what it answers next; then it answers well."""

    def __init__(self) -> None:
        self.turns: list[Handler] = []
        self.asked: list[tuple[str, Any]] = []  # path and body of all that arrived
        self.keys: set[str | None] = set()
        self.arrived = asyncio.Event()
        self.models: Any = {
            "object": "list",
            "data": [{"id": "tiny", "output": "text"}, {"id": "message-classifier", "output": "label"}],
        }

    @property
    def chats(self) -> list[Any]:
        """The messages of each chat completion that was asked for."""
        return [body["messages"] for path, body in self.asked if path.endswith("/chat/completions")]

    def app(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.keys.add(request.headers.get("authorization"))
        body = json.loads(await request.read() or b"null")
        self.asked.append((request.path, body))
        self.arrived.set()
        if self.turns:
            return await self.turns.pop(0)(request)
        if request.path == "/v1/models":
            return web.json_response(self.models)
        if request.path.endswith(":predict"):
            probabilities = {"human": 0.25, "bot": 0.75}
            return web.json_response(
                {"label": "bot", "confidence": 0.75, "probabilities": probabilities, "needs_review": False}
            )
        return web.json_response(completion(f"Answer {len(self.chats)}."))


@dataclass
class Bot:
    url: str
    wire: Wire
    http: aiohttp.ClientSession

    async def post(self, path: str, json: Any = None, **given: Any) -> tuple[int, Any, Any]:
        """Status, parsed body, headers."""
        async with self.http.post(self.url + path, json=json, **given) as response:
            return response.status, await response.json(), response.headers

    async def get(self, path: str) -> tuple[int, Any, Any]:
        async with self.http.get(self.url + path) as response:
            return response.status, await response.json(), response.headers

    async def message(
        self, text: str = "Hello!", dialog: Any = "d", number: Any = "m"
    ) -> tuple[int, Any, Any]:
        asked = {"dialog_id": dialog, "last_msg_text": text, "last_message_id": number}
        return await self.post("/get_message", asked)

    async def predict(self, text: str = "Hello!") -> tuple[int, Any, Any]:
        return await self.post(
            "/predict", {"text": text, "dialog_id": "d", "id": "m", "participant_index": 0}
        )


@asynccontextmanager
async def _serving(door: App) -> AsyncIterator[str]:
    """The bot over a real socket, in this event loop. uvicorn's own shutdown() waits a tenth of a second,
    which was half of these tests' time."""
    config = uvicorn.Config(door, port=0, http="httptools", lifespan="on", log_config=None, access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        await server.lifespan.shutdown()
        await asyncio.gather(*server.server_state.tasks, return_exceptions=True)


@pytest.fixture
async def start_bot() -> AsyncIterator[Callable[..., Any]]:
    """Starts a bot with the settings given; everything is closed with the test."""
    async with AsyncExitStack() as stack:

        async def started(**settings: Any) -> Bot:
            wire = Wire()
            base = settings.pop("proxy_url", None) or await stack.enter_async_context(listening(wire.app()))
            chosen = Settings(open_ai_api_key=KEY, proxy_url=base, **settings)
            url = await stack.enter_async_context(_serving(app(chosen)))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Bot(url, wire, http)

        yield started


@pytest.fixture
async def bot(start_bot: Callable[..., Any]) -> Bot:
    made: Bot = await start_bot()
    return made
