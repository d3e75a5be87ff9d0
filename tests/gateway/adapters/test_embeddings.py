import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from gateway.adapters.embeddings import Embeddings
from gateway.domain import ServedModel
from gateway.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ContextLengthExceeded,
    GatewayError,
    InvalidRequest,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LISTED = {
    "object": "list",
    "data": [
        {"id": "spam", "max_model_len": 256, "output": "probability"},
        {"id": "tiny", "max_model_len": 512, "output": "embedding"},
    ],
}


class FakeEmbeddings:
    """The embeddings service over a real socket: a text's vector is its length and a half."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.listings = 0
        self.listed: Any = LISTED
        self.reply: Handler | None = None

    async def models(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("authorization"))
        self.listings += 1
        return web.json_response(self.listed)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        if self.reply:
            return await self.reply(request)
        texts = self.asked[-1]["input"]
        data = [{"object": "embedding", "index": i, "embedding": packed(t)} for i, t in enumerate(texts)]
        usage = {"prompt_tokens": 3 * len(texts), "total_tokens": 3 * len(texts)}
        return web.json_response({"object": "list", "data": data, "model": "tiny", "usage": usage})


def packed(text: str) -> str:
    return base64.b64encode(struct.pack("<2f", len(text), 0.5)).decode()


def answers(status: int, body: Any, **headers: str) -> Handler:
    async def reply(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return reply


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def service(stack: AsyncExitStack) -> FakeEmbeddings:
    return FakeEmbeddings()


@pytest.fixture
async def client(stack: AsyncExitStack, service: FakeEmbeddings) -> Embeddings:
    app = web.Application()
    app.router.add_get("/v1/models", service.models)
    app.router.add_post("/v1/embeddings", service.embeddings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made = Embeddings(url + "/", "a-key", connect_timeout_s=1.0, max_connections=8)
    stack.push_async_callback(made.close)
    return made


async def test_texts_become_vectors_in_their_order(client: Embeddings, service: FakeEmbeddings) -> None:
    vectors, tokens = await client.embed(["ab", "четыре"], 5.0)
    assert vectors == [[2.0, 0.5], [6.0, 0.5]]
    assert tokens == 6
    assert service.asked == [{"model": "tiny", "input": ["ab", "четыре"], "encoding_format": "base64"}]
    assert service.keys == ["Bearer a-key"]


async def test_only_encoders_are_listed_and_the_list_is_believed_for_a_while(
    client: Embeddings, service: FakeEmbeddings
) -> None:
    assert await client.models() == [ServedModel("tiny", 512)]
    await asyncio.gather(*(client.embed(["a"], 5.0) for _ in range(5)))
    assert service.listings == 1


async def test_a_failed_look_at_the_models_is_not_remembered(
    client: Embeddings, service: FakeEmbeddings
) -> None:
    useless: list[Any] = [
        {"data": []},
        {"data": [1]},
        {"data": None},
        [],
        {"data": [{"output": "embedding"}]},
    ]
    for nothing in useless:
        service.listed = nothing
        with pytest.raises(BackendError):
            await client.models()
    service.listed = LISTED
    assert (await client.embed(["a"], 5.0))[1] == 3


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "context_length_exceeded", ContextLengthExceeded),
        (400, "invalid_request", InvalidRequest),
        (413, "payload_too_large", InvalidRequest),
        (503, "overloaded", BackendUnavailable),
        (401, "invalid_api_key", BackendError),
        (404, "model_not_found", BackendError),
        (500, "internal_error", BackendError),
    ],
)
async def test_a_refusal_becomes_an_error_of_ours(
    client: Embeddings, service: FakeEmbeddings, status: int, code: str, expected: type[GatewayError]
) -> None:
    service.reply = answers(status, {"error": {"message": "why", "code": code}})
    with pytest.raises(expected) as refusal:
        await client.embed(["a text of mine"], 5.0)
    assert type(refusal.value) is expected
    assert "a text of mine" not in f"{refusal.value.message} {refusal.value.detail}"
    assert refusal.value.detail == ("why" if status in (400, 413) else None)
    assert bool(refusal.value.retry_after) == (status == 503)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"data": [], "usage": {"prompt_tokens": 1}},
        {"data": [{"embedding": "no base64!"}], "usage": {"prompt_tokens": 1}},
        {"data": [{"embedding": base64.b64encode(b"five.").decode()}], "usage": {"prompt_tokens": 1}},
        {"data": [{"embedding": packed("a")}]},
        {"data": [{"embedding": [0.1, 0.2]}], "usage": {"prompt_tokens": 1}},
    ],
)
async def test_an_answer_out_of_protocol_is_a_backend_error(
    client: Embeddings, service: FakeEmbeddings, body: Any
) -> None:
    service.reply = answers(200, body)
    with pytest.raises(BackendError):
        await client.embed(["a"], 5.0)


async def test_a_slow_service_is_a_timeout(client: Embeddings, service: FakeEmbeddings) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(2)
        return web.Response()

    service.reply = slow
    with pytest.raises(BackendTimeout):
        await client.embed(["a"], 0.1)


async def test_an_answer_that_breaks_off_is_a_backend_error(
    client: Embeddings, service: FakeEmbeddings
) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "1000"})
        await response.prepare(request)
        await response.write(b'{"data": [')
        assert request.transport is not None
        request.transport.abort()
        return response

    service.reply = cut
    with pytest.raises(BackendError):
        await client.embed(["a"], 5.0)


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    nobody = Embeddings("http://127.0.0.1:9", "", connect_timeout_s=1.0, max_connections=1)
    with pytest.raises(BackendUnavailable) as refusal:
        await nobody.embed(["a"], 1.0)
    assert refusal.value.retry_after
    assert "127.0.0.1" not in refusal.value.message
    await nobody.close()
