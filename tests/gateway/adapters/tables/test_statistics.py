"""What people are shown of a table before they train on it."""

import json
from dataclasses import asdict

import polars as pl
import pytest

from gateway.adapters.tables.statistics import table_of
from gateway.adapters.tables.target import check_target
from gateway.errors import InvalidDataset
from gateway.training.facts import ColumnType, Table, TableFormat


def told(frame: pl.DataFrame, target: str | None = None) -> Table:
    return table_of(frame, TableFormat.CSV, "ab", 9, target)


def test_a_column_is_described_by_its_type() -> None:
    frame = pl.DataFrame(
        {
            "whole": [1, 2, None, 5],
            "number": [0.5, 1.5, 2.5, None],
            "flag": [True, False, True, None],
            "text": ["b", "a", "b", None],
        }
    )
    whole, number, flag, text = told(frame).columns
    assert (whole.type, whole.missing, whole.distinct) == (ColumnType.INTEGER, 1, 3)
    assert (whole.minimum, whole.maximum) == (1.0, 5.0)
    assert whole.mean == pytest.approx(8 / 3)
    assert number.deviation == 1.0
    assert whole.top == ()
    assert flag.top == ((True, 2), (False, 1))
    assert text.top == (("b", 2), ("a", 1))
    assert (text.minimum, text.mean) == (None, None)


def test_a_target_of_numbers_shows_all_its_classes() -> None:
    frame = pl.DataFrame({"x": range(60), "y": [number % 30 for number in range(60)]})
    assert len(told(frame, "y").columns[1].top) == 30
    assert told(frame).columns[1].top == ()


def test_figures_that_json_cannot_tell_are_left_out() -> None:
    column = told(pl.DataFrame({"x": [1.7e308, 1.7e308, -1.0], "y": [1, 2, 3]})).columns[0]
    assert column.maximum == 1.7e308
    assert (column.mean, column.deviation) == (None, None)


def test_rows_that_stand_twice_are_counted() -> None:
    frame = pl.DataFrame({"a": [1, 1, 1, 2, None, None], "b": ["x", "x", "y", "x", None, None]})
    assert told(frame).duplicate_rows == 2


def test_the_preview_is_short() -> None:
    table = told(pl.DataFrame({"a": range(50), "b": ["x" * 500] * 50}))
    assert len(table.preview) == 20
    assert table.preview[3] == (3, "x" * 80)


def test_what_is_told_of_a_wide_table_of_long_texts_stays_small() -> None:
    """It is read from the store, and sent, beside requests that have milliseconds."""
    values = [f"{row}".ljust(30_000, "x") for row in range(20)]
    table = told(pl.DataFrame({f"column {number}": values for number in range(1000)}))
    assert (len(table.columns), len(table.preview[0])) == (1000, 100)
    assert {len(column.top) for column in table.columns} == {2}
    assert len(json.dumps(asdict(table))) < 1_000_000


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ([None] * 100, "'x' has no values."),
        ([4] * 99 + [None], "'x' has the same value in every row that has one."),
        ([1, 2, 3] * 26 + [None] * 22, "'x' is missing in 22 of 100 rows."),
        ([f"id-{number}" for number in range(100)], "'x' is text with a different value in nearly every row"),
        ([str(number) for number in range(95)] + ["NA"] * 5, "'x' is text, and 95 of its 100 values are num"),
        ([number % 2 for number in range(100)], "'x' alone tells the target: is it known before"),
        (["yes" if number % 2 else "no" for number in range(100)], "'x' alone tells the target"),
        ([number % 4 for number in range(100)], "'x' alone tells the target"),
    ],
)
def test_what_looks_wrong_is_said(values: list[object], warning: str) -> None:
    schema = {"x": pl.String} if values[0] is None else None
    frame = pl.DataFrame({"x": values}, schema_overrides=schema).with_columns(
        y=pl.Series([number % 2 for number in range(100)])
    )
    found = told(frame, "y").warnings
    assert len(found) == 1
    assert found[0].startswith(warning)


def test_nothing_is_said_of_a_plain_table() -> None:
    frame = pl.DataFrame(
        {
            "amount": [number * 1.5 for number in range(300)],
            "land": ["de" if number % 3 else "fr" for number in range(300)],
            "y": [number % 2 for number in range(300)],
        }
    )
    assert told(frame, "y").warnings == ()


def test_a_rare_class_is_said() -> None:
    frame = pl.DataFrame({"x": [number % 150 for number in range(1000)], "y": [0] * 995 + [1] * 5})
    assert "The rarest class of the target has 5 of 1000 rows." in told(frame, "y").warnings


def test_warnings_are_bounded() -> None:
    found = told(pl.DataFrame({f"c{number}": [1, 1] for number in range(200)})).warnings
    assert len(found) == 51
    assert found[-1] == "There are 150 more warnings."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, None, 1], "The target is missing in a row. Row 3, column 'y'."),
        ([1, 1, 1, 1], "The target must have 2 to 100 different values. It has 1, column 'y'."),
        (list(range(101)) * 2, "The target must have 2 to 100 different values. It has 101, column 'y'."),
        ([0, 0, 1, 0], "A class of the target has fewer than 2 rows. column 'y'."),
        (["a", "a", "b" * 201, "b" * 201], "A class of the target has more than 200 characters. column 'y'."),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(values: list[object], message: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        check_target(pl.DataFrame({"y": values}), "y")
    assert f"{caught.value.message} {caught.value.detail}" == message
    assert caught.value.param == "target"


def test_a_target_that_is_no_column_is_refused() -> None:
    with pytest.raises(InvalidDataset, match=r"^The target is no column of the table\.$") as caught:
        check_target(pl.DataFrame({"y": [1, 2]}), "z")
    assert caught.value.param == "target"
