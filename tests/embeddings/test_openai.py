import base64
import math
import struct
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.embeddings import tiny
from tests.embeddings.conftest import Running


async def test_a_text_has_a_unit_vector_and_its_tokens_are_counted(running: Running) -> None:
    status, body, headers = await running.embed("the answer is right.")
    assert status == 200
    assert body.keys() == {"object", "data", "model", "usage"}
    assert (body["object"], body["model"]) == ("list", "tiny")
    assert body["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    (one,) = body["data"]
    assert (one["object"], one["index"], len(one["embedding"])) == ("embedding", 0, tiny.HIDDEN)
    assert math.isclose(math.hypot(*one["embedding"]), 1, abs_tol=1e-5)
    assert len(headers["x-request-id"]) == 32


async def test_base64_is_little_endian_float32_of_the_same_numbers(running: Running) -> None:
    texts = ["a", "b c", "вода кипит!"]
    _, plain, _ = await running.embed(texts, encoding_format="float")
    _, packed, _ = await running.embed(texts, encoding_format="base64")
    for one, other in zip(plain["data"], packed["data"], strict=True):
        numbers = struct.unpack(f"<{tiny.HIDDEN}f", base64.b64decode(other["embedding"]))
        assert numbers == pytest.approx(one["embedding"], abs=1e-6)
        assert one["index"] == other["index"]


async def test_the_official_client_understands_the_answers(running: Running) -> None:
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{running.url}/v1", max_retries=0) as client:
        # Asks for base64 by itself.
        found = await client.embeddings.create(model="tiny", input=["a", "b", "a"])
        assert [len(one.embedding) for one in found.data] == [tiny.HIDDEN] * 3
        assert found.data[0].embedding == pytest.approx(found.data[2].embedding, abs=1e-6)
        assert found.usage.prompt_tokens == 9
        assert [model.id async for model in client.models.list()] == ["tiny"]
        assert (await client.models.retrieve("tiny")).id == "tiny"
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.embeddings.create(model="gpt", input="a")
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as ids:
            await client.embeddings.create(model="tiny", input=[1, 2, 3])
        assert "token ids" in ids.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a " * 70}, "input"),
        ({"model": None}, "model"),
        ({"model": ["tiny"]}, "model"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"dimensions": 16}, "dimensions"),
        ({"dimensions": "32"}, "dimensions"),
        ({"surprise": 1}, None),
    ],
)
async def test_a_wrong_request_is_refused_in_openais_shape(
    running: Running, fields: dict[str, Any], param: str | None
) -> None:
    status, body, headers = await running.post("/v1/embeddings", {"model": "tiny", "input": "a", **fields})
    assert status == 400
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["param"] == param
    assert body["error"]["type"] == "invalid_request_error"
    assert headers["x-should-retry"] == "false"


async def test_a_text_too_long_is_told_in_tokens(running: Running) -> None:
    _, body, _ = await running.embed("a " * 70)
    assert body["error"]["code"] == "context_length_exceeded"
    assert "64 tokens" in body["error"]["message"]
    assert "72 tokens" in body["error"]["message"]


async def test_a_setting_cuts_long_texts_instead(start: Callable[..., Any]) -> None:
    running = await start(truncate=True)
    status, long, _ = await running.embed("a " * 70)
    assert (status, long["usage"]["prompt_tokens"]) == (200, 64)
    _, whole, _ = await running.embed("a " * 62)
    assert long["data"] == whole["data"]


async def test_dimensions_may_say_what_is_so_anyway(running: Running) -> None:
    status, _, _ = await running.embed("a", dimensions=tiny.HIDDEN, user="u", encoding_format="float")
    assert status == 200


async def test_as_many_texts_as_openai_takes(running: Running) -> None:
    status, body, _ = await running.embed(["a b c", "d"] * 1024, encoding_format="base64")
    assert status == 200
    assert [one["index"] for one in body["data"]] == list(range(2048))
    assert body["data"][0]["embedding"] != body["data"][1]["embedding"]


async def test_models_are_listed_for_openai_and_kserve(running: Running) -> None:
    _, body, _ = await running.get("/v1/models")
    assert body["models"] == ["tiny"]
    assert body["data"][0]["object"] == "model"
    assert body["data"][0]["max_model_len"] == tiny.POSITIONS
    _, one, _ = await running.get("/v1/models/tiny")
    assert (one["id"], one["name"], one["ready"], one["output"]) == ("tiny", "tiny", True, "embedding")
    status, unknown, _ = await running.get("/v1/models/other")
    assert (status, unknown["error"]["code"]) == (404, "model_not_found")
