"""What a caller may say of a training."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.training.asks import TrainingAsk, read_training_ask

WHOLE = {
    "model": "fraud-lr",
    "model_class": "logistic_regression",
    "dataset": "payments@12",
    "target": "fraud",
    "features": ["amount", "country"],
    "hyperparameters": {"C": 0.5},
    "test_share": 0.25,
    "seed": 7,
    "promote": False,
}


def test_every_field_is_read() -> None:
    assert read_training_ask(WHOLE) == TrainingAsk(
        model="fraud-lr",
        model_class="logistic_regression",
        dataset="payments",
        dataset_version=12,
        target="fraud",
        features=("amount", "country"),
        hyperparameters={"C": 0.5},
        test_share=0.25,
        seed=7,
        promote=False,
    )


def test_null_is_a_field_that_was_not_said() -> None:
    assert read_training_ask(dict.fromkeys(WHOLE)) == read_training_ask({}) == TrainingAsk()


def test_an_unknown_field_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_training_ask({**WHOLE, "targt": "fraud"})
    assert refusal.value.param == "request"
    assert "targt" not in refusal.value.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("model", name)
            for name in ("", "..", ".hidden", "a/b", "a%2fb", "a\0", "A", "\u0430bc", "a" * 65, 5)
        ),
        *(
            ("dataset", name)
            for name in ("", "../x", "a@", "a@0", "a@01", "a@-1", "a@1@2", "a@1e3", "a@\u0661")
        ),
        ("dataset", f"a@{'9' * 30}"),
        ("model_class", ""),
        ("model_class", ["logistic_regression"]),
        ("target", ""),
        ("target", 3),
        *(("features", features) for features in ([], "amount", ["a", "a"], ["a", 1], [None], {"a": 1})),
        ("features", [str(number) for number in range(1001)]),
        ("hyperparameters", []),
        ("hyperparameters", {"C": float("nan")}),
        ("hyperparameters", {"C": [{"deep": float("inf")}]}),
        ("hyperparameters", {str(number): 1 for number in range(101)}),
        *(("test_share", share) for share in (0, 0.04, 0.51, 1, True, "0.2", float("nan"), float("inf"))),
        *(("seed", seed) for seed in (-1, 2**31, 1.0, True, "7", 10**30)),
        *(("promote", promote) for promote in (0, 1, "true")),
    ],
)
def test_a_wrong_value_names_its_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_training_ask({**WHOLE, field: value})
    assert refusal.value.param == field
    assert f"'{field}'" in refusal.value.message


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def outcome(payload: dict[str, Any]) -> TrainingAsk | InvalidRequest:
    try:
        return read_training_ask(payload)
    except InvalidRequest as refusal:
        return refusal


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), _JSON))
def test_whatever_is_said_is_read_or_refused_by_name(payload: dict[str, Any]) -> None:
    told = outcome(payload)
    if isinstance(told, InvalidRequest):
        assert told.param in payload
    else:
        json.dumps(told.hyperparameters, allow_nan=False)
