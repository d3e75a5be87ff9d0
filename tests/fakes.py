"""Stand-ins for what the gateway talks to. Each keeps its real counterpart's contract.

Over 250 lines: the servers share their handlers and their way of running.
"""

import asyncio
import base64
import json
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from aiohttp import web

from gateway.domain import MaskingPolicy, Passage, Span
from gateway.errors import GatewayError
from gateway.rest.door import App

JsonObject = dict[str, Any]


class FakeAnalyzer:
    """Finds exactly the values it was told about."""

    def __init__(self, values: dict[str, str] | None = None, error: GatewayError | None = None) -> None:
        self.values = values or {}  # value -> kind
        self.error = error
        self.programs: list[str] = []
        self.policies: list[MaskingPolicy] = []

    async def analyze(self, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Span]]:
        if self.error:
            raise self.error
        self.programs.extend(passage.text for passage in passages if passage.program)
        self.policies.append(policy)
        return [self._spans(passage.text) for passage in passages]

    async def ready(self) -> bool:
        return self.error is None

    def _spans(self, text: str) -> list[Span]:
        if not self.values:
            return []
        wanted = "|".join(re.escape(value) for value in sorted(self.values, key=len, reverse=True))
        return [Span(m.start(), m.end(), self.values[m.group()]) for m in re.finditer(wanted, text)]


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
        async with listening(app) as url:
            yield url

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


def head(name: str, output: str, *labels: str) -> JsonObject:
    """A row of the embeddings service's list."""
    row: JsonObject = {"id": name, "max_model_len": 256, "version": f"{name}-7", "output": output}
    return {**row, "labels": list(labels)} if labels else row


class FakeEmbeddings:
    """The embeddings service over a real socket.

    A text's vector is its length and one. A classifier finds its last label where a text says "win", at 0.97.
    The grader's score is the share of the best reference's words that the submission has.
    """

    def __init__(self) -> None:
        self.listed: Any = {
            "object": "list",
            "data": [
                head("tiny-encoder", "embedding"),
                head("spam", "classification", "ham", "spam"),
                head("grader-embedding", "grade", "correct", "contradictory", "incorrect"),
            ],
        }
        self.listings = 0
        self.keys: list[str | None] = []
        self.bodies: list[JsonObject] = []  # all that arrived
        self.changes: JsonObject = {}  # of every prediction
        self.reply: Handler | None = None  # in the place of vectors and predictions

    @property
    def wire(self) -> str:
        """Everything that arrived, as text."""
        return json.dumps(self.bodies, ensure_ascii=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Yields the base address."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/embeddings", self._answered(self._vectors))
        app.router.add_post("/v1/models/{name}:predict", self._answered(self._predictions))
        async with listening(app) as url:
            yield url

    async def _models(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("authorization"))
        self.listings += 1
        return web.json_response(self.listed)

    def _answered(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.bodies.append(await request.json())
            return await (self.reply or handler)(request, self.bodies[-1])

        return answer

    async def _vectors(self, _: web.Request, body: JsonObject) -> web.StreamResponse:
        data = [
            {"object": "embedding", "index": index, "embedding": packed(text)}
            for index, text in enumerate(body["input"])
        ]
        tokens = sum(map(len, body["input"]))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})

    async def _predictions(self, request: web.Request, body: JsonObject) -> web.StreamResponse:
        (row,) = (one for one in self.listed["data"] if one["id"] == request.match_info["name"])
        predict = self._graded if row["output"] == "grade" else self._classified
        return web.json_response(
            {"predictions": [{**predict(one, row["labels"]), **self.changes} for one in body["instances"]]}
        )

    @staticmethod
    def _classified(instance: Any, labels: list[str]) -> JsonObject:
        text = instance if isinstance(instance, str) else instance["text"]
        label = labels[-1] if "win" in text else labels[0]
        rest = 0.03 / (len(labels) - 1)
        probabilities = {one: 0.97 if one == label else rest for one in labels}
        return {"label": label, "confidence": 0.97, "probabilities": probabilities, "needs_review": False}

    @staticmethod
    def _graded(instance: JsonObject, labels: list[str]) -> JsonObject:
        assert instance.keys() <= {"submission", "question", "reference_answers"}
        has = set(instance["submission"].lower().split())
        references = [set(text.lower().split()) for text in instance["reference_answers"]]
        score = max(len(words & has) / len(words) for words in references)
        probabilities = dict(zip(labels, (score, 0.0, 1.0 - score), strict=True))
        label = max(probabilities, key=lambda one: probabilities[one])
        prediction = {"label": label, "confidence": 0.9, "probabilities": probabilities}
        return {**prediction, "score": score, "needs_review": False}


def packed(text: str) -> str:
    """FakeEmbeddings' vector of a text as it travels: little-endian float32 in base64."""
    return base64.b64encode(struct.pack("<2f", len(text), 1.0)).decode()


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """A fake server over a real socket. Yields its base address."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


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
