"""The embeddings service's models by KServe's V1, and the list of everything that is served."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import FakeAnalyzer, FakeEmbeddings
from tests.gateway.conftest import Running

SPAM = "/v1/models/spam:predict"
EVERYTHING = ["tiny", "grader-llm", "tiny-encoder", "spam", "grader-embedding", "grader-auto"]


async def test_instances_get_predictions_and_a_bare_text_a_bare_one(start: Callable[..., Any]) -> None:
    running = await start(embeddings=FakeEmbeddings())
    status, answer, _ = await running.post(SPAM, {"instances": ["hello", {"text": "win now"}]})
    assert status == 200
    assert [one["label"] for one in answer["predictions"]] == ["ham", "spam"]
    status, bare, _ = await running.post(SPAM, {"text": "win now"})
    assert (status, bare) == (
        200,
        {
            "label": "spam",
            "confidence": 0.97,
            "probabilities": {"ham": 0.03, "spam": 0.97},
            "needs_review": False,
            "cut": False,
        },
    )


async def test_an_encoder_predicts_vectors(start: Callable[..., Any]) -> None:
    running = await start(embeddings=FakeEmbeddings())
    _, answer, _ = await running.post("/v1/models/tiny-encoder:predict", {"instances": ["one", "three"]})
    assert answer == {"predictions": [[3.0, 1.0], [5.0, 1.0]]}


@pytest.mark.parametrize("model", ["spam", "tiny-encoder"])
async def test_a_classifier_never_sees_a_name(start: Callable[..., Any], model: str) -> None:
    service = FakeEmbeddings()
    running = await start(FakeAnalyzer({"Анна Каренина": "PERSON"}), service)
    for body in ({"text": "Анна Каренина"}, {"instances": ["I am Анна Каренина"]}):
        assert (await running.post(f"/v1/models/{model}:predict", body))[0] == 200
    assert len(service.bodies) == 2
    assert "PERSON" in service.wire
    assert "Каренина" not in service.wire


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instances": []},
        {"instances": "a"},
        {"instances": [1]},
        {"instances": [" "]},
        {"instances": ["a" * 200_001]},
        {"instances": [{"text": "a", "label": "b"}]},
        {"instances": ["a"], "parameters": {}},
        {"text": None},
    ],
)
async def test_a_wrong_request_is_400_and_does_not_leave(start: Callable[..., Any], body: Any) -> None:
    service = FakeEmbeddings()
    running = await start(embeddings=service)
    status, answer, _ = await running.post(SPAM, body)
    assert (status, answer["code"]) == (400, "invalid_request")
    assert service.bodies == []


async def test_the_gateways_guards_stand_before_classifiers(start: Callable[..., Any]) -> None:
    running = await start(embeddings=FakeEmbeddings(), max_instances=2, metrics_key="scrape")
    assert (await running.post(SPAM, {"instances": ["a"] * 3}))[0] == 413
    headers = {"authorization": "Bearer wrong"}
    assert (await running.post(SPAM, {"text": "a"}, headers=headers))[0] == 401
    headers = {"authorization": "Bearer scrape"}
    assert (await running.post(SPAM, {"text": "a"}, headers=headers))[0] == 403


async def test_an_unknown_model_is_404_a_garbled_answer_502_and_a_dead_service_503(
    start: Callable[..., Any],
) -> None:
    service = FakeEmbeddings()
    running = await start(embeddings=service)
    status, body, _ = await running.post("/v1/models/eggs:predict", {"text": "a"})
    assert (status, body["code"]) == (404, "model_not_found")
    service.changes = {"label": "eggs"}
    assert (await running.post(SPAM, {"text": "a"}))[0] == 502
    dead = await start(embeddings_url="http://127.0.0.1:9")
    assert (await dead.post(SPAM, {"text": "a"}))[0] == 503


async def test_everything_that_is_served_is_listed_and_found(start: Callable[..., Any]) -> None:
    running: Running = await start(embeddings=FakeEmbeddings())
    _, body, _ = await running.get("/v1/models")
    assert body["models"] == EVERYTHING == [entry["id"] for entry in body["data"]]
    assert (body["data"][3]["version"], body["data"][3]["labels"]) == ("spam-7", ["ham", "spam"])
    for name in EVERYTHING:
        status, one, _ = await running.get(f"/v1/models/{name}")
        assert (status, one["id"], one["name"], one["ready"]) == (200, name, name, True)
    assert (await running.get("/v1/models/eggs"))[0] == 404
    assert (await running.get("/v1/status"))[1]["models"] == EVERYTHING


async def test_the_list_leaves_out_what_is_down(start: Callable[..., Any]) -> None:
    no_service = await start(embeddings_url="http://127.0.0.1:9")
    assert (await no_service.get("/v1/models"))[1]["models"] == ["tiny", "grader-llm", "grader-auto"]
    no_model = await start(embeddings=FakeEmbeddings(), llm_url="http://127.0.0.1:9")
    assert (await no_model.get("/v1/models"))[1]["models"] == EVERYTHING[2:]
    assert (await no_model.get("/v1/models/spam"))[0] == 200
    status, body, _ = await no_model.get("/v1/models/tiny")  # it may well exist
    assert (status, body["error"]["code"]) == (503, "backend_unavailable")
