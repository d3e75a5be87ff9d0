import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from gateway.adapters.embeddings import Embeddings
from gateway.domain import Comparison, Output, ServedModel
from gateway.errors import (
    BackendBusy,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ContextLengthExceeded,
    DeadlineExceeded,
    GatewayError,
    InvalidRequest,
)
from tests.fakes import FakeEmbeddings, Handler, head, packed

SPAM = ServedModel("spam", 256, Output.CLASSIFICATION, "spam-7", ("ham", "spam"))
GRADER = ServedModel(
    "grader-embedding", 256, Output.GRADE, "grader-embedding-7", ("correct", "contradictory", "incorrect")
)
COMPARISON = Comparison("Oxygen and sugar", ("oxygen", "sugar and water"), "What?")


def answers(status: int, body: Any, **headers: str) -> Handler:
    async def reply(_: web.Request, __: Any) -> web.Response:
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
    url = await stack.enter_async_context(service.running())
    made = Embeddings(url + "/", "a-key", connect_timeout_s=1.0, max_connections=8)
    stack.push_async_callback(made.close)
    return made


async def test_texts_become_vectors_in_their_order(client: Embeddings, service: FakeEmbeddings) -> None:
    vectors, tokens = await client.embed(["ab", "четыре"], 5.0)
    assert vectors == [[2.0, 1.0], [6.0, 1.0]]
    assert tokens == 8
    assert service.bodies == [
        {"model": "tiny-encoder", "input": ["ab", "четыре"], "encoding_format": "base64"}
    ]
    assert service.keys == ["Bearer a-key"]


async def test_what_can_be_read_is_listed_and_the_list_is_believed_for_a_while(
    client: Embeddings, service: FakeEmbeddings
) -> None:
    service.listed["data"] += [5, head("painter", "picture"), head("nameless", "classification")]
    encoder = ServedModel("tiny-encoder", 256, Output.EMBEDDING, "tiny-encoder-7")
    assert await client.models() == [encoder, SPAM, GRADER]
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
        {"data": [{"id": "a", "max_model_len": "long", "output": "embedding"}]},
        {"data": [head("chat", "text")]},
    ]
    for nothing in useless:
        service.listed = nothing
        with pytest.raises(BackendError):
            await client.models()
    service.listed = {"data": [head("spam", "classification", "ham", "spam")]}
    assert await client.models() == [SPAM]
    with pytest.raises(BackendError, match="no encoder"):
        await client.embed(["a"], 5.0)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "context_length_exceeded", ContextLengthExceeded),
        (400, "invalid_request", InvalidRequest),
        (413, "payload_too_large", InvalidRequest),
        (429, "overloaded", BackendBusy),
        (503, "overloaded", BackendBusy),
        (504, "deadline_exceeded", DeadlineExceeded),
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
    with pytest.raises(expected):
        await client.classify(SPAM, ["a text of mine"], 5.0)
    assert type(refusal.value) is expected
    assert "a text of mine" not in f"{refusal.value.message} {refusal.value.detail}"
    assert refusal.value.detail == ("why" if status in (400, 413) else None)
    assert bool(refusal.value.retry_after) == (status in (429, 503))


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


async def test_a_classifier_gets_texts_and_a_grader_comparisons(
    client: Embeddings, service: FakeEmbeddings
) -> None:
    ham, spam = await client.classify(SPAM, ["hello", "win now"], 5.0)
    assert (ham.label, spam.label, spam.probabilities) == ("ham", "spam", {"ham": 0.03, "spam": 0.97})
    (one, other) = await client.estimate(GRADER, [COMPARISON, Comparison("no", ("oxygen",))], 5.0)
    assert (one.score, one.label, one.cut) == (1.0, "correct", False)
    assert (other.score, other.label) == (0.0, "incorrect")
    assert service.bodies == [
        {"instances": ["hello", "win now"]},
        {
            "instances": [
                {
                    "submission": "Oxygen and sugar",
                    "reference_answers": ["oxygen", "sugar and water"],
                    "question": "What?",
                },
                {"submission": "no", "reference_answers": ["oxygen"]},
            ]
        },
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "eggs"},
        {"label": ["ham"]},
        {"confidence": 1.5},
        {"confidence": True},
        {"confidence": "0.9"},
        {"confidence": float("nan")},
        {"probabilities": {"ham": 1.0}},
        {"probabilities": {"ham": 0.5, "spam": -0.5}},
        {"probabilities": {"ham": 0.5, "spam": 0.4, "eggs": 0.1}},
        {"probabilities": [0.5, 0.5]},
        {"needs_review": "no"},
        {"cut": 1},
    ],
)
async def test_a_prediction_is_checked_and_never_mended(
    client: Embeddings, service: FakeEmbeddings, changes: Any
) -> None:
    service.changes = changes
    with pytest.raises(BackendError):
        await client.classify(SPAM, ["hello"], 5.0)


@pytest.mark.parametrize("score", [None, -0.1, 1.01, "1", float("inf")])
async def test_a_score_out_of_range_is_a_backend_error(
    client: Embeddings, service: FakeEmbeddings, score: Any
) -> None:
    service.changes = {"score": score}
    with pytest.raises(BackendError):
        await client.estimate(GRADER, [COMPARISON], 5.0)


@pytest.mark.parametrize("body", [[], {}, {"predictions": []}, {"predictions": [5]}, {"predictions": {}}])
async def test_predictions_of_another_shape_or_number_are_a_backend_error(
    client: Embeddings, service: FakeEmbeddings, body: Any
) -> None:
    service.reply = answers(200, body)
    with pytest.raises(BackendError):
        await client.classify(SPAM, ["hello"], 5.0)


async def test_kserves_error_text_reaches_the_caller(client: Embeddings, service: FakeEmbeddings) -> None:
    service.reply = answers(400, {"error": "An instance is empty."})
    with pytest.raises(InvalidRequest) as refusal:
        await client.classify(SPAM, ["x"], 5.0)
    assert (refusal.value.detail, refusal.value.param) == ("An instance is empty.", "instances")


async def test_a_slow_service_is_a_timeout(client: Embeddings, service: FakeEmbeddings) -> None:
    async def slow(_: web.Request, __: Any) -> web.Response:
        await asyncio.sleep(2)
        return web.Response()

    service.reply = slow
    with pytest.raises(BackendTimeout):
        await client.embed(["a"], 0.1)


async def test_an_answer_that_breaks_off_is_a_backend_error(
    client: Embeddings, service: FakeEmbeddings
) -> None:
    async def cut(request: web.Request, _: Any) -> web.StreamResponse:
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
