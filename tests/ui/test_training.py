"""The page of trainings."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ui.conftest import Page
from tests.ui.fake_gateway import KEY, Asked, FakeGateway, refusal
from tests.ui.test_datasets import HOSTILE, data_set, texts

CLASSES = Path(__file__).parents[2] / "gateway/training/classes"
JOBS = ("GET", "/v1/training-jobs")
START = ("POST", "/v1/training-jobs")
WAITING = {"state": "accepted", "hash": None, "attempts": 0, "error": None}
RUNS = {"training.tab": "runs"}


def job(number: int, **said: Any) -> dict[str, Any]:
    made = {
        "id": f"job_{number}", "status": "succeeded", "stage": "over", "progress": 1.0, "model": "will-pass",
        "model_class": "logistic_regression", "dataset": "attempts@2", "target": "passed", "feature_count": 3,
        "hyperparameters": {"C": 0.5}, "test_share": 0.3, "seed": 4, "promote": False,
        "created_at": 1795302592, "started_at": 1795302592, "ended_at": 1795302610, "attempts": 1,
        "cancelling": False, "model_version": number,
        "metrics": {"accuracy": 0.5 + number / 10, "f1_0": 0.9, "f1_1": 0.8}, "error": None,
    }  # fmt: skip
    return {**made, **said}


def serve(gateway: FakeGateway, jobs: list[Any] | None = None, found: dict[str, Any] | None = None) -> None:
    found = found or data_set()
    jobs = jobs or []
    classes = [
        json.loads((CLASSES / f"{name}.json").read_text())
        for name in ("logistic_regression", "random_forest")
    ]
    gateway.answers["GET", "/v1/model-classes"] = 200, {"data": classes}
    gateway.answers["GET", "/v1/datasets"] = 200, {"data": [found], "has_more": False}
    gateway.answers["GET", "/v1/datasets/attempts"] = 200, found

    def listed(asked: Asked) -> Any:
        status = asked.query.get("status")
        return 200, {"data": [one for one in jobs if status in (None, one["status"])], "has_more": False}

    gateway.answers[JOBS] = listed
    for one in jobs:
        gateway.answers["GET", f"/v1/training-jobs/{one['id']}"] = 200, one
        events = [{"number": 1, "at": 1795302592, "message": f"{HOSTILE} began."}]
        gateway.answers["GET", f"/v1/training-jobs/{one['id']}/events"] = (
            200,
            {"data": events, "has_more": False},
        )


def press(drawn: Any, label: str) -> Any:
    return next(one for one in drawn.button if one.label == label).click().run()


def sent(gateway: FakeGateway) -> list[Asked]:
    return [one for one in gateway.asked if one.method == "POST"]


def test_a_training_is_asked_for_as_the_form_says(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    gateway.answers[START] = 202, job(3)
    drawn = page("training")
    drawn.text_input(key="keep.training.model").set_value("will-pass")
    drawn.multiselect[0].set_value(["minutes"])
    drawn.number_input(key="keep.training.hyper.logistic_regression.C.0").set_value(0.5)
    drawn.toggle(key="keep.training.promote").set_value(False).run()
    press(drawn, "Start the training")
    (asked,) = sent(gateway)
    assert asked.json == {
        "model": "will-pass", "model_class": "logistic_regression", "dataset": "attempts@2",
        "target": "passed", "features": ["minutes"], "hyperparameters": {"C": 0.5}, "test_share": 0.2,
        "seed": 0, "promote": False,
    }  # fmt: skip
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_sent_twice_after_a_silence_it_is_one_training(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    gateway.answers[START] = 502, b"<html>no gateway</html>"
    drawn = page("training", **{"keep.training.model": "will-pass"})
    press(drawn, "Start the training")
    assert "does not answer" in drawn.error[0].value
    press(drawn, "Start the training")
    drawn.number_input(key="keep.training.seed").set_value(1).run()
    press(drawn, "Start the training")
    first, again, other = (one.headers["idempotency-key"] for one in sent(gateway))
    assert first == again != other


def test_a_refused_hyperparameter_is_told_beside_its_field_and_nothing_typed_is_lost(
    page: Page, gateway: FakeGateway
) -> None:
    serve(gateway)
    gateway.answers[START] = 422, refusal("invalid_hyperparameters", "'C' is **odd**.", "hyperparameters.C")
    drawn = page("training", **{"keep.training.model": "will-pass"})
    press(drawn, "Start the training")
    told = [one.value for one in drawn.markdown]
    assert any("\\*\\*odd" in one for one in told)
    assert not drawn.error
    assert drawn.text_input(key="keep.training.model").value == "will-pass"
    gateway.answers[START] = 422, refusal("invalid_dataset", "The target is no column.", "target")
    press(drawn, "Start the training")
    told = [one.value for one in drawn.markdown]
    assert any("The target is no column" in one for one in told)
    assert not any("odd" in one for one in told)


def test_a_model_without_a_name_is_not_asked_for(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    drawn = press(page("training"), "Start the training")
    assert "needs a name" in texts(drawn)
    assert sent(gateway) == []


def test_form_and_json_say_the_same(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    key = "keep.training.hyper.logistic_regression"
    drawn = page("training", **{"keep.training.model": "m"})
    drawn.selectbox(key=f"{key}.solver.kind").set_value('"saga"').run()
    drawn.segmented_control(key=f"{key}.mode").set_value("json").run()
    assert json.loads(drawn.text_area[0].value) == {"solver": "saga"}
    drawn.text_area[0].set_value('{"C": 0, "x": 1}').run()
    assert "C: must be a number from 1e-06 to 1e+06" in texts(drawn).replace("\\", "")
    assert next(one for one in drawn.button if one.label == "Start the training").disabled
    drawn.segmented_control(key=f"{key}.mode").set_value("form").run()
    assert "cannot show this JSON" in drawn.warning[0].value
    drawn.text_area[0].set_value('{"C": 2.5, "class_weight": "balanced"}').run()
    drawn.segmented_control(key=f"{key}.mode").set_value("form").run()
    assert not drawn.exception
    assert drawn.number_input(key=f"{key}.C.0").value == 2.5
    assert drawn.selectbox(key=f"{key}.class_weight.kind").value == '"balanced"'
    assert drawn.selectbox(key=f"{key}.solver.kind").value == '"lbfgs"'


def test_a_version_that_dvc_has_not_taken_cannot_be_chosen(page: Page, gateway: FakeGateway) -> None:
    versions = data_set()["versions"]
    serve(gateway, found=data_set(versions=[{**versions[0], "dvc": WAITING}, versions[1]]))
    drawn = page("training")
    assert drawn.selectbox(key="keep.training.version.attempts").options == ["1"]
    assert any("attempts@2" in one.value for one in drawn.caption)


def test_without_a_version_under_dvc_nothing_can_be_started(page: Page, gateway: FakeGateway) -> None:
    versions = data_set()["versions"]
    serve(gateway, found=data_set(dvc=WAITING, versions=[{**one, "dvc": WAITING} for one in versions]))
    drawn = page("training")
    assert "under DVC yet" in drawn.info[0].value
    assert next(one for one in drawn.button if one.label == "Start the training").disabled


@pytest.mark.parametrize("language", ["en", "ru"])
def test_without_data_the_page_says_what_to_do(page: Page, gateway: FakeGateway, language: str) -> None:
    serve(gateway)
    gateway.answers["GET", "/v1/datasets"] = 200, {"data": [], "has_more": False}
    drawn = page("training", language)
    assert not drawn.exception
    assert drawn.info


def test_what_runs_is_shown_with_its_log_and_can_be_cancelled(page: Page, gateway: FakeGateway) -> None:
    running = job(1, status="running", stage="fitting", progress=0.4, model_version=None, metrics={})
    serve(gateway, [running])
    gateway.answers["POST", "/v1/training-jobs/job_1:cancel"] = 200, running
    drawn = page("training")
    assert not drawn.exception
    assert HOSTILE in drawn.code[0].value
    assert "<script>" not in texts(drawn)
    drawn.button(key="training.cancel.job_1").click().run()
    assert [one.path for one in sent(gateway)] == ["/v1/training-jobs/job_1:cancel"]


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ({}, "success", "version 1 is trained, accuracy 0.6000"),
        (
            {"status": "failed", "error": {"code": "x", "message": "too **large**"}},
            "error",
            "too \\*\\*large",
        ),
        ({"status": "cancelled"}, "info", "is cancelled"),
    ],
)
def test_how_the_started_one_ended_is_told(
    page: Page, gateway: FakeGateway, said: dict[str, Any], kind: str, words: str
) -> None:
    serve(gateway, [job(1, **said)])
    drawn = page("training", **{"training.watched": "job_1"})
    told = getattr(drawn, kind)[0].value
    assert words in told.replace("\\.", ".")


def test_runs_are_compared(page: Page, gateway: FakeGateway) -> None:
    failed = job(3, status="failed", model_version=None, metrics={}, error={"code": "x", "message": "y"})
    serve(gateway, [job(2, hyperparameters={"C": 0.1}), job(1), failed])
    drawn = page("training", **RUNS)
    assert not drawn.exception
    table = drawn.dataframe[0].value
    assert table["Differing hyper-parameters"].tolist() == ["C=0.1", "C=0.5", "C=0.5"]
    assert table["accuracy"].tolist()[:2] == [0.7, 0.6]
    assert table["Time"].tolist()[0] == "18 s"


def test_a_picked_run_can_be_repeated_retrained_or_deleted(page: Page, gateway: FakeGateway) -> None:
    serve(gateway, [job(1)])
    gateway.answers["POST", "/v1/models/will-pass:retrain"] = 202, job(2)
    gateway.answers["DELETE", "/v1/training-jobs/job_1"] = 204, b""
    drawn = page("training", **{**RUNS, "training.picked": ["job_1"]})
    press(drawn, "Retrain will\\-pass on the newest version")
    (asked,) = sent(gateway)
    assert (asked.path, asked.json) == ("/v1/models/will-pass:retrain", {})
    assert asked.headers["idempotency-key"]
    press(drawn, "Delete the run")
    assert [one.path for one in gateway.asked if one.method == "DELETE"] == ["/v1/training-jobs/job_1"]
    press(drawn, "Change and start again")
    assert drawn.number_input(key="keep.training.hyper.logistic_regression.C.0").value == 0.5
    assert drawn.text_input(key="keep.training.model").value == "will-pass"
    assert drawn.slider(key="keep.training.share").value == 0.3
    assert drawn.toggle(key="keep.training.promote").value is False


def test_without_runs_and_without_the_right_the_page_says_so(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    assert "No training yet" in page("training", **RUNS).info[0].value
    gateway.all_refuse(403, "forbidden")
    assert "trainer or admin" in page("training").warning[0].value
