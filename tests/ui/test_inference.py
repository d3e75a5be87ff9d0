"""The page of predictions."""

from typing import Any

import pytest

from tests.ui.conftest import Page
from tests.ui.fake_gateway import KEY, Asked, FakeGateway, refusal
from tests.ui.test_datasets import HOSTILE, data_set, texts

MODELS = ("GET", "/v1/models")
VERSIONS = ("GET", "/v1/models/will-pass/versions")
PREDICT = ("POST", "/v1/models/will-pass:predict")
FEATURES = [
    {"name": "minutes", "type": "integer"},
    {"name": "share", "type": "number"},
    {"name": "new", "type": "boolean"},
    {"name": HOSTILE, "type": "text"},
]


def version(number: int, **said: Any) -> dict[str, Any]:
    made = {
        "name": "will-pass", "version": number, "champion": number == 1, "created_at": 1795302592,
        "model_class": "decision_tree", "metrics": {"accuracy": 0.9}, "run_url": None, "sha256": "a" * 64,
        "signature": {"features": FEATURES, "target": "passed", "labels": [HOSTILE, "no"]},
        "lineage": {"job_id": "job_1", "dataset": "attempts@2", "dvc_hash": "b" * 32, "git_commit": "c" * 40,
                    "hyperparameters": {"max_depth": 3}},
    }  # fmt: skip
    return {**made, **said}


def predicted(asked: Asked) -> Any:
    one = {"label": HOSTILE, "confidence": 0.75, "probabilities": {HOSTILE: 0.75, "no": 0.25}}
    return 200, {
        "predictions": [one] * len(asked.json["instances"]),
        "model_name": "will-pass",
        "model_version": "1",
    }


def serve(gateway: FakeGateway) -> None:
    listed = [
        {"id": "spam", "output": "classification", "max_model_len": 256, "version": "1.0.0"},
        {"id": "vectors", "output": "embedding", "max_model_len": 256},
        {"id": "will-pass", "output": "classification", "version": "1"},
    ]
    gateway.answers[MODELS] = 200, {"data": listed}
    gateway.answers[VERSIONS] = 200, {"data": [version(2), version(1)]}
    gateway.answers["GET", "/v1/models/spam/versions"] = 404, refusal("model_not_found", "None.", "name")
    gateway.answers["GET", "/v1/datasets/attempts"] = 200, data_set()
    gateway.answers[PREDICT] = predicted


def press(drawn: Any, label: str) -> Any:
    return next(one for one in drawn.button if one.label == label).click().run()


def posted(gateway: FakeGateway) -> list[Any]:
    return [one.json for one in gateway.asked if one.method == "POST"]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_trained_models_stand_first_with_their_champion_and_lineage(
    page: Page, gateway: FakeGateway, language: str
) -> None:
    serve(gateway)
    drawn = page("inference", language)
    assert not drawn.exception
    assert drawn.selectbox(key="keep.inference.model").options == ["will-pass", "spam"]
    assert drawn.selectbox(key="keep.inference.version.will-pass").value == 1
    assert {"b" * 12, "c" * 12, "max_depth=3"} <= set(drawn.dataframe[0].value.iloc[1].astype(str))
    assert "<script>" not in texts(drawn)
    assert "<script>" not in "".join(one.value for one in drawn.html)


def test_what_is_filled_in_is_sent_with_its_type_and_the_rest_is_missing(
    page: Page, gateway: FakeGateway
) -> None:
    serve(gateway)
    drawn = page("inference")
    key = "keep.inference.will-pass"
    drawn.number_input(key=f"{key}.integer.minutes").set_value(90)
    drawn.selectbox(key=f"{key}.boolean.new").set_value("false")
    drawn.selectbox(key=f"{key}.text.{HOSTILE}").set_value(HOSTILE)
    press(drawn, "Predict")
    assert not drawn.exception
    assert posted(gateway) == [{"instances": [{"minutes": 90, "new": False, HOSTILE: HOSTILE}], "version": 1}]
    assert gateway.asked[-1].headers["authorization"] == f"Bearer {KEY}"
    assert "0.750" in drawn.html[-1].value
    assert "<script>" not in drawn.html[-1].value


