"""The published schemas are what scikit-learn accepts, within our caps: no more and no less."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.adapters.fitting.estimators import calibrated, estimator, fit_estimator
from gateway.adapters.fitting.schemas import FOLDER, document
from gateway.adapters.fitting.table import TABLE, Row
from gateway.errors import InvalidHyperparameters
from gateway.training.classes import ModelClasses

CLASSES = ModelClasses()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] + RNG.normal(size=80) > 0).astype(np.int64)

QUICK: Mapping[str, Mapping[str, Any]] = {  # where a test does not say otherwise
    "random_forest": {"n_estimators": 3},
    "extra_trees": {"n_estimators": 3},
    "hist_gradient_boosting": {"max_iter": 3},
}

# Whole numbers are few and small where they mean how long to work.
NUMBERS = [
    -1,
    0,
    1,
    2,
    3,
    64,
    65,
    255,
    256,
    5000,
    -0.5,
    0.0,
    1e-8,
    1e-6,
    0.05,
    0.25,
    0.5,
    0.999,
    1.0,
    1.5,
    2.0,
]
OTHERS = [None, True, False, "auto", "nope"]


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_the_files_are_what_scikit_learn_says_today(row: Row) -> None:
    """Where this fails, `python -m gateway.adapters.fitting.schemas` writes them anew: read what changed."""
    assert (FOLDER / f"{row.name}.json").read_text() == document(row)


def test_every_file_is_a_row() -> None:
    assert {one.name for one in CLASSES.all()} == set(TABLE)


def test_defaults_are_among_what_is_accepted() -> None:
    for one in CLASSES.all():
        properties: Any = one.schema["properties"]
        CLASSES.check(one.name, {name: told["default"] for name, told in properties.items()})


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_the_schema_accepts_what_scikit_learn_accepts(row: Row) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(st.fixed_dictionaries({}, optional={name: values(row, name) for name in row.takes}))
    def same(drawn: dict[str, Any]) -> None:
        hyperparameters = {**QUICK.get(row.name, {}), **drawn}
        if accepted(row.name, hyperparameters):
            model = calibrated(estimator(row, hyperparameters, seed=0), Y)
            fit_estimator(model, X, Y, 1, lambda _share, _message: None)
            assert np.isfinite(model.predict_proba(X)).all()
        elif not any(left_out(row, name, value) for name, value in hyperparameters.items()):
            assert not fits(row, hyperparameters)

    same()


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_each_value_alone_is_accepted_by_both_or_neither(row: Row) -> None:
    for name in row.takes:
        for value in pool(row, name):
            one = {**QUICK.get(row.name, {}), name: value}
            if accepted(row.name, one):
                assert fits(row, one), (name, value)
            elif not left_out(row, name, value):
                assert not fits(row, one), (name, value)


def pool(row: Row, name: str) -> list[Any]:
    options = [
        option
        for one in row.estimator._parameter_constraints[name]
        for option in getattr(one, "options", ())
        if option != "deprecated"
    ]
    numbers = [one for one in NUMBERS if name not in ("n_estimators", "max_iter") or one <= 64]
    return [*numbers, *OTHERS, *sorted(options)]


def values(row: Row, name: str) -> st.SearchStrategy[Any]:
    """Half of them good, so that parameters meet each other too."""
    good = [value for value in pool(row, name) if accepted(row.name, {name: value})]
    return st.sampled_from(good or pool(row, name)) | st.sampled_from(pool(row, name))


def accepted(name: str, hyperparameters: Mapping[str, Any]) -> bool:
    try:
        CLASSES.check(name, hyperparameters)
    except InvalidHyperparameters:
        return False
    return True


def fits(row: Row, hyperparameters: Mapping[str, Any]) -> bool:
    """By scikit-learn's own word."""
    model = calibrated(estimator(row, hyperparameters, seed=0), Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge, say
        try:
            model.fit(X, Y)
        except ValueError:
            return False
    return bool(np.isfinite(model.predict_proba(X)).all())


def left_out(row: Row, name: str, value: Any) -> bool:
    """What scikit-learn may take and we do not: beyond a cap, 1.0 or True where they could be taken for 1."""
    cap = row.takes[name]
    if isinstance(value, bool):
        return True
    if isinstance(value, str | None):
        return value in cap.without
    if isinstance(value, int) and not cap.whole:
        return True
    beyond = (cap.least is not None and value < cap.least) or (cap.most is not None and value > cap.most)
    return beyond or value == 1.0
