"""What is a table and what is none: read whole and exactly, or refused with the place where it breaks."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.adapters.tables.reading import read_table
from gateway.errors import InvalidDataset
from gateway.training.facts import TableFormat

CSV, JSON, JSONL = TableFormat.CSV, TableFormat.JSON, TableFormat.JSONL
ON_DISK = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def read(folder: Path, content: str | bytes, form: TableFormat = CSV, **limits: Any) -> pl.DataFrame:
    file = folder / "data"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(file, form, **limits)


def refusal(folder: Path, content: str | bytes, form: TableFormat = CSV, **limits: Any) -> str:
    """What the caller reads; the message alone is constant text."""
    with pytest.raises(InvalidDataset) as caught:
        read(folder, content, form, **limits)
    return f"{caught.value.message} {caught.value.detail or ''}".strip()


@ON_DISK
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_what_a_csv_writer_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    # The letter keeps the columns texts, whatever else stands there.
    writer.writerows([("first", "second"), ("x", "x"), *rows])
    found = read(tmp_path, out.getvalue())
    kept = [tuple(cell if cell.strip(" \t\r\n") else None for cell in row) for row in rows]
    assert found.rows()[1:] == kept


@ON_DISK
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)),
                min_size=1, max_size=20))  # fmt: skip
@pytest.mark.parametrize("form", list(TableFormat))
def test_numbers_are_the_same_in_every_format(
    tmp_path: Path, form: TableFormat, rows: list[tuple[int, float]]
) -> None:
    objects = [json.dumps({"whole": whole, "double": double + 0.0}) for whole, double in rows]
    content = {
        CSV: "whole,double\n" + "".join(f"{whole},{double!r}\n" for whole, double in rows),
        JSON: f"[{','.join(objects)}]",
        JSONL: "\n".join(objects),
    }[form]
    found = read(tmp_path, content, form)
    assert found["whole"].to_list() == [whole for whole, _ in rows]
    assert found["double"].to_list() == [double for _, double in rows]


@ON_DISK
@given(st.binary(max_size=200))
@pytest.mark.parametrize("form", list(TableFormat))
@pytest.mark.parametrize("start", [b"", b"a,b\n", b'[{"a":1,"b":2}', b'{"a":1,"b":"'])
def test_whatever_is_sent_is_a_table_or_refused(
    tmp_path: Path, form: TableFormat, start: bytes, rest: bytes
) -> None:
    try:
        found = read(tmp_path, start + rest, form)
    except InvalidDataset:
        return
    assert found.height > 0
    assert found.width > 1


def test_types_are_told_by_every_value_of_a_column(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "whole,number,flag,zeros,text,mixed,big\n"
        "-1, 2.5 ,TRUE,007,x,1,9223372036854775807\n"
        '0,1e-3,false,8,"a ""b"", c",true,9223372036854775808\n'
        ",.5,, ,\t,x,1\n",
    )
    assert found.schema == {
        "whole": pl.Int64(),
        "number": pl.Float64(),
        "flag": pl.Boolean(),
        "zeros": pl.String(),
        "text": pl.String(),
        "mixed": pl.String(),
        "big": pl.Float64(),
    }
    assert found.row(1) == (0, 0.001, False, "8", 'a "b", c', "true", 9223372036854775808.0)
    assert found.row(2) == (None, 0.5, None, None, None, "x", 1.0)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n").columns == ["a", "b"]
    assert read(tmp_path, b'\xef\xbb\xbf[{"a":1,"b":2}]', JSON).columns == ["a", "b"]


def test_chunks_do_not_show(tmp_path: Path) -> None:
    """Also where a type is settled by the last row of a later chunk."""
    lines = [f"{number},{number % 7}" for number in range(120_000)]
    found = read(tmp_path, "\n".join(["a,b", *lines, "0.5,x"]))
    assert found["a"].dtype == pl.Float64
    assert found["a"][119_999] == 119_999.0
    assert found["b"].to_list()[-2:] == ["5", "x"]
    objects = [json.dumps({"a": number, "b": None}) for number in range(120_000)]
    found = read(tmp_path, f"[{','.join(objects)}, {json.dumps({'a': 0.5, 'b': True})}]", JSON)
    assert (found["a"].dtype, found["b"].dtype) == (pl.Float64, pl.Boolean)
    assert found["b"].null_count() == 120_000


def test_a_json_key_may_be_missing_and_none_may_be_new(tmp_path: Path) -> None:
    first = ['{"a": 1}', '{"b": "x", "a": null}']
    assert read(tmp_path, "\n".join(first), JSONL).rows() == [(1, None), (None, "x")]
    rows = first + ['{"a": 2}'] * 1000
    assert "Object 1003." in refusal(tmp_path, "\n".join([*rows, '{"c": 1}']), JSONL)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('a,b\n1,2\n3,"x"y\n', "A quote is broken: it is not closed, or text follows it. Line 3."),
        ('a,b\n1,"x\n2,3\n', "A quote is broken: it is not closed, or text follows it. Line 2."),
        ("a,b\n1,2\n3\n", "Line 3 begins a row of 1 fields, the header has 2."),
        ('a,b\n1,"2\n3"\n4,5,6\n', "Line 4 begins a row of 3 fields, the header has 2."),
        ("a,b\n1,2\n\n3,4\n", "A line is blank. Line 3."),
        ("a,b\n1,\0\n", "The file holds the character NUL. Line 2."),
        ("имя,b\n1,2\n".encode("cp1251"), "in Excel, save it as 'CSV UTF-8'. Near the beginning."),
        (b"a,b\n" + b"1,2\n" * 4096 + b"1,\xe4\n", "'CSV UTF-8'. Within 8 KiB behind line 4096."),
        ("a,b\n1,2\n".encode("utf-16"), "The file is UTF-16: send UTF-8."),
        ("a,b\n1,2\n".encode("utf-16-le"), "The file holds the character NUL. Line 1."),
        ("", "The file is empty."),
        ("a,b\n", "The table has no rows."),
        ("a\n1\n", "A table needs two columns at least"),
        ("a;b\n1;2\n", "A table needs two columns at least"),
        ("1,2\n3,4\n", "The first line must hold the columns' names, and it holds numbers only. Line 1."),
        ("a, a \n1,2\n", "Two columns have the same name. column 'a'."),
        ("a, \n1,2\n", "A column has no name. Column 2."),
        ('a,"b\nc"\n1,2\n', "printable characters. Column 2."),
        ("a,b\n1,nan\n2,3\n", "NaN or Infinity: leave missing values empty. Row 1, column 'b'."),
        ("a,b\n1,2\n2,-Inf\n", "NaN or Infinity: leave missing values empty. Row 2, column 'b'."),
        ("a,b\n1,1e999\n", "A number is too large for a double. column 'b'."),
        ("a,b\n1," + "x" * 70_000, "A field has more than 65536 characters. column 'b'."),
        ("a,b\n1," + "x" * 200_000, "A field has more than 65536 characters. Line 2."),
        ("a,b\n1," + "x" * 1_100_000, "A line has more than 1048576 characters. Line 2."),
        ("a,b,c,d,e\n1,2,3,4,5\n", "There are more than 4 columns."),
    ],
)
def test_a_broken_csv_is_refused_with_its_place(tmp_path: Path, content: str | bytes, told: str) -> None:
    assert told in refusal(tmp_path, content, most_columns=4)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", "The table has no rows."),
        ('{"a": 1, "b": 2}', "JSON must be an array of objects"),
        ("[[1, 2]]", "JSON must be an array of objects; lines of JSON must be objects. Object 1."),
        ('[{"a": 1, "b": 2}, ]', "Object 2."),
        ('[{"a": 1, "b": 2} {"a": 1, "b": 2}]', "',' or ']' is missing. Behind object 1."),
        ('[{"a": 1, "b": 2}', "',' or ']' is missing. Behind object 1."),
        ('[{"a": 1, "b": 2', "The JSON is broken, or an object has more than 1048576 characters. Object 1."),
        ('[{"a": 1, "b": 2}] []', "Something follows the JSON array."),
        ('[{"a": 1, "b": NaN}]', "NaN and Infinity are no JSON: leave missing values null. Object 1."),
        ('[{"a": 1, "b": 1e999}]', "A number is too large for a double. column 'b'."),
        ('[{"a": 1, "b": 1' + "0" * 400 + "}]", "A number is too large for a double. column 'b'."),
        ('[{"a": 1, "b": 1' + "0" * 5000 + "}]", "The JSON is broken"),
        ('[{"a": 1, "b": [1]}]', "A value is an object or an array: a table is flat. Object 1, column 'b'."),
        ('[{"a": 1, "b": ' + "[" * 100_000 + "}]", "A value is an object or an array: a table is flat."),
        ('[{"a": 1, "a": 2}]', "An object has a key twice. Object 1."),
        ('[{"a": 1, "b": 2}, {"a": "x", "b": 2}]', "values of different types. Object 2, column 'a'."),
        ('[{"a": true, "b": 2}, {"a": 1, "b": 2}]', "values of different types. Object 2, column 'a'."),
        ('[{"a": 1, "b": "\\ud800"}]', "A text holds half of a surrogate pair. column 'b'."),
        ('[{"a": 1, "b": "\\u0000"}]', "A text holds the character NUL. column 'b'."),
        (b'[{"a": 1, "b": "\xff"}]', "The file is not UTF-8."),
    ],
)
def test_broken_json_is_refused_with_its_place(tmp_path: Path, content: str | bytes, told: str) -> None:
    assert told in refusal(tmp_path, content, JSON)


@pytest.mark.parametrize("line", ['{"a": 1, "b": }', '{"a": 1, "b": 2} {}', "[1, 2]", "1"])
def test_a_line_that_is_no_object_is_refused(tmp_path: Path, line: str) -> None:
    assert (
        refusal(tmp_path, f'{{"a": 1, "b": 2}}\n{line}\n', JSONL) == "A line is not one JSON object. Line 2."
    )


def test_an_object_across_the_windows_edge_is_read_whole(tmp_path: Path) -> None:
    objects = [json.dumps({"a": number, "b": "y" * 997}) for number in range(3000)]
    found = read(tmp_path, " \n" * 600_000 + f"[{' , '.join(objects)}]" + " " * 1_200_000, JSON)
    assert found["a"].to_list() == list(range(3000))


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\x1f\x8b\x08", b"PAR1", b"\x80\x04\x95", b"\x93NUMPY"])
@pytest.mark.parametrize("form", list(TableFormat))
def test_archives_and_pickles_are_refused_by_their_first_bytes(
    tmp_path: Path, form: TableFormat, head: bytes
) -> None:
    told = refusal(tmp_path, head + b"a,b\n1,2\n", form)
    assert told.startswith("This is an archive, a pickle or another binary file")


def test_too_many_cells_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.adapters.tables.columns.MOST_CELLS", 5)
    assert read(tmp_path, "a,b\n1,2\n3,4\n").height == 2
    assert refusal(tmp_path, "a,b\n1,2\n3,4\n5,6\n") == "The table has more than 5 cells."
    assert refusal(tmp_path, '{"a":1,"b":2}\n' * 3, JSONL) == "The table has more than 5 cells."


def test_a_message_never_quotes_the_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read(tmp_path, "Maria,Maria\n1,2\n")
    assert "Maria" not in caught.value.message
    assert caught.value.detail == "column 'Maria'."
