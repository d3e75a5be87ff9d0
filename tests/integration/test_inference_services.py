"""What a gateway needs of a bare InferenceService: of `grader-llm` (vLLM), of `embeddings`."""

import json
from typing import Any

import httpx
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.integration.conftest import events

pytestmark = pytest.mark.integration
CHAT = "/v1/chat/completions"


def told(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="session")
def chat(llm: httpx.Client) -> dict[str, Any]:
    (model, *_) = told(llm.get("/v1/models"))["data"]
    assert model["max_model_len"] >= 256
    messages = [{"role": "user", "content": "Hello!"}]
    return {"model": model["id"], "messages": messages, "max_tokens": 16, "temperature": 0}


def test_the_model_server_is_well(llm: httpx.Client) -> None:
    assert llm.get("/health").status_code == 200


def test_the_model_server_asks_for_its_key(llm: httpx.Client, chat: dict[str, Any]) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Bearer no-such-key"}):
        assert llm.post(CHAT, json=chat, headers=headers).status_code == 401


def test_the_model_server_completes(llm: httpx.Client, chat: dict[str, Any]) -> None:
    completion = ChatCompletion.model_validate(told(llm.post(CHAT, json=chat)))
    assert completion.choices[0].message.content
    assert completion.usage
    assert 0 < completion.usage.completion_tokens <= 16


def test_the_model_server_streams(llm: httpx.Client, chat: dict[str, Any]) -> None:
    asked = {**chat, "stream": True, "stream_options": {"include_usage": True}}
    *data, last = events(llm.post(CHAT, json=asked))
    chunks = [ChatCompletionChunk.model_validate(json.loads(one)) for one in data]
    assert last == "[DONE]"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage


def test_the_model_server_keeps_to_a_schema_and_tells_its_probabilities(
    llm: httpx.Client, chat: dict[str, Any]
) -> None:
    """Grading forces the form of an answer and reads how sure the model was of it."""
    schema = {
        "type": "object",
        "properties": {"level": {"enum": [0, 1, 2]}},
        "required": ["level"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema}}
    asked = {**chat, "max_tokens": 48, "response_format": wanted, "logprobs": True, "top_logprobs": 5}
    choice = told(llm.post(CHAT, json=asked))["choices"][0]
    assert json.loads(choice["message"]["content"])["level"] in (0, 1, 2)
    assert choice["logprobs"]["content"]


def test_the_model_server_counts_tokens(llm: httpx.Client, chat: dict[str, Any]) -> None:
    asked = {"model": chat["model"], "messages": chat["messages"]}
    assert told(llm.post("/tokenize", json=asked))["count"] > 0


def test_the_model_server_refuses_what_is_broken(llm: httpx.Client, chat: dict[str, Any]) -> None:
    for body in (b"{broken", b"[]", json.dumps({**chat, "messages": "Hello!"}).encode()):
        answer = llm.post(CHAT, content=body, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500, answer.text


@pytest.fixture(scope="session")
def served(embeddings: httpx.Client) -> dict[str, dict[str, Any]]:
    """By output the first model of the embeddings service."""
    return {row["output"]: row for row in reversed(told(embeddings.get("/v1/models"))["data"])}


def test_the_embeddings_service_is_ready(embeddings: httpx.Client) -> None:
    assert embeddings.get("/-/readyz").status_code == 200
    assert embeddings.get("/v2/health/ready").status_code == 200


def test_the_embeddings_service_gives_vectors(
    embeddings: httpx.Client, served: dict[str, dict[str, Any]]
) -> None:
    asked = {"model": served["embedding"]["id"], "input": ["Plants release oxygen.", "Привет!"]}
    vectors = [row["embedding"] for row in told(embeddings.post("/v1/embeddings", json=asked))["data"]]
    assert [sum(x * x for x in vector) for vector in vectors] == pytest.approx([1, 1], abs=1e-3)


def test_the_embeddings_service_classifies_and_compares(
    embeddings: httpx.Client, served: dict[str, dict[str, Any]]
) -> None:
    instances: dict[str, Any] = {
        "classification": "Thank you, see you tomorrow.",
        "grade": {"submission": "They release oxygen.", "reference_answers": ["Plants release oxygen."]},
    }
    for output, instance in instances.items():
        row = served[output]
        path = f"/v1/models/{row['id']}:predict"
        (one,) = told(embeddings.post(path, json={"instances": [instance]}))["predictions"]
        assert one["label"] in row["labels"]
        assert set(one["probabilities"]) == set(row["labels"])
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=0.01)


def test_the_embeddings_service_refuses_what_is_broken(
    embeddings: httpx.Client, served: dict[str, dict[str, Any]]
) -> None:
    for body in (b"{broken", b"[]", b'{"model": 1, "input": []}'):
        answer = embeddings.post("/v1/embeddings", content=body, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500, answer.text
