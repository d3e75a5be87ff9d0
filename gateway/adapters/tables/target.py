"""What a column must be to be predicted: classes, each seen more than once."""

from functools import partial

import polars as pl

from gateway.adapters.tables.columns import invalid

MOST_CLASSES = 100
LONGEST_CLASS = 200  # characters
_FEWEST_ROWS = 2  # of a class: one to learn from, one to test with

_refused = partial(invalid, param="target")


def check_target(frame: pl.DataFrame, target: str) -> None:
    """Raises InvalidDataset."""
    if target not in frame.columns:
        raise _refused("The target is no column of the table.")
    column = frame[target]
    if column.null_count():
        row = column.is_null().arg_max()
        assert row is not None  # noqa: S101 - there is one
        raise _refused("The target is missing in a row.", f"Row {row + 1}", target)
    classes = column.value_counts()
    if not 2 <= classes.height <= MOST_CLASSES:
        raise _refused(
            f"The target must have 2 to {MOST_CLASSES} different values.", f"It has {classes.height}", target
        )
    rarest = classes["count"].min()
    if isinstance(rarest, int) and rarest < _FEWEST_ROWS:
        raise _refused(f"A class of the target has fewer than {_FEWEST_ROWS} rows.", column=target)
    if column.dtype == pl.String and bool((column.str.len_chars() > LONGEST_CLASS).any()):
        raise _refused(f"A class of the target has more than {LONGEST_CLASS} characters.", column=target)
