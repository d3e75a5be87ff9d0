"""The Open Inference Protocol V2 through the gateway's guards."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import FakeAnalyzer, FakeEmbeddings
from tests.gateway.conftest import Running

SPAM = "/v2/models/spam/infer"
GRADER = "/v2/models/grader-embedding/infer"


@pytest.fixture
async def served(start: Callable[..., Any]) -> Running:
    """A gateway before the embeddings service."""
    running: Running = await start(embeddings=FakeEmbeddings())
    return running


def tensor(*data: Any, name: str = "text", **changes: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [len(data)], "data": list(data), **changes}


async def test_it_tells_what_it_serves(served: Running) -> None:
    _, server, _ = await served.get("/v2")
    assert (server["name"], server["extensions"]) == ("grading-gateway", [])
    assert (await served.get("/v2/health/live"))[:2] == (200, {"live": True})
    assert (await served.get("/v2/health/ready"))[:2] == (200, {"ready": True})
    _, spam, _ = await served.get("/v2/models/spam")
    assert spam == {
        "name": "spam",
        "versions": ["spam-7"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
    }
    assert (await served.get("/v2/models/spam/versions/spam-7"))[1] == spam
    _, grader, _ = await served.get("/v2/models/grader-embedding")
    assert [one["name"] for one in grader["inputs"]] == ["submission", "question", "reference"]
    assert [one["shape"] for one in grader["outputs"]] == [[-1], [-1, 3]]
    assert (await served.get("/v2/models/spam/versions/spam-7/ready"))[1] == {"name": "spam", "ready": True}
    for path in ("eggs", "grader-llm", "tiny", "spam/versions/0", "spam/versions/0/ready", "eggs/ready"):
        status, body, _ = await served.get(f"/v2/models/{path}")
        assert (status, body["code"], body["error"]) == (404, "model_not_found", body["message"])


@pytest.mark.parametrize(
    "text",
    [tensor("hello", "win"), tensor(["hello"], ["win"], shape=[2, 1]), tensor("hello", "win", shape=[2, 1])],
)
async def test_a_classifier_gives_probabilities(served: Running, text: Any) -> None:
    body = {"id": "7", "parameters": {}, "inputs": [text], "outputs": [{"name": "probabilities"}]}
    expected = {
        "name": "probabilities",
        "datatype": "FP32",
        "shape": [2, 2],
        "data": [0.97, 0.03, 0.03, 0.97],
    }
    answer = {"model_name": "spam", "model_version": "spam-7", "id": "7", "outputs": [expected]}
    assert (await served.post(SPAM, body))[:2] == (200, answer)
    del answer["id"]
    path = "/v2/models/spam/versions/spam-7/infer"
    assert (await served.post(path, {"inputs": [text]}))[:2] == (200, answer)


async def test_an_encoder_gives_vectors_and_a_grader_scores(served: Running) -> None:
    _, answer, _ = await served.post("/v2/models/tiny-encoder/infer", {"inputs": [tensor("one", "three")]})
    (output,) = answer["outputs"]
    assert (output["name"], output["shape"], output["data"]) == ("embedding", [2, 2], [3.0, 1.0, 5.0, 1.0])
    columns = [
        tensor("oxygen and sugar", "no", name="submission"),
        tensor("oxygen", "yes", name="reference"),
        tensor("What?", "", name="question"),
    ]
    _, answer, _ = await served.post(GRADER, {"inputs": columns})
    score, probabilities = answer["outputs"]
    assert (score["name"], score["shape"], score["data"]) == ("score", [2], [1.0, 0.0])
    assert (probabilities["shape"], probabilities["data"]) == ([2, 3], [1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    _, answer, _ = await served.post(GRADER, {"inputs": columns[:2], "outputs": [{"name": "score"}]})
    assert [one["data"] for one in answer["outputs"]] == [[1.0, 0.0]]


async def test_the_service_never_sees_a_name(start: Callable[..., Any]) -> None:
    service = FakeEmbeddings()
    running = await start(FakeAnalyzer({"Анна Каренина": "PERSON"}), service)
    name = "Here is Анна Каренина"
    columns = [tensor(name, name=one) for one in ("submission", "question", "reference")]
    for model, inputs in (
        ("spam", [tensor(name)]),
        ("tiny-encoder", [tensor([name], shape=[1, 1])]),
        ("grader-embedding", columns),
    ):
        status, _, _ = await running.post(f"/v2/models/{model}/infer", {"id": name, "inputs": inputs})
        assert status == 200
    assert len(service.bodies) == 3
    assert service.wire.count("PERSON") == 5
    assert "Каренина" not in service.wire


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": []},
        {"inputs": ["a"]},
        {"inputs": [tensor("a"), tensor("a")]},
        {"inputs": [tensor("a", name="words")]},
        {"inputs": [tensor("a", name=["text"])]},
        {"inputs": [tensor("a", datatype="FP32")]},
        {"inputs": [tensor("a", shape=[2])]},
        {"inputs": [tensor("a", shape=[True])]},
        {"inputs": [tensor("a", shape=None)]},
        {"inputs": [tensor("a", data="a")]},
        {"inputs": [tensor(["a"])]},
        {"inputs": [tensor(["a", "b"], shape=[1, 1])]},
        {"inputs": [tensor(1)]},
        {"inputs": [tensor()]},
        {"inputs": [tensor("")]},
        {"inputs": [tensor("a", surprise=1)]},
        {"inputs": [tensor("a")], "id": 7},
        {"inputs": [tensor("a")], "outputs": ["probabilities"]},
        {"inputs": [tensor("a")], "outputs": [{"name": "logits"}]},
        {"inputs": [tensor("a")], "surprise": 1},
        {"inputs": [tensor("a"), tensor("a", name="question")]},
    ],
)
async def test_a_wrong_request_is_400_in_words(start: Callable[..., Any], body: Any) -> None:
    service = FakeEmbeddings()
    running = await start(embeddings=service)
    status, answer, _ = await running.post(SPAM, body)
    assert status == 400
    assert isinstance(answer["error"], str)
    assert service.bodies == []


@pytest.mark.parametrize(
    "columns",
    [
        [tensor("a", name="submission")],
        [tensor("a", name="submission"), tensor("b", "c", name="reference")],
        [tensor("a", name="submission"), tensor("", name="reference")],
        [tensor("a", name="submission"), tensor("b", name="reference"), tensor("c")],
    ],
)
async def test_a_graders_columns_must_belong_together(served: Running, columns: Any) -> None:
    assert (await served.post(GRADER, {"inputs": columns}))[0] == 400


async def test_binary_tensors_too_many_texts_and_strangers_are_refused(start: Callable[..., Any]) -> None:
    running = await start(embeddings=FakeEmbeddings(), max_instances=2)
    headers = {"inference-header-content-length": "10"}
    status, answer, _ = await running.post(SPAM, {"inputs": [tensor("a")]}, headers=headers)
    assert (status, "binary" in answer["error"]) == (400, True)
    assert (await running.post(SPAM, {"inputs": [tensor("a", "b", "c")]}))[0] == 413
    assert (await running.get("/v2/models/spam", key=""))[0] == 401


async def test_a_garbled_answer_is_502_and_a_dead_service_503(start: Callable[..., Any]) -> None:
    service = FakeEmbeddings()
    service.changes = {"probabilities": {}}
    running = await start(embeddings=service)
    assert (await running.post(SPAM, {"inputs": [tensor("a")]}))[0] == 502
    dead = await start(embeddings_url="http://127.0.0.1:9")
    assert (await dead.post(SPAM, {"inputs": [tensor("a")]}))[0] == 503
    for path in ("/v2/health/ready", "/v2/models/spam", "/v2/models/spam/ready"):
        assert (await dead.get(path))[0] == 503
    assert (await dead.get("/v2/health/live"))[0] == 200
    _, metrics, _ = await dead.get("/metrics")
    assert 'route="/v2/models/{name}/infer",status="503"' in metrics
