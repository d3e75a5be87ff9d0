"""What a table is like, for people who look before they train: figures, a preview, and what looks wrong."""

import math

import polars as pl

from gateway.adapters.tables.columns import NUMBER
from gateway.adapters.tables.reading import TYPES
from gateway.adapters.tables.target import MOST_CLASSES
from gateway.training.facts import Cell, Column, ColumnType, Table, TableFormat

_PREVIEW_ROWS = 20
_PREVIEW_COLUMNS = 100
_SHOWN_CHARACTERS = 80  # of a text
_TOP = 10
_TOP_OF_TABLE = (
    2_000  # values together: a thousand columns with ten each are read from the store in 31 ms, not 3
)
_MOST_WARNINGS = 50
_MANY_MISSING = 0.2  # of the rows
_RARE = 0.01  # of the rows
_NEARLY_ALL = 0.95
_NEARLY_NUMBERS = 0.9
_FEW_ROWS = 20  # of fewer no share says much
_ROWS_A_VALUE = 10  # at least, before a column that tells the target is no accident


def table_of(frame: pl.DataFrame, form: TableFormat, sha256: str, size: int, target: str | None) -> Table:
    """`frame` as read_table gives it; `target` one of its columns, checked."""
    most = max(2, min(_TOP, _TOP_OF_TABLE // frame.width))
    columns = tuple(_column(series, most, is_target=series.name == target) for series in frame)
    preview = frame[:, :_PREVIEW_COLUMNS].head(_PREVIEW_ROWS)
    return Table(
        format=form,
        sha256=sha256,
        size=size,
        rows=frame.height,
        columns=columns,
        duplicate_rows=frame.height - frame.n_unique(),
        warnings=_warnings(frame, columns, target),
        preview=tuple(tuple(_shown(cell) for cell in row) for row in preview.iter_rows()),
    )


def _column(series: pl.Series, most: int, *, is_target: bool) -> Column:
    """Of a target all values are told, of another column `most`."""
    kind = TYPES[type(series.dtype)]
    given = series.drop_nulls()
    numeric = kind in (ColumnType.NUMBER, ColumnType.INTEGER)
    return Column(
        name=series.name,
        type=kind,
        missing=series.len() - given.len(),
        distinct=given.n_unique(),
        minimum=_figure(given.min()) if numeric else None,
        maximum=_figure(given.max()) if numeric else None,
        mean=_figure(given.mean()) if numeric else None,
        deviation=_figure(given.std()) if numeric else None,
        top=_top(given, MOST_CLASSES if is_target else most) if is_target or not numeric else (),
    )


def _figure(value: object) -> float | None:
    """None also for what is no finite double: a mean of very large numbers."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _top(given: pl.Series, most: int) -> tuple[tuple[Cell, int], ...]:
    counts = given.alias("value").value_counts().sort(["count", "value"], descending=[True, False])
    return tuple((_shown(value), count) for value, count in counts.head(most).iter_rows())


def _shown(cell: Cell) -> Cell:
    return cell[:_SHOWN_CHARACTERS] if isinstance(cell, str) else cell


def _warnings(frame: pl.DataFrame, columns: tuple[Column, ...], target: str | None) -> tuple[str, ...]:
    found = []
    for column in columns:
        if (word := _oddity(frame[column.name], column)) is not None:
            found.append(f"'{column.name}' {word}.")
        if target is not None and column.name != target and _tells(frame, column, target):
            found.append(f"'{column.name}' alone tells the target: is it known before the target is?")
    if target is not None:
        rarest = min(count for column in columns if column.name == target for _, count in column.top)
        if rarest < _RARE * frame.height:
            found.append(f"The rarest class of the target has {rarest} of {frame.height} rows.")
    more = len(found) - _MOST_WARNINGS
    return (*found[:_MOST_WARNINGS], *([f"There are {more} more warnings."] if more > 0 else ()))


def _oddity(series: pl.Series, column: Column) -> str | None:
    """The first thing about a column that is worth a look."""
    rows = series.len()
    given = rows - column.missing
    if not given:
        return "has no values"
    if column.distinct == 1 and rows > 1:
        return "has the same value in every row that has one"
    if column.missing > _MANY_MISSING * rows:
        return f"is missing in {column.missing} of {rows} rows"
    if column.type is ColumnType.TEXT and rows >= _FEW_ROWS:
        numbers = series.str.contains(NUMBER).sum()
        if numbers >= _NEARLY_NUMBERS * given:
            return f"is text, and {numbers} of its {given} values are numbers"
        if column.distinct >= _NEARLY_ALL * given:
            return "is text with a different value in nearly every row, like an id"
    return None


def _tells(frame: pl.DataFrame, column: Column, target: str) -> bool:
    """Whether every value of the column stands with one value of the target only."""
    if column.missing or column.distinct > MOST_CLASSES or column.distinct * _ROWS_A_VALUE > frame.height:
        return column.type is TYPES[type(frame[target].dtype)] and frame[column.name].equals(frame[target])
    return pl.DataFrame([frame[column.name], frame[target]]).n_unique() == column.distinct
