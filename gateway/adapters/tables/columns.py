"""A table's columns from its cells: four types, one meaning of missing, whatever the file's format is.

Missing is an empty or blank text and JSON's null. A whole number beyond 64 bits is a number, as in JSON.
"""

import polars as pl

from gateway.errors import InvalidDataset

LONGEST_FIELD = 65_536  # characters
LONGEST_NAME = 200  # characters
MOST_CELLS = 20_000_000  # 16 bytes each while they are texts: 320 MB beside the texts themselves

_INTEGER = r"^(?:0|-?[1-9][0-9]*)$"  # "007" is a text: its zeros mean something
NUMBER = r"^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_NOT_FINITE = r"^[+-]?(?i:nan|inf|infinity)$"
_BOOLEAN = r"^(?i:true|false)$"
_BLANK = " \t\r\n"


def invalid(
    message: str, place: str = "", column: str | None = None, param: str | None = None
) -> InvalidDataset:
    """`message` is constant text; `place` (a line, a row) and the column's name go to the caller alone.
    `param`: what was asked for, where that is wrong and not the file."""
    where = ", ".join(filter(None, (place, f"column '{column}'" if column is not None else "")))
    return InvalidDataset(message, detail=f"{where}." if where else None, param=param)


def checked_names(names: list[str], most_columns: int | None) -> list[str]:
    """Trimmed. Raises InvalidDataset."""
    trimmed = [name.strip() for name in names]
    if len(trimmed) < 2:
        raise invalid("A table needs two columns at least; the columns of CSV are separated by commas.")
    if most_columns is not None and len(trimmed) > most_columns:
        raise invalid(f"There are more than {most_columns} columns.")
    for number, name in enumerate(trimmed, start=1):
        if not name:
            raise invalid("A column has no name.", f"Column {number}")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise invalid(
                f"A column's name must have at most {LONGEST_NAME} printable characters.", f"Column {number}"
            )
    if len(set(trimmed)) < len(trimmed):
        twice = next(name for number, name in enumerate(trimmed) if name in trimmed[:number])
        raise invalid("Two columns have the same name.", column=twice)
    return trimmed


def checked_size(rows: int, width: int) -> None:
    if rows * width > MOST_CELLS:
        raise invalid(f"The table has more than {MOST_CELLS} cells.")


def typed(texts: pl.Series) -> pl.Series:
    """A column of a format that has only texts: Int64, Float64, Boolean or String. Spaces around a number
    are not minded. Raises InvalidDataset."""
    bare = texts.str.strip_chars(_BLANK)
    there = bare != ""
    given = bare.filter(there)
    if given.len() == 0:
        return pl.Series(texts.name, [None], dtype=pl.String).new_from_index(0, texts.len())
    values = bare.set(~there, None)
    if given.str.contains(_BOOLEAN).all():
        return values.str.to_lowercase() == "true"
    is_number = given.str.contains(NUMBER)
    if is_number.all():
        if given.str.contains(_INTEGER).all():
            whole = values.cast(pl.Int64, strict=False)
            if whole.null_count() == values.null_count():
                return whole
        return finite(values.cast(pl.Float64))
    if given.filter(~is_number).str.contains(_NOT_FINITE).all():
        row = values.str.contains(_NOT_FINITE).fill_null(False).arg_max()
        assert row is not None  # noqa: S101 - there is one
        raise invalid(
            "A column of numbers holds NaN or Infinity: leave missing values empty.",
            f"Row {row + 1}",
            texts.name,
        )
    return text(texts)


def text(texts: pl.Series) -> pl.Series:
    """A column of texts, blank ones missing. Raises InvalidDataset."""
    longest = texts.str.len_chars().max()
    if isinstance(longest, int) and longest > LONGEST_FIELD:
        raise invalid(f"A field has more than {LONGEST_FIELD} characters.", column=texts.name)
    if texts.str.contains("\0", literal=True).any():
        raise invalid("A text holds the character NUL.", column=texts.name)
    return texts.set(texts.str.strip_chars(_BLANK) == "", None)


def finite(numbers: pl.Series) -> pl.Series:
    """A column of doubles. Raises InvalidDataset."""
    if numbers.is_infinite().any():
        raise invalid("A number is too large for a double.", column=numbers.name)
    return numbers
