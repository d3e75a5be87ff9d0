"""Chat completions, models and refusals of a deployed gateway, against OpenAI's own types."""

import json
import re
import uuid
from typing import Any

import httpx
import openai
import pytest
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.integration.conftest import events, refused

pytestmark = pytest.mark.integration
CHAT = "/v1/chat/completions"


def asked(model: str, content: Any = "Hello!", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    return {"model": model, "messages": messages, "max_tokens": 16, "temperature": 0, **fields}


def test_a_completion_has_openais_shape(gateway: httpx.Client, models: dict[str, str]) -> None:
    answer = gateway.post(CHAT, json=asked(models["text"]))
    assert answer.status_code == 200, answer.text
    told = ChatCompletion.model_validate(answer.json())
    assert (told.object, told.model) == ("chat.completion", models["text"])
    assert told.choices[0].message.role == "assistant"
    assert told.choices[0].message.content
    assert told.choices[0].finish_reason in ("stop", "length")
    assert told.usage
    assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens


def test_a_stream_has_openais_shape_and_ends_with_done(gateway: httpx.Client, models: dict[str, str]) -> None:
    body = asked(models["text"], stream=True, stream_options={"include_usage": True})
    *data, last = events(gateway.post(CHAT, json=body))
    chunks = [ChatCompletionChunk.model_validate(json.loads(one)) for one in data]
    assert last == "[DONE]"
    assert len({chunk.id for chunk in chunks}) == 1
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert chunks[-1].choices == []
    assert chunks[-1].usage


def test_openais_client_is_served(gateway: httpx.Client, models: dict[str, str]) -> None:
    key = gateway.headers["authorization"].removeprefix("Bearer ")
    base = str(gateway.base_url).rstrip("/") + "/v1"
    host = {"host": gateway.headers["host"]} if "host" in gateway.headers else {}
    with openai.OpenAI(base_url=base, api_key=key, max_retries=0, default_headers=host) as client:
        assert models["text"] in [model.id for model in client.models.list()]
        with pytest.raises(openai.BadRequestError) as refusal:
            client.chat.completions.create(model=models["text"], messages=[], max_tokens=4)
    assert refusal.value.code == "invalid_request"


def test_every_listed_model_is_found_under_its_name(gateway: httpx.Client) -> None:
    told = gateway.get("/v1/models").json()
    assert told["object"] == "list"
    assert told["models"] == [row["id"] for row in told["data"]]
    for row in told["data"]:
        Model.model_validate(row)
        one = gateway.get(f"/v1/models/{row['id']}")
        assert one.status_code == 200
        assert {name: one.json()[name] for name in ("id", "name", "ready")} == {
            "id": row["id"],
            "name": row["id"],
            "ready": True,
        }


def test_an_unknown_model_is_the_served_one_or_404(gateway: httpx.Client, models: dict[str, str]) -> None:
    answer = gateway.post(CHAT, json=asked("no-such-model"))
    if answer.status_code == 200:
        assert answer.json()["model"] == models["text"]
    else:
        refused(answer, 404, "model_not_found")


@pytest.mark.parametrize(
    "headers",
    [{"authorization": ""}, {"authorization": "Bearer no-such-key"}, {"authorization": "Basic QTpC"}],
    ids=["none", "wrong", "another scheme"],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings"])
def test_without_a_key_that_is_known_nothing_is_read(
    path: str, headers: dict[str, str], gateway: httpx.Client
) -> None:
    refused(gateway.post(path, content=b"{broken", headers=headers), 401, "invalid_api_key")


BROKEN: dict[str, bytes] = {
    "no JSON": b"{broken",
    "half of it": b'{"model": "x", "messages": [{"role": "us',
    "no UTF-8": b'{"model": "x", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "a list": b"[]",
    "null": b"null",
    "nothing": b"",
    "deep": b'{"model": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "a number without an end": b'{"model": "x", "messages": [], "seed": ' + b"9" * 5000 + b"}",
    "no messages": b'{"model": "x"}',
    "messages of text": b'{"model": "x", "messages": "Hello!"}',
    "an unknown field": b'{"model": "x", "messages": [{"role": "user", "content": "Hi"}], "no_such": 1}',
    "an unknown role": b'{"model": "x", "messages": [{"role": "root", "content": "Hi"}]}',
    "a temperature of text": b'{"model": "x", "messages": [{"role": "user", "content": "Hi"}], '
    b'"temperature": "hot"}',
    "a picture": b'{"model": "x", "messages": [{"role": "user", "content": [{"type": "image_url", '
    b'"image_url": {"url": "http://127.0.0.1/x.png"}}]}]}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_request_is_the_callers_fault(body: bytes, gateway: httpx.Client) -> None:
    answer = gateway.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 413), answer.text
    assert answer.json()["error"]["code"] in (
        "invalid_request",
        "unsupported_parameter",
        "payload_too_large",
    )


def test_paths_and_methods_that_are_not_there_are_refused(gateway: httpx.Client) -> None:
    assert gateway.get("/no/such/path").status_code == 404
    assert gateway.get("/no/such/path").json()["code"] == "not_found"
    refused(gateway.get(CHAT), 405, "method_not_allowed")
    assert gateway.delete("/v1/grades").status_code == 405


def test_every_answer_tells_the_keys_limits(gateway: httpx.Client) -> None:
    limit = gateway.get("/v1/status").json()["limits"]["requests_per_minute"]
    answer = gateway.get("/v1/models")
    if not limit:
        assert "x-ratelimit-limit-requests" not in answer.headers
        return
    assert int(answer.headers["x-ratelimit-limit-requests"]) == limit
    assert 0 <= int(answer.headers["x-ratelimit-remaining-requests"]) < limit
    assert re.fullmatch(r"\d+\.\d{3}s", answer.headers["x-ratelimit-reset-requests"])


def test_a_request_id_is_kept_or_made(gateway: httpx.Client) -> None:
    given = str(uuid.uuid4())
    assert gateway.get("/v1/models", headers={"x-request-id": given}).headers["x-request-id"] == given
    # Text of a caller's own would be written into the log.
    made = gateway.get("/no/such/path", headers={"x-request-id": "Maria Ivanova"})
    assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])
    assert made.json()["trace_id"] == made.headers["x-request-id"]


def test_a_question_in_russian_is_answered(gateway: httpx.Client, models: dict[str, str]) -> None:
    told = gateway.post(CHAT, json=asked(models["text"], "Какой газ выделяют растения? Ответь кратко."))
    assert told.status_code == 200, told.text
    assert "\N{REPLACEMENT CHARACTER}" not in told.json()["choices"][0]["message"]["content"]
