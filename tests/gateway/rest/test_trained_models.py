"""Trained models and the fraud pair through the real door, over SQLite and a folder of weights."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.model_mirror import DatabaseMirror
from gateway.adapters.objects import S3
from gateway.adapters.onnx_models import LoadedModel
from gateway.adapters.weights import StoredWeights
from gateway.training.facts import ModelVersion, Prediction
from tests.fakes import FakeEmbeddings
from tests.gateway.conftest import Running
from tests.gateway.trained import content, version_of

PREDICT = "/v1/models/payments:predict"
INFER = "/v2/models/payments/infer"
ROW = {"amount": 0.5, "count": 1, "night": True, "country": "aa"}


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
async def served(start: Callable[..., Any], tmp_path: Path) -> Running:
    """A gateway without an embeddings service, where the file `mixed` is the champion of `payments`."""
    running: Running = await start(
        model_poll_s=0.02, fraud_model_url=str(tmp_path / "fraud.onnx"), fraud_scenario_model_url=""
    )
    await put(running, tmp_path, "mixed")
    return running


async def shelve(tmp_path: Path, *versions: ModelVersion) -> None:
    """As the worker does it with what the registry has."""
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    await database.start()
    mirror = DatabaseMirror(database, "test")
    await mirror.tasks()
    await mirror.mirror(versions)
    await database.close()


async def put(running: Running, tmp_path: Path, *files: str) -> None:
    """The files are the versions 1, 2, ... of `payments`, the last one its champion."""
    weights = StoredWeights(str(tmp_path / "models"), S3())
    with ThreadPoolExecutor(1) as threads:
        versions = [version_of(file, threads, number=number) for number, file in enumerate(files, 1)]
    for model, file in zip(versions, files, strict=True):
        await weights.put(model.sha256, content(file))
    await shelve(tmp_path, *versions)
    champions = running.services.classical.champions
    await until(lambda: (told := champions.get("payments")) and told.version == len(files))


async def test_a_bare_instance_answers_bare_and_many_answer_in_order(served: Running) -> None:
    status, one, _ = await served.post(PREDICT, ROW)
    assert status == 200
    assert one == {
        "label": True,
        "confidence": pytest.approx(0.989013, abs=1e-6),
        "probabilities": {"false": pytest.approx(0.010987, abs=1e-6), "true": one["confidence"]},
        "model_name": "payments",
        "model_version": "1",
    }
    body = {"instances": [ROW, [-9.5, None, None, "b"]], "version": 1}
    status, many, _ = await served.post(PREDICT, body)
    assert (status, many["model_name"], many["model_version"]) == (200, "payments", "1")
    assert [told["label"] for told in many["predictions"]] == [True, False]


async def test_a_model_is_listed_and_found(served: Running) -> None:
    _, listed, _ = await served.get("/v1/models")
    (model,) = [one for one in listed["data"] if one["id"] == "payments"]
    assert (model["output"], model["version"], model["labels"]) == ("classification", "1", ["false", "true"])
    assert "max_model_len" not in model
    _, found, _ = await served.get("/v1/models/payments")
    assert (found["name"], found["ready"]) == ("payments", True)


WRONG = [
    ({"instances": []}, 400, "instances"),
    ({"instances": [ROW, {"amount": "much"}]}, 400, "instances.1"),
    ({"instances": [{"their column": 1}]}, 400, "instances.0"),
    ({"instances": [[1, 2, True]]}, 400, "instances.0"),
    ({"instances": [ROW], "their field": 1}, 400, "instances"),
    ({"instances": [ROW], "version": "1"}, 400, "version"),
    ({"instances": [ROW], "version": True}, 400, "version"),
    ({"instances": [ROW], "version": 10**12}, 400, "version"),
    ({"instances": [ROW], "version": 2}, 404, "name"),
    ({"instances": [ROW] * 1_001}, 413, "instances"),
    ({"instances": [{"amount": 1e39}]}, 400, "instances.0"),
    ({}, 400, "instances.0"),
]


async def test_a_wrong_request_names_our_words_only(
    served: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    for body, status, param in WRONG:
        told, answer, _ = await served.post(PREDICT, body)
        assert told == status, body
        assert answer["details"] == [{"field": param}], body
    assert "their" not in capsys.readouterr().err


async def test_a_new_champion_answers_and_the_old_one_by_its_number(served: Running, tmp_path: Path) -> None:
    await put(served, tmp_path, "mixed", "constant-2")
    _, new, _ = await served.post(PREDICT, {"amount": 1})
    assert (new["label"], new["model_version"]) == ("v2", "2")
    _, old, _ = await served.post(PREDICT, {"instances": [ROW], "version": 1})
    assert (old["predictions"][0]["label"], old["model_version"]) == (True, "1")


def tensor(name: str, datatype: str, *data: Any, **changes: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": list(data), **changes}


async def test_open_inference_takes_a_tensor_for_each_feature(served: Running) -> None:
    _, told, _ = await served.get("/v2/models/payments/versions/1")
    assert told == {
        "name": "payments",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "amount", "datatype": "FP64", "shape": [-1]},
            {"name": "count", "datatype": "INT64", "shape": [-1]},
            {"name": "night", "datatype": "BOOL", "shape": [-1]},
            {"name": "country", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "label", "datatype": "BOOL", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
        ],
    }
    assert (await served.get("/v2/models/payments/ready"))[:2] == (200, {"name": "payments", "ready": True})
    assert (await served.get("/v2/health/ready"))[:2] == (200, {"ready": True})
    inputs = [
        tensor("country", "BYTES", "aa", "b"),
        tensor("amount", "FP32", 0.5, -9),
        tensor("count", "INT32", [1], [None], shape=[2, 1]),
    ]
    status, answer, _ = await served.post(INFER, {"id": "7", "inputs": inputs})
    assert (status, answer["model_name"], answer["model_version"], answer["id"]) == (
        200,
        "payments",
        "1",
        "7",
    )
    label, probabilities = answer["outputs"]
    assert label == {"name": "label", "datatype": "BOOL", "shape": [2], "data": [True, False]}
    assert (probabilities["datatype"], probabilities["shape"]) == ("FP64", [2, 2])
    assert probabilities["data"][1] == pytest.approx(0.970688, abs=1e-6)
    wanted = {"inputs": inputs, "outputs": [{"name": "label"}]}
    _, answer, _ = await served.post("/v2/models/payments/versions/1/infer", wanted)
    assert [one["name"] for one in answer["outputs"]] == ["label"]


UNFIT = [
    [],
    [tensor("their column", "FP64", 1.0)],
    [tensor("amount", "FP64", 1.0), tensor("amount", "FP64", 1.0)],
    [tensor("amount", "BYTES", "1")],
    [tensor("amount", "FP16", 1.0)],
    [tensor("amount", "FP64", "1")],
    [tensor("amount", "FP64", 1e39)],
    [tensor("amount", "INT64", 1.5)],
    [tensor("count", "FP64", 1.5)],
    [tensor("night", "BOOL", 1)],
    [tensor("country", "BYTES", 1)],
    [tensor("amount", "FP64", 1.0, shape=[2])],
    [tensor("amount", "FP64", [1.0, 2.0], shape=[1, 2])],
    [tensor("amount", "FP64", 1.0), tensor("count", "INT64", 1, 2)],
    [{"name": "amount", "data": [1], "shape": [1]}],
]


async def test_tensors_that_do_not_fit_are_refused(served: Running) -> None:
    for inputs in UNFIT:
        status, answer, _ = await served.post(INFER, {"inputs": inputs})
        assert status == 400, inputs
        assert answer["error"] == answer["message"]
    inputs = [tensor("amount", "FP64", *[1.0] * 1_001)]
    assert (await served.post(INFER, {"inputs": inputs}))[0] == 413


async def test_versions_that_are_none_are_404(served: Running) -> None:
    for version in ("2", "x", "-1", "1.0", "\u0661", "9" * 30):
        assert (await served.get(f"/v2/models/payments/versions/{version}/ready"))[0] == 404


async def test_weights_that_are_gone_are_503_and_not_ready(served: Running, tmp_path: Path) -> None:
    for file in (tmp_path / "models").iterdir():
        file.unlink()
    served.services.classical._predictor._hot.clear()
    status, answer, headers = await served.post(PREDICT, ROW)
    assert (status, answer["code"], headers["x-should-retry"]) == (503, "model_unavailable", "true")
    assert (await served.get("/v2/models/payments/ready"))[0] == 503


async def test_a_service_that_is_down_stops_no_trained_model(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    running = await start(model_poll_s=0.02, embeddings_url="http://127.0.0.1:1")
    await put(running, tmp_path, "mixed")
    assert (await running.post(PREDICT, ROW))[0] == 200
    assert (await running.get("/v2/models/payments/ready"))[0] == 200
    assert (await running.get("/v2/health/ready"))[0] == 503


async def test_where_two_have_a_name_the_service_is_meant(start: Callable[..., Any], tmp_path: Path) -> None:
    running = await start(model_poll_s=0.02, embeddings=FakeEmbeddings())
    await running.get("/v1/models")
    with ThreadPoolExecutor(1) as threads:
        await shelve(tmp_path, version_of("mixed", threads, name="spam"))
    champions = running.services.classical.champions
    await until(lambda: "spam" in champions.unavailable())
    status, answer, _ = await running.post("/v1/models/spam:predict", {"instances": ["win a prize"]})
    assert (status, set(answer)) == (200, {"predictions"})
    _, listed, _ = await running.get("/v1/models")
    assert listed["models"].count("spam") == 1


async def test_the_fraud_pair_answers_when_its_files_are_there(served: Running, tmp_path: Path) -> None:
    row = {"amount": 100.0, "hour": 3}
    status, answer, _ = await served.post("/predict", row)
    assert (status, answer["code"]) == (503, "model_unavailable")
    assert (await served.post("/predict_scenario", row))[1]["code"] == "model_not_found"
    (tmp_path / "fraud.onnx").write_bytes(content("fraud"))
    await until(lambda: served.services.classical._pair["fraud"].state == "up")
    status, answer, _ = await served.post("/predict", row)
    assert status == 200
    assert answer == {
        "fraud": 1,
        "probability": pytest.approx(0.731059, abs=1e-6),
        "model_version": served.services.classical._pair["fraud"].current().sha256[:12],
    }
    status, many, _ = await served.post("/predict", {"instances": [row, {**row, "amount": -100}]})
    assert [one["fraud"] for one in many["predictions"]] == [1, 0]
    assert (await served.post("/predict", {"amount": 1, "their column": 2}))[0] == 400
    status, answer, _ = await served.post("/predict", {"amount": 1})  # this file takes no missing value
    assert (status, answer["details"]) == (400, [{"field": "instances.0"}])
    assert (await served.post("/predict", {"instances": [row], "version": 1}))[0] == 400


async def test_the_fraud_pair_tells_how_many_features_were_not_given(
    served: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.adapters.onnx_models.LoadedModel.predict", told_as_none_of_it)
    (tmp_path / "fraud.onnx").write_bytes(content("fraud"))
    await until(lambda: served.services.classical._pair["fraud"].state == "up")
    _, one, _ = await served.post("/predict", {"hour": 3})
    assert one["missing_features"] == 1
    body = {"instances": [{"amount": 1, "hour": 3}, {"amount": None}, [None, 3]]}
    _, many, _ = await served.post("/predict", body)
    assert [told.get("missing_features") for told in many["predictions"]] == [None, 2, 1]


async def told_as_none_of_it(_: LoadedModel, rows: Sequence[Any]) -> list[Prediction]:
    """The small files take no missing value."""
    return [Prediction(0, 1.0, {"0": 1.0, "1": 0.0})] * len(rows)


async def test_a_scenario_is_one_of_four(start: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "scenario.onnx").write_bytes(content("scenario"))
    running = await start(fraud_scenario_model_url=str(tmp_path / "scenario.onnx"))
    await until(lambda: running.services.classical._pair["fraud_scenario"].state == "up")
    status, answer, _ = await running.post("/predict_scenario", {"amount": 100, "hour": 1})
    assert (status, answer["fraud_scenario"]) == (200, 2)
    assert list(answer["probabilities"]) == ["0", "1", "2", "3"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert (await running.post("/predict", {"amount": 1}))[0] == 404
