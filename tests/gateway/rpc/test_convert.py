"""Facts and messages: nothing is lost, and a Struct's doubles become integers where they must."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.rpc.convert import cell, struct, unpacked, whole_where_due
from gateway.rpc.gen.datasets_pb2 import Cell
from gateway.training.classes import ModelClasses

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_struct_says_what_json_says(told: dict[str, Any]) -> None:
    assert unpacked(struct(told)) == json.loads(json.dumps(told))


@given(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text())
def test_a_cell_keeps_its_value_and_its_type(value: Any) -> None:
    told = Cell.FromString(cell(value).SerializeToString())
    kind = told.WhichOneof("value")
    back = None if kind is None else getattr(told, kind)
    assert (back, type(back)) == (value, type(value))


def test_doubles_are_integers_where_the_class_takes_integers() -> None:
    forest = ModelClasses().get("random_forest").schema
    given_ = {
        "n_estimators": 50.0,
        "min_samples_leaf": 3.0,
        "min_weight_fraction_leaf": 0.0,
        "max_depth": None,
    }
    told = whole_where_due(given_, forest)
    assert told == given_
    assert {name: type(value) for name, value in told.items()} == {
        "n_estimators": int,
        "min_samples_leaf": int,  # counts or fractions, and fractions are below 1
        "min_weight_fraction_leaf": float,
        "max_depth": type(None),
    }
    # What is no integer stays as it is, and is refused by name.
    odd = {"n_estimators": 50.5, "max_depth": float("inf"), "colour": 1.0}
    assert whole_where_due(odd, forest) == odd
    assert type(whole_where_due(odd, forest)["colour"]) is float