def test_an_empty_form_asks_nothing(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    drawn = press(page("inference"), "Predict")
    assert "Fill in one field" in drawn.warning[0].value
    assert posted(gateway) == []


def test_a_refusal_leaves_what_was_filled_in(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    gateway.answers[PREDICT] = 503, refusal("overloaded", "Busy."), {"retry-after": "2"}
    key = "keep.inference.will-pass.integer.minutes"
    drawn = press(page("inference", **{key: 90}), "Predict")
    assert "Try again in 2 s" in drawn.warning[0].value
    assert drawn.number_input(key=key).value == 90


def test_without_the_right_to_see_the_data_the_form_does_without(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    gateway.answers["GET", "/v1/datasets/attempts"] = 403, refusal("forbidden", "No.")
    drawn = page("inference")
    assert not drawn.exception
    assert not drawn.warning
    assert drawn.text_input(key=f"keep.inference.will-pass.text.{HOSTILE}").value == ""


def test_another_version_can_be_made_the_champion(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    gateway.answers["POST", "/v1/models/will-pass:promote"] = 200, version(2)
    drawn = page("inference", **{"keep.inference.version.will-pass": 2})
    press(drawn, "Make it the champion")
    assert posted(gateway) == [{"version": 2}]


def test_a_text_is_classified(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    answer = {
        "label": "spam",
        "confidence": 0.9,
        "probabilities": {"ham": 0.1, "spam": 0.9},
        "needs_review": True,
    }
    gateway.answers["POST", "/v1/models/spam:predict"] = 200, {"predictions": [answer]}
    drawn = page("inference", **{"keep.inference.model": "spam", "keep.inference.text": HOSTILE})
    press(drawn, "Predict")
    assert posted(gateway) == [{"instances": [{"text": HOSTILE}]}]
    assert "spam" in drawn.html[-1].value
    assert "person should look" in drawn.caption[-1].value


def test_without_models_the_page_says_what_makes_one(page: Page, gateway: FakeGateway) -> None:
    gateway.answers[MODELS] = 200, {"data": []}
    assert "Train one" in page("inference").info[0].value


def test_a_gateway_that_is_down_is_told(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_URL", "http://127.0.0.1:9")
    drawn = page("inference")
    assert "does not answer" in drawn.error[0].value
    assert not drawn.exception


def given(drawn: Any, content: str) -> Any:
    return drawn.file_uploader[0].set_value(("rows.csv", content.encode(), "text/csv")).run()


def test_a_file_is_predicted_and_given_back(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    drawn = given(page("inference"), "minutes,share,note\n90,0.5,=1\nmany,1,b\n,,c\n")
    assert "lacks" in drawn.warning[0].value
    assert "note" in drawn.caption[-1].value
    press(drawn, "Predict 3 rows")
    assert not drawn.exception
    nothing = dict.fromkeys(one["name"] for one in FEATURES)
    assert posted(gateway) == [{"instances": [{"minutes": 90, "share": 0.5}, nothing], "version": 1}]
    assert "Rows predicted: 2. 1 failed." in drawn.warning[-1].value
    failures, result = (one.value for one in drawn.dataframe[1:])
    assert failures.to_numpy().tolist() == [[2, "no value of its type in minutes"]]
    assert result["note"].tolist() == ["=1", "c"]
    assert drawn.download_button[0].label == "Download the result"


def test_a_gateway_that_goes_away_leaves_what_was_answered(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)

    def once(asked: Asked) -> Any:
        gateway.answers[PREDICT] = 502, b"<html>down</html>"
        return predicted(asked)

    gateway.answers[PREDICT] = once
    drawn = given(page("inference"), "minutes\n" + "1\n" * 600)
    press(drawn, "Predict 600 rows")
    assert "does not answer" in drawn.error[0].value
    assert "Rows predicted: 500. 100 are left." in drawn.warning[-1].value
    gateway.answers[PREDICT] = predicted
    press(drawn, "Go on")
    assert "Rows predicted: 600." in drawn.success[0].value
    assert [len(one["instances"]) for one in posted(gateway)] == [500, 100, 100]


def test_a_file_that_cannot_be_read_or_has_no_feature_is_not_sent(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    drawn = given(page("inference"), "minutes,share\n1,2\n3\n")
    assert "(line 3)" in drawn.error[0].value
    given(drawn, "**note**\n1\n")
    assert "none of the model's features" in drawn.error[0].value
    assert posted(gateway) == []
