"""Stand-ins for what the gateway talks to. Each keeps its real counterpart's contract."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from aiohttp import web

from gateway.domain import ServedModel, Span
from gateway.errors import GatewayError
from gateway.rest.door import App

JsonObject = dict[str, Any]


class FakeAnalyzer:
    """Finds exactly the values it was told about."""

    def __init__(self, values: dict[str, str] | None = None, error: GatewayError | None = None) -> None:
        self.values = values or {}  # value -> kind
        self.error = error
        self.programs: list[str] = []

    async def analyze(self, texts: Sequence[str], *, code: bool = False) -> list[list[Span]]:
        if self.error:
            raise self.error
        if code:
            self.programs.extend(texts)
        return [self._spans(text) for text in texts]

    def _spans(self, text: str) -> list[Span]:
        if not self.values:
            return []
        wanted = "|".join(re.escape(value) for value in sorted(self.values, key=len, reverse=True))
        return [Span(m.start(), m.end(), self.values[m.group()]) for m in re.finditer(wanted, text)]


class FakeEmbedder:
    """A vector of two numbers for each text: its length, and one."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def embed(self, texts: Sequence[str], timeout_s: float) -> tuple[list[list[float]], int]:
        self.texts.extend(texts)
        return [[float(len(text)), 1.0] for text in texts], sum(map(len, texts))

    async def models(self) -> list[ServedModel]:
        return [ServedModel("tiny-encoder", 256)]


def completion(content: str, **message: Any) -> JsonObject:
    """A finished chat completion as vLLM answers it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def chunk(content: str | None = None, *, finish: str | None = None, **delta: Any) -> bytes:
    """One SSE event of a streamed completion."""
    data = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "tiny",
        "choices": [
            {
                "index": 0,
                "delta": {**({"content": content} if content is not None else {}), **delta},
                "finish_reason": finish,
            }
        ],
    }
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


USAGE_EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"tiny","choices":[],'
    b'"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n'
)
DONE = b"data: [DONE]\n\n"

Handler = Callable[[web.Request, JsonObject], Awaitable[web.StreamResponse]]


class FakeUpstream:
    """A model server over a real socket. `reply` decides what a chat completion answers."""

    def __init__(self) -> None:
        self.bodies: list[JsonObject] = []
        self.raw: list[bytes] = []
        self.context_window = 4096
        self.cancelled = asyncio.Event()
        self.reply: Handler = self.says("Hello there!")

    @staticmethod
    def says(*contents: str, **changes: Any) -> Handler:
        """Answers with each content in turn, the last one for ever."""
        turns = list(contents)

        async def reply(_: web.Request, __: JsonObject) -> web.StreamResponse:
            content = turns.pop(0) if len(turns) > 1 else turns[0]
            answer = completion(content)
            answer["choices"][0].update(changes)
            return web.json_response(answer)

        return reply

    @staticmethod
    def status(status: int, body: JsonObject | None = None) -> Handler:
        async def reply(_: web.Request, __: JsonObject) -> web.StreamResponse:
            return web.json_response(body or {"error": {"message": "secret internals"}}, status=status)

        return reply

    @staticmethod
    def streams(*pieces: bytes, pause_s: float = 0.0, cut: bool = False) -> Handler:
        """Sends the bytes piece by piece; with `cut` the connection is dropped after them."""

        async def reply(request: web.Request, _: JsonObject) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
                await asyncio.sleep(pause_s)
            if cut:
                assert request.transport is not None
                request.transport.abort()
            return response

        return reply

    def hangs(self, after: bytes = b"") -> Handler:
        """Never finishes; sets `cancelled` when the gateway hangs up."""

        async def reply(request: web.Request, _: JsonObject) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            try:
                if after:
                    await response.prepare(request)
                    await response.write(after)
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
            return response

        return reply

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Yields the base address."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/tokenize", self._tokenize)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": "tiny", "max_model_len": self.context_window}]}
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.raw.append(await request.read())
        self.bodies.append(json.loads(self.raw[-1]))
        return await self.reply(request, self.bodies[-1])

    async def _tokenize(self, request: web.Request) -> web.Response:
        """A token for every four characters, and ten for the template."""
        messages = (await request.json())["messages"]
        return web.json_response({"count": 10 + sum(len(m["content"]) for m in messages) // 4})


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
