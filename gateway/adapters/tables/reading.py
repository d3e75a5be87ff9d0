"""A file that somebody sent becomes a table, or is refused: nothing is guessed, skipped or repaired.

The check of an upload and the training read by the same function, so what was shown is what is learnt from.
Nothing here unpickles or unpacks: what begins like an archive or a pickle is refused by its first bytes.
"""

from pathlib import Path

import polars as pl

from gateway.adapters.tables.columns import invalid
from gateway.adapters.tables.delimited import read_csv
from gateway.adapters.tables.objects import read_json, read_jsonl
from gateway.training.facts import ColumnType, TableFormat

TYPES: dict[type[pl.DataType], ColumnType] = {
    pl.Int64: ColumnType.INTEGER,
    pl.Float64: ColumnType.NUMBER,
    pl.Boolean: ColumnType.BOOLEAN,
    pl.String: ColumnType.TEXT,
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_OTHERS = (
    b"PK\x03\x04",  # zip, and with it xlsx, npz, skops
    b"\x1f\x8b",  # gzip
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf",
    b"\x28\xb5\x2f\xfd",  # zstd
    b"PAR1",  # parquet
    b"ORC",
    b"ARROW1",
    b"\x93NUMPY",
    b"\x89HDF",
    b"\xd0\xcf\x11\xe0",  # xls
    *(b"\x80%c" % protocol for protocol in range(2, 6)),  # pickle
)
_READERS = {TableFormat.CSV: read_csv, TableFormat.JSON: read_json, TableFormat.JSONL: read_jsonl}


def read_table(path: Path, form: TableFormat, most_columns: int | None = None) -> pl.DataFrame:
    """All rows, in columns of Int64, Float64 (finite), Boolean and String; what is missing is null. Raises
    InvalidDataset, OSError."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_UTF16):
        raise invalid("The file is UTF-16: send UTF-8.")
    if head.startswith(_OTHERS):
        raise invalid("This is an archive, a pickle or another binary file: send CSV, JSON or lines of JSON.")
    # "-sig": a byte order mark is not part of the first column's name. newline="": csv minds the ends itself.
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return pl.DataFrame(_READERS[form](lines, most_columns))
