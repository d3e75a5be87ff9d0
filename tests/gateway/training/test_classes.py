"""The model classes as the gateway knows them: what is accepted, and what a refusal says."""

from typing import Any

import pytest

from gateway.errors import InvalidHyperparameters, InvalidRequest
from gateway.training.classes import ModelClasses

CLASSES = ModelClasses()


def refused(name: str, hyperparameters: dict[str, Any]) -> InvalidHyperparameters:
    with pytest.raises(InvalidHyperparameters) as refusal:
        CLASSES.check(name, hyperparameters)
    return refusal.value


def test_there_are_classes_and_their_parameters_differ() -> None:
    classes = CLASSES.all()
    assert len(classes) >= 4
    assert [one.name for one in classes] == sorted(one.name for one in classes)
    offered: list[Any] = [one.schema["properties"] for one in classes]
    assert len({tuple(one) for one in offered}) > 3
    for one in offered:
        assert all({"description", "default"} <= told.keys() for told in one.values())
        assert not one.keys() & {"n_jobs", "random_state", "verbose", "warm_start"}


def test_an_unknown_class_is_the_requests_fault() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        CLASSES.get("sklearn.svm.SVC")
    assert refusal.value.param == "model_class"
    assert "SVC" not in refusal.value.message


def test_nothing_is_what_every_class_accepts() -> None:
    for one in CLASSES.all():
        CLASSES.check(one.name, {})


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("logistic_regression", {"C": 1}),
        ("logistic_regression", {"solver": "saga", "l1_ratio": 0.5}),
        ("logistic_regression", {"solver": "liblinear", "dual": True, "l1_ratio": 0}),
        ("random_forest", {"max_depth": None, "max_features": 3}),
        ("random_forest", {"max_samples": 0.5}),
        ("extra_trees", {"bootstrap": True, "oob_score": True}),
        ("hist_gradient_boosting", {"early_stopping": True, "validation_fraction": None}),
        ("linear_svm", {"loss": "hinge", "dual": "auto"}),
    ],
)
def test_what_scikit_learn_takes_is_accepted(name: str, hyperparameters: dict[str, Any]) -> None:
    CLASSES.check(name, hyperparameters)


@pytest.mark.parametrize(
    ("name", "hyperparameters", "param"),
    [
        ("logistic_regression", {"C": 0}, "C"),
        ("logistic_regression", {"C": "1"}, "C"),
        ("logistic_regression", {"l1_ratio": 0.5}, "l1_ratio"),
        ("logistic_regression", {"solver": "liblinear", "l1_ratio": 0.5}, "l1_ratio"),
        ("logistic_regression", {"dual": True}, "solver"),
        ("random_forest", {"n_estimators": 201}, "n_estimators"),
        ("random_forest", {"bootstrap": False, "max_samples": 0.5}, "max_samples"),
        ("extra_trees", {"oob_score": True}, "oob_score"),
        ("linear_svm", {"penalty": "l1", "loss": "hinge"}, "loss"),
        ("linear_svm", {"loss": "hinge", "dual": False}, "dual"),
        ("decision_tree", {"max_depth": [3]}, "max_depth"),
        ("decision_tree", {"max_depth": {"$ref": "x"}}, "max_depth"),
    ],
)
def test_a_refusal_names_the_parameter(name: str, hyperparameters: dict[str, Any], param: str) -> None:
    refusal = refused(name, hyperparameters)
    assert refusal.param == f"hyperparameters.{param}"
    assert f"'hyperparameters.{param}'" in refusal.message


@pytest.mark.parametrize("value", [1.0, 5.0, True, float("nan"), float("inf"), 10**400, "\ud800", "10"])
def test_a_count_is_a_whole_number(value: object) -> None:
    """To JSON Schema 1.0 is an integer, and to its validator NaN is null; to scikit-learn they are not."""
    assert refused("random_forest", {"max_depth": value}).param == "hyperparameters.max_depth"


def test_a_callers_word_stays_out_of_the_message() -> None:
    refusal = refused("decision_tree", {"Ivanov": 1})
    assert refusal.param == "hyperparameters"
    assert "Ivanov" not in refusal.message
    assert refusal.detail == "Given: 'Ivanov'."
    assert "Petrov" not in refused("decision_tree", {"criterion": "Petrov"}).message


def test_a_refusal_says_what_is_wanted() -> None:
    told = "'hyperparameters.max_depth': must be a whole number from 1 to 64 or null."
    assert refused("decision_tree", {"max_depth": 65}).message == told
