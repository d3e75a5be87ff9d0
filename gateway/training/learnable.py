"""Whether a model can be learnt from a table, told from its statistics alone. Pure.

What the statistics do not tell (how rare the classes are of a target that the upload did not name) the fit
finds out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import InvalidDataset, InvalidRequest
from gateway.training.asks import MOST_FEATURES
from gateway.training.facts import Column, ColumnType, DatasetVersion, Table

_CLASSES = (2, 100)
_ROWS_OF_A_CLASS = 2  # one to learn from, one to be held out
# Values of a text feature: each becomes a column of its own, and a model that learnt names learnt no rule.
_MOST_VALUES = 100
_FEW_ROWS = 100  # of these an integer column differs in each row by chance
_NAMED = 5  # columns that an error names


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is learnt from what."""

    target: str
    features: tuple[str, ...]  # in the order of the table
    note: str  # for the job's log: counts, no names


def chosen(
    version: DatasetVersion,
    target: str | None,
    features: Sequence[str] | None,
    test_share: float,
    to_learn_from: int = 1,
) -> Chosen:
    """The data set's own target and every usable column, where the caller named none. `to_learn_from`: rows
    of each class that the model class needs. Raises InvalidDataset, InvalidRequest when nobody named a
    target."""
    name = target or version.target
    if name is None:
        raise InvalidRequest("'target' is required: the data set has none of its own.", param="target")
    table = version.table
    _check_target(table, name, test_share, to_learn_from)
    if features is None:
        return _by_default(table, name)
    if name in features:
        raise InvalidDataset("The target is no feature.", param="features")
    asked = set(features)
    columns = [column for column in table.columns if column.name in asked]
    there = set(_names_of(columns))
    missing = [feature for feature in features if feature not in there]
    if missing:
        raise InvalidDataset("The data set lacks a feature.", param="features", detail=_names(missing))
    _check_features(columns)
    return Chosen(name, _names_of(columns), _note(table, columns, []))


def _check_target(table: Table, name: str, test_share: float, to_learn_from: int) -> None:
    column = table.column(name)
    if column is None:
        raise InvalidDataset("The data set has no such column.", param="target")
    if column.missing:
        raise InvalidDataset("The target lacks values in some rows.", param="target")
    fewest, most = _CLASSES
    if not fewest <= column.distinct <= most:
        raise InvalidDataset(f"The target must have {fewest} to {most} classes.", param="target")
    if any(count < _ROWS_OF_A_CLASS for _, count in column.top):
        raise InvalidDataset(
            f"Each class of the target needs {_ROWS_OF_A_CLASS} rows at least.", param="target"
        )
    held_out = math.ceil(table.rows * test_share)  # as scikit-learn's train_test_split rounds
    learnt = table.rows - held_out
    fits = held_out >= column.distinct and learnt >= column.distinct * to_learn_from
    counts = [count for _, count in column.top]
    if (
        sum(counts) == table.rows
    ):  # of a target that the upload did not name the commonest alone may be counted
        fits = fits and _fit(counts, learnt, to_learn_from)
    if not fits:
        more = f", {to_learn_from} rows of it to learn from" if to_learn_from > 1 else ""
        raise InvalidDataset(
            f"There are too few rows: the held out ones and the others must have each class{more}.",
            param="test_share",
        )


def _fit(counts: Sequence[int], learnt: int, to_learn_from: int) -> bool:
    """Whether each class stands on both sides when so many rows of all are learnt from, whatever the seed.
    Each class gets its share rounded down, what is left goes to the largest remainders, and equal ones draw
    lots (scikit-learn 1.9, utils/extmath.py `_approximate_mode`)."""
    rows = sum(counts)
    dealt = [divmod(count * learnt, rows) for count in counts]
    left = learnt - sum(share for share, _ in dealt)
    for count, (share, remainder) in zip(counts, dealt, strict=True):
        before = sum(other > remainder for _, other in dealt)
        equal = sum(other == remainder for _, other in dealt)
        least, most = share + (before + equal <= left), share + (before < left)
        if least < to_learn_from or most >= count:
            return False
    return True


def _check_features(columns: Sequence[Column]) -> None:
    wordy = [column.name for column in columns if _wordy(column)]
    if wordy:
        raise InvalidDataset(
            f"A text feature has more than {_MOST_VALUES} values: leave it out, or make groups of them.",
            param="features",
            detail=_names(wordy),
        )
    empty = [column.name for column in columns if not column.distinct]
    if empty:
        raise InvalidDataset("A feature has no value at all.", param="features", detail=_names(empty))


def _by_default(table: Table, target: str) -> Chosen:
    others = [column for column in table.columns if column.name != target]
    columns = [column for column in others if _usable(column)]
    if not columns:
        raise InvalidDataset("No column is left to learn from.", param="features")
    if len(columns) > MOST_FEATURES:
        raise InvalidDataset(
            f"There are more than {MOST_FEATURES} columns: name the features.", param="features"
        )
    left_out = [column for column in others if not _usable(column)]
    return Chosen(target, _names_of(columns), _note(table, columns, left_out))


def _usable(column: Column) -> bool:
    return column.distinct > 0 and not _wordy(column)


def _wordy(column: Column) -> bool:
    return column.type is ColumnType.TEXT and column.distinct > _MOST_VALUES


def _like_an_id(column: Column, rows: int) -> bool:
    return column.type is ColumnType.INTEGER and column.distinct == rows > _FEW_ROWS


def _note(table: Table, columns: Sequence[Column], left_out: Sequence[Column]) -> str:
    empty = sum(not column.distinct for column in left_out)
    ids = sum(_like_an_id(column, table.rows) for column in columns)
    told = {
        f"Text columns with more than {_MOST_VALUES} values, left out": len(left_out) - empty,
        "Columns without a value, left out": empty,
        "Integer columns that differ in each row, perhaps ids": ids,
    }
    counted = [f"{what}: {count}." for what, count in told.items() if count]
    return " ".join(["The training is queued.", *counted])


def _names_of(columns: Sequence[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _names(columns: Sequence[str]) -> str:
    """For the caller alone."""
    more = ", ..." if len(columns) > _NAMED else "."
    return "Columns: " + ", ".join(f"'{name}'" for name in columns[:_NAMED]) + more
