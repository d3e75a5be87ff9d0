"""`POST /v1/embeddings` through the gateway's guards."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.fakes import FakeAnalyzer, FakeEmbeddings
from tests.gateway.conftest import KEY, Running

PATH = "/v1/embeddings"


async def test_the_openai_client_gets_its_vectors_in_order(start: Callable[..., Any]) -> None:
    running = await start(embeddings=FakeEmbeddings())
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0) as client:
        answer = await client.embeddings.create(model="tiny-encoder", input=["one", "three"])  # base64
        plain = await client.embeddings.create(model="tiny-encoder", input="one", encoding_format="float")
        assert "tiny-encoder" in [model.id async for model in client.models.list()]
    assert [one.embedding for one in answer.data] == [[3.0, 1.0], [5.0, 1.0]]
    assert plain.data[0].embedding == [3.0, 1.0]
    assert answer.usage.prompt_tokens == 8


async def test_the_service_never_sees_a_name(start: Callable[..., Any]) -> None:
    service = FakeEmbeddings()
    running = await start(FakeAnalyzer({"Анна Каренина": "PERSON"}), service)
    status, _, _ = await running.post(
        PATH, {"model": "tiny-encoder", "input": ["I am Анна Каренина"], "user": "x"}
    )
    assert status == 200
    assert service.bodies[0]["input"][0].startswith("I am <PERSON_1_")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": [""]}, "input"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 8}, None),
        ({"model": 5}, "model"),
    ],
)
async def test_a_bad_request_is_400_in_openais_shape(
    start: Callable[..., Any], change: Any, field: str
) -> None:
    running = await start(embeddings=FakeEmbeddings())
    status, body, _ = await running.post(PATH, {"model": "tiny-encoder", "input": "x", **change})
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, "invalid_request", field)


async def test_without_the_service_or_with_another_name_it_is_404(
    running: Running, start: Callable[..., Any]
) -> None:
    status, body, _ = await running.post(PATH, {"model": "tiny-encoder", "input": "x"})
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    other = await start(embeddings=FakeEmbeddings())
    assert (await other.post(PATH, {"model": "another", "input": "x"}))[0] == 404
