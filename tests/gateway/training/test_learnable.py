"""What a table's statistics say about learning from it."""

import math
from contextlib import nullcontext
from fractions import Fraction

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
    assert error.detail in (None, f"Columns: '{features[1]}'.")


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


@pytest.mark.parametrize(
    ("counts", "share", "to_learn_from", "fits"),
    [
        ((498, 2), 0.2, 1, False),  # none of the two rows is held out
        ((495, 5), 0.2, 1, True),
        ((2, 2), 0.5, 1, True),
        ((2, 2), 0.5, 2, False),
        ((4, 4), 0.5, 2, True),
    ],
)
def test_each_class_needs_its_own_rows_on_both_sides(
    counts: tuple[int, ...], share: float, to_learn_from: int, fits: bool
) -> None:
    version = dataset(column("amount"), target(counts=counts), rows=sum(counts))
    with nullcontext() if fits else pytest.raises(InvalidDataset, match="too few rows"):
        chosen(version, None, None, share, to_learn_from)


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=12),
    share=st.floats(0.05, 0.5, allow_nan=False),
    to_learn_from=st.integers(1, 2),
)
def test_what_is_taken_can_be_split_with_each_class_on_both_sides(
    counts: list[int], share: float, to_learn_from: int
) -> None:
    version = dataset(column("amount"), target(counts=tuple(counts)), rows=sum(counts))
    places = range(len(counts))
    # Each class once has the first claim to a row, and once the last.
    lots = [sorted(places, key=lambda place: (place != one) * side) for one in places for side in (1, -1)]
    splits = [learnt(counts, share, lot) for lot in lots]
    fits = all(
        to_learn_from <= part < count for split in splits for part, count in zip(split, counts, strict=True)
    )
    if fits:
        assert chosen(version, None, None, share, to_learn_from).target == "fraud"
    else:
        with pytest.raises(InvalidDataset) as raised:
            chosen(version, None, None, share, to_learn_from)
        assert raised.value.param == "test_share"


def learnt(counts: list[int], share: float, lot: list[int]) -> list[int]:
    """Rows of each class that are learnt from, as sklearn 1.9 deals them out: utils/extmath.py
    `_approximate_mode`. Equal remainders are drawn by lot."""
    rows = sum(counts)
    train = rows - math.ceil(rows * share)
    parts = [Fraction(count * train, rows) for count in counts]
    dealt = [math.floor(part) for part in parts]
    first = sorted(lot, key=lambda place: dealt[place] - parts[place])
    for place in first[: train - sum(dealt)]:
        dealt[place] += 1
    return dealt
