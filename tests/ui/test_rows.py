"""Rows of a CSV file: read strictly, typed by the signature, written with what was predicted."""

from typing import Any

import pytest

from ui.rows import BadSheet, cell, instance, missing_and_extra, read_sheet, written

FEATURES = [
    {"name": "age", "type": "integer"},
    {"name": "share", "type": "number"},
    {"name": "new", "type": "boolean"},
    {"name": "who", "type": "text"},
]


@pytest.mark.parametrize(
    ("content", "why", "line"),
    [
        (b"a,b\n1,2\n3\n", "width", 3),
        (b"a,b\n1,\xff\n", "not_utf8", 2),
        (b'a,b\n1,"2"3\n', "broken_quote", 2),
        (b'a,b\n1,"2\n', "broken_quote", 2),
        (b"a,b\n1,\x00\n", "not_text", 2),
        (b"a,a\n1,2\n", "twice", 1),
        (b"", "no_header", None),
        (b"a,b\n", "no_rows", None),
        (b"a\n" * 100_002, "too_many", None),
        (b"a" * (20 << 20) + b"b", "too_large", None),
    ],
)
def test_a_broken_file_is_refused_with_its_line(content: bytes, why: str, line: int | None) -> None:
    with pytest.raises(BadSheet) as caught:
        read_sheet(content)
    assert (caught.value.why, caught.value.line) == (why, line)


def test_what_spreadsheets_write_is_read() -> None:
    sheet = read_sheet('\ufeff age ;who\r\n1;"Ann; ""B""\nC"\r\n\r\n2;\r\n'.encode())
    assert sheet.header == ("age", "who")
    assert sheet.rows == [["1", 'Ann; "B"\nC'], ["2", ""]]
    assert (sheet.delimiter, sheet.bom) == (";", True)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (" 7 ", "integer", 7),
        ("39.0", "integer", 39),
        ("-9007199254740992", "integer", -9007199254740992),
        ("9007199254740993", "integer", None),
        ("9" * 5000, "integer", None),
        ("1.5", "integer", None),
        ("1_000", "integer", None),
        ("1e-3", "number", 0.001),
        (".5", "number", 0.5),
        ("nan", "number", None),
        ("inf", "number", None),
        ("1e39", "number", None),
        ("1" * 5000, "number", None),
        ("TRUE", "boolean", True),
        ("1", "boolean", None),
        (" x ", "text", " x "),
    ],
)
def test_a_cell_is_read_as_the_gateway_would(text: str, kind: str, value: Any) -> None:
    read = cell(text, kind)
    assert read == value
    assert type(read) is type(value)


def test_a_row_names_the_cells_that_do_not_fit_and_sends_no_other_column() -> None:
    header = ("who", "age", "share", "note")
    assert instance(["Ann", "x", "1.5", "private"], header, FEATURES) == (
        {"who": "Ann", "share": 1.5},
        ["age"],
    )


def test_a_row_without_any_value_is_a_row_of_missing_ones() -> None:
    """The gateway refuses an object without features."""
    nothing = dict.fromkeys(["age", "share", "new", "who"])
    assert instance(["", " ", "", "note"], ("who", "age", "share", "note"), FEATURES) == (nothing, [])


def test_columns_are_held_against_the_signature() -> None:
    assert missing_and_extra(("who", "note", "age"), FEATURES) == (["share", "new"], ["note"])


def test_the_result_keeps_the_input_and_guards_what_is_ours() -> None:
    sheet = read_sheet("\ufeffwho;error\n=1+1;a\n2;b\n3;c\n".encode())
    answers = {0: {"label": "=cmd", "confidence": 0.75, "probabilities": {"=cmd": 0.75, "no": 0.25}}}
    text = written(sheet, answers, {1: "@bad"}).decode()
    assert text.splitlines() == [
        "\ufeffwho;error;prediction;confidence;probability_=cmd;probability_no;model_error",
        "=1+1;a;'=cmd;0.75;0.75;0.25;",
        "2;b;;;;;'@bad",
        "3;c;;;;;",
    ]


def test_labels_that_are_no_texts_are_written_as_json_has_them() -> None:
    sheet = read_sheet(b"a,b\n1,2\n")
    answer = {"label": True, "confidence": 1.0, "probabilities": {"true": 1.0, "false": 0.0}}
    assert written(sheet, {0: answer}, {}).decode().splitlines()[1] == "1,2,true,1.0,1.0,0.0,"
