"""KServe V1 and the Open Inference Protocol V2."""

from typing import Any

import pytest

from tests.embeddings import tiny
from tests.embeddings.conftest import Running

PREDICT, INFER = "/v1/models/tiny:predict", "/v2/models/tiny/infer"


def tensor(*data: Any, **changes: Any) -> dict[str, Any]:
    return {"name": "text", "datatype": "BYTES", "shape": [len(data)], "data": list(data), **changes}


async def test_v1_instances_are_texts_or_objects(running: Running) -> None:
    status, body, _ = await running.post(PREDICT, {"instances": ["a", {"text": "a"}, "b"]})
    assert status == 200
    one, same, other = body["predictions"]
    assert len(one) == tiny.HIDDEN
    assert one == pytest.approx(same, abs=1e-6)
    assert one != other


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"instances": "a"},
        {"instances": []},
        {"instances": [""]},
        {"instances": [1]},
        {"instances": [["a"]]},
        {"instances": [{"text": 1}]},
        {"instances": [{"text": "a", "reference": "b"}]},
        {"instances": ["a"], "parameters": {}},
    ],
)
async def test_v1_a_wrong_request_is_refused_in_kserves_shape(running: Running, body: Any) -> None:
    status, answer, _ = await running.post(PREDICT, body)
    assert status == 400
    assert list(answer) == ["error"]
    assert isinstance(answer["error"], str)


async def test_v1_an_unknown_model_is_not_found(running: Running) -> None:
    status, answer, _ = await running.post("/v1/models/other:predict", {"instances": ["a"]})
    assert (status, answer) == (404, {"error": "There is no model of that name."})
    status, _, _ = await running.get(PREDICT)
    assert status == 404  # for OpenAI's clients `tiny:predict` is a name like another


async def test_v2_tells_what_it_serves(running: Running) -> None:
    _, server, _ = await running.get("/v2")
    assert (server["name"], server["extensions"]) == ("embeddings", [])
    assert (await running.get("/v2/health/live"))[:2] == (200, {"live": True})
    assert (await running.get("/v2/health/ready"))[:2] == (200, {"ready": True})
    _, model, _ = await running.get("/v2/models/tiny")
    assert model["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert model["outputs"] == [{"name": "embedding", "datatype": "FP32", "shape": [-1, tiny.HIDDEN]}]
    (version,) = model["versions"]
    assert (await running.get(f"/v2/models/tiny/versions/{version}"))[1] == model
    assert (await running.get(f"/v2/models/tiny/versions/{version}/ready"))[1]["ready"] is True
    for path in ("/v2/models/tiny/versions/0", "/v2/models/other", "/v2/models/other/ready"):
        status, answer, _ = await running.get(path)
        assert (status, list(answer)) == (404, ["error"])


@pytest.mark.parametrize(
    "text", [tensor("a", "b"), tensor(["a"], ["b"], shape=[2, 1]), tensor("a", "b", shape=[2, 1])]
)
async def test_v2_texts_go_in_as_bytes_and_vectors_come_out_flat(
    running: Running, text: dict[str, Any]
) -> None:
    body = {"id": "7", "parameters": {}, "inputs": [text], "outputs": [{"name": "embedding"}]}
    status, answer, _ = await running.post(INFER, body)
    assert status == 200
    assert (answer["id"], answer["model_name"]) == ("7", "tiny")
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("embedding", "FP32", [2, tiny.HIDDEN])
    _, openai, _ = await running.embed(["a", "b"])
    expected = [number for one in openai["data"] for number in one["embedding"]]
    assert output["data"] == pytest.approx(expected, abs=1e-6)
    _, answer, _ = await running.post(
        f"/v2/models/tiny/versions/{answer['model_version']}/infer", {"inputs": [text]}
    )
    assert "id" not in answer


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": []},
        {"inputs": ["a"]},
        {"inputs": [tensor("a"), tensor("a")]},
        {"inputs": [tensor("a", name="words")]},
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
        {"inputs": [tensor("a")], "outputs": ["embedding"]},
        {"inputs": [tensor("a")], "outputs": [{"name": "logits"}]},
        {"inputs": [tensor("a")], "surprise": 1},
    ],
)
async def test_v2_a_wrong_request_is_refused(running: Running, body: dict[str, Any]) -> None:
    status, answer, _ = await running.post(INFER, body)
    assert status == 400
    assert list(answer) == ["error"]


async def test_v2_binary_tensors_are_refused_in_words(running: Running) -> None:
    headers = {"inference-header-content-length": "10"}
    status, answer, _ = await running.post(INFER, {"inputs": [tensor("a")]}, headers=headers)
    assert status == 400
    assert "binary" in answer["error"]
