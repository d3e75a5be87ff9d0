"""What a table's statistics say about learning from it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidDataset, InvalidRequest
from gateway.training.facts import Column, DatasetVersion
from gateway.training.learnable import chosen
from tests.gateway.training.facts import column, dataset, target


def refusal(
    version: DatasetVersion, *features: str, name: str | None = None, share: float = 0.2
) -> InvalidDataset:
    with pytest.raises(InvalidDataset) as raised:
        chosen(version, name, features or None, share)
    return raised.value


def test_the_data_sets_own_target_and_every_other_column_are_taken() -> None:
    learnt = chosen(dataset(), None, None, 0.2)
    assert (learnt.target, learnt.features, learnt.note) == (
        "fraud",
        ("amount", "country"),
        "The training is queued.",
    )


def test_features_stand_in_the_order_of_the_table() -> None:
    assert chosen(dataset(), None, ["country", "amount"], 0.2).features == ("amount", "country")


def test_without_any_target_one_is_asked_for() -> None:
    with pytest.raises(InvalidRequest) as raised:
        chosen(dataset(own_target=None), None, None, 0.2)
    assert raised.value.param == "target"


@pytest.mark.parametrize(
    ("column_of_it", "about"),
    [
        (target("other"), "no such column"),
        (column("fraud", "integer", distinct=2, missing=1), "lacks values"),
        (column("fraud", "integer", distinct=1), "2 to 100 classes"),
        (column("fraud", "text", distinct=101), "2 to 100 classes"),
        (target(counts=(399, 1)), "2 rows at least"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(column_of_it: Column, about: str) -> None:
    error = refusal(dataset(column("amount"), column_of_it))
    assert (error.param, about in error.message) == ("target", True)


def test_each_class_must_fit_into_the_rows_held_out_and_into_the_others() -> None:
    classes = target(counts=(2,) * 20)
    wide = dataset(column("amount"), classes, rows=40)
    assert refusal(wide, share=0.45).param == "test_share"
    assert chosen(wide, None, None, 0.5).target == "fraud"


@pytest.mark.parametrize(
    ("features", "about"),
    [
        (["amount", "fraud"], "target is no feature"),
        (["amount", "nowhere"], "lacks a feature"),
        (["amount", "name"], "more than 100 values"),
        (["amount", "nothing"], "no value at all"),
    ],
)
def test_a_feature_that_was_named_and_cannot_be_used_is_refused(features: list[str], about: str) -> None:
    version = dataset(
        column("amount"), column("name", "text", distinct=101), column("nothing", distinct=0), target()
    )
    error = refusal(version, *features)
    assert (error.param, about in error.message) == ("features", True)
    # The caller's own words are for the caller alone.
    assert not any(name in error.message for name in ("amount", "nowhere", "nothing"))
    assert error.detail is None or f"'{features[1]}'" in error.detail


def test_what_nobody_named_and_cannot_be_used_is_left_out_and_counted() -> None:
    columns = [column(f"name{number}", "text", distinct=200) for number in range(2)]
    version = dataset(
        *columns,
        column("void", distinct=0),
        column("id", "integer", distinct=400),
        column("amount"),
        target(),
    )
    learnt = chosen(version, None, None, 0.2)
    assert learnt.features == ("id", "amount")
    assert learnt.note == (
        "The training is queued. Text columns with more than 100 values, left out: 2. "
        "Columns without a value, left out: 1. Integer columns that differ in each row, perhaps ids: 1."
    )


def test_a_table_of_names_alone_has_nothing_to_learn_from() -> None:
    version = dataset(column("name", "text", distinct=200), target())
    assert refusal(version).param == "features"


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=12), share=st.floats(0.05, 0.5, allow_nan=False)
)
def test_what_is_taken_can_be_split_with_each_class_on_both_sides(counts: list[int], share: float) -> None:
    version = dataset(column("amount"), target(counts=tuple(counts)), rows=sum(counts))
    held_out = math.ceil(sum(counts) * share)
    if min(held_out, sum(counts) - held_out) < len(counts):
        assert refusal(version, share=share).param == "test_share"
    else:
        assert chosen(version, None, None, share).target == "fraud"
