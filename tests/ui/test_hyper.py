"""Hyper-parameters as a form, over the schemas that the gateway really serves."""

import json
from pathlib import Path
from typing import Any

import pytest

from ui import hyper
from ui.hyper_form import W
from ui.hyper_state import fill, kind_of, options, value_of

CLASSES = {
    file.stem: json.loads(file.read_text())["schema"]
    for file in (Path(__file__).parents[2] / "gateway/training/classes").glob("*.json")
}


def word(name: str, **given: object) -> str:
    return W[name][0].format(**given)


def faults(model_class: str, values: dict[str, Any]) -> dict[str, str]:
    return hyper.faults(CLASSES[model_class], values, word)


def test_there_are_classes() -> None:
    assert len(CLASSES) >= 6


@pytest.mark.parametrize("name", CLASSES)
def test_a_form_that_nobody_touched_sends_nothing_and_has_no_fault(name: str) -> None:
    known = hyper.fields(CLASSES[name])
    shown = {field.name: value_of({}, "key", field) for field in known}
    assert shown == {field.name: field.default for field in known}
    assert hyper.differing(known, shown) == {}
    assert faults(name, shown) == {}
    for field in known:
        assert kind_of(field, field.default) in [*options(field), True, False]


def test_what_was_said_as_json_stands_in_the_form() -> None:
    known = hyper.fields(CLASSES["random_forest"])
    said = {
        "max_depth": 7,
        "max_features": "log2",
        "min_samples_leaf": 0.25,
        "bootstrap": False,
        "n_estimators": 3,
    }
    state: dict[str, Any] = {}
    fill(state, "key", known, said)
    assert hyper.differing(known, {field.name: value_of(state, "key", field) for field in known}) == said
    fill(state, "key", known, {})
    assert hyper.differing(known, {field.name: value_of(state, "key", field) for field in known}) == {}


def test_a_wrong_value_is_told_in_words_beside_its_name() -> None:
    assert faults("random_forest", {"n_estimators": 0, "trees": 1, "criterion": "gini"}) == {
        "n_estimators": "must be a whole number from 1 to 200",
        "trees": "the class has no such hyper-parameter",
    }
    assert faults("logistic_regression", {"solver": "adam"})["solver"].startswith(
        "must be lbfgs, or liblinear"
    )


def test_a_count_is_no_share_and_a_share_no_count() -> None:
    """JSON Schema takes 1.0 for 1; the gateway and scikit-learn do not."""
    assert "n_estimators" in faults("random_forest", {"n_estimators": 3.0})
    assert "min_samples_leaf" in faults("random_forest", {"min_samples_leaf": 1.0})
    assert faults("random_forest", {"min_samples_leaf": 1}) == {}
    assert "bootstrap" in faults("random_forest", {"bootstrap": 1})
    assert faults("logistic_regression", {"C": 2}) == {}


def test_a_rule_between_two_stands_at_the_one_to_be_mended() -> None:
    assert faults("random_forest", {"bootstrap": False, "oob_score": True}) == {
        "oob_score": "needs bootstrap: with all rows in every tree there is nothing to sample or leave out"
    }
    assert faults("logistic_regression", {"dual": True}) == {"solver": "must be liblinear where dual is true"}


@pytest.mark.parametrize("text", ["[1]", "3", '{"C": NaN}', '{"C": 1, "C": 2}', '{"C": 1', "[" * 5000])
def test_what_is_no_json_object_is_none(text: str) -> None:
    assert hyper.read_json(text) is None


def test_an_empty_editor_is_an_object_without_anything() -> None:
    assert hyper.read_json(" \n") == {}
    assert hyper.read_json('{"C": 0.5}') == {"C": 0.5}
