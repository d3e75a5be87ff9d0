"""A file that is about to be uploaded, and cells of tables."""

import pytest

from ui import cells
from ui.facts import facts_html
from ui.tables import columns_of, content_type, data_set_name, line_named


@pytest.mark.parametrize(
    ("file_name", "name"),
    [("My Data (1).CSV", "my-data-1"), ("Платежи.csv", ""), ("a" * 90 + ".csv", "a" * 64), ("..csv", "")],
)
def test_a_file_gives_its_name_where_the_gateway_would_take_it(file_name: str, name: str) -> None:
    assert data_set_name(file_name) == name


def test_the_ending_says_what_it_is() -> None:
    assert [content_type(f"a.{end}") for end in ("CSV", "json", "ndjson")] == [
        "text/csv", "application/json", "application/jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file_name", "content", "columns"),
    [
        ("a.csv", '\ufeff"a,b", c\n1,2\n'.encode(), ["a,b", "c"]),
        ("a.csv", b"", []),
        ("a.json", b' [ {"a": 1, "b": 2}, {"a"', ["a", "b"]),
        ("a.jsonl", b'{"a": 1}\n{"b": 1}\n', ["a"]),
        ("a.json", b"[1, 2]", []),
        ("a.json", b"[" * 100_000, []),
        ("a.json", b"\xff\xfe", []),
    ],
)
def test_the_columns_are_read_where_they_can_be(file_name: str, content: bytes, columns: list[str]) -> None:
    assert columns_of(file_name, content) == columns


def test_the_line_that_a_refusal_names_is_quoted() -> None:
    content = b"a,b\r\n1,2\r\n3\r\n" + b"x" * 1000
    assert line_named("Line 3 begins a row of 1 fields.", content) == (3, "3")
    assert line_named("A broken quote in line 4.", content) == (4, "x" * 300)
    assert line_named("Line 9 is broken.", content) is None
    assert line_named("The target is no column.", content) is None


def test_values_are_told_for_people() -> None:
    assert [cells.size(count) for count in (0, 1023, 1024, 25854, 100 << 20, 1 << 50)] == [
        "0 B", "1023 B", "1.0 KiB", "25.2 KiB", "100.0 MiB", "1048576.0 GiB",
    ]  # fmt: skip
    assert cells.when(0, "Europe/Moscow") == "1970-01-01 03:00:00"
    assert cells.when(0, "No/Where") == cells.when(0, None) == "1970-01-01 00:00:00"
    assert cells.when(None, None) == ""
    assert [cells.duration(0, 8), cells.duration(0, 65.4), cells.duration(0, None)] == [
        "8 s",
        "1 min 5 s",
        "",
    ]
    assert [cells.said(one) for one in ("да", True, 1.0, None)] == ["да", "true", "1.0", "null"]


def test_facts_are_no_markup() -> None:
    assert facts_html({"<b>": "<script>"}).count("<script>") == 0
    assert "&lt;b&gt;" in facts_html({"<b>": "<script>"})
