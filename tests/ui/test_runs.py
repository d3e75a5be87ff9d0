"""Trainings beside each other."""

from typing import Any

from ui.runs import differences, metrics_of, per_class, values_of, versions_to_train_on


def job(version: int | None, **said: Any) -> dict[str, Any]:
    made = {
        "model": "m",
        "model_class": "tree",
        "model_version": version,
        "hyperparameters": {},
        "metrics": {},
    }
    return {**made, **said}


DEFAULTS = {"tree": {"depth": None, "leaf": 1, "split": 2}}


def test_only_what_differs_is_told_and_a_default_counts() -> None:
    jobs = [job(1, hyperparameters={"depth": 3, "split": 4}), job(2, hyperparameters={"split": 4, "leaf": 1})]
    assert differences(jobs, DEFAULTS) == ["depth=3", "depth=null"]


def test_one_and_one_point_nought_differ() -> None:
    jobs = [job(1, hyperparameters={"leaf": 1.0}), job(2)]
    assert differences(jobs, DEFAULTS) == ["leaf=1.0", "leaf=1"]


def test_the_only_run_of_a_class_tells_all_that_was_said() -> None:
    jobs = [
        job(1, hyperparameters={"depth": 3}),
        job(2, model_class="line", hyperparameters={"C": 0.5, "a": "x"}),
    ]
    assert differences(jobs, DEFAULTS) == ["depth=3", "C=0.5, a=x"]


def test_classes_are_apart_from_the_metrics_that_are_compared() -> None:
    metrics = {"f1_no": 0.5, "ece": 0.1, "f1_macro": 0.6, "accuracy": 0.7, "odd": 1.0}
    jobs = [job(1, metrics=metrics), job(None), job(2, metrics={"accuracy": 0.8})]
    assert metrics_of(jobs) == ["accuracy", "f1_macro", "ece", "odd"]
    assert values_of(jobs, "accuracy") == [("m v1, tree", 0.7), ("m v2, tree", 0.8)]
    assert per_class(jobs) == [("m v1, tree", "no", 0.5)]


def test_runs_of_one_name_do_not_fall_together() -> None:
    jobs = [job(1, metrics={"accuracy": 0.7}), job(1, metrics={"accuracy": 0.8})]
    assert [name for name, _ in values_of(jobs, "accuracy")] == ["m v1, tree", "m v1, tree (2)"]


def test_only_what_dvc_has_can_be_trained_on() -> None:
    states = {3: "accepted", 2: "versioned", 1: "pushed"}
    versions = [{"version": number, "dvc": {"state": state}} for number, state in states.items()]
    assert versions_to_train_on({"versions": versions}) == ([2, 1], [3])
