"""CSV records: what csv.reader reads, but with a bound on each record."""

import csv
import io
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from gateway.batch.csv_text import delimiter_of, records

PIECES = st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", " ", "a", "é", "слово", "a,b\n", '"a"', "\0"])


class Dribble(io.StringIO):
    """Hands out a few characters at a time, so that everything is cut everywhere."""

    def read(self, size: int | None = -1, /) -> str:
        return super().read(min(size or 3, 3))


@given(st.lists(PIECES, max_size=40).map("".join))
def test_records_are_what_the_csv_module_reads(text: str) -> None:
    theirs = [tuple(cells) for cells in csv.reader(io.StringIO(text, newline="")) if cells]
    assert [record.cells for record in records(Dribble(text, newline=""), ",", 10_000)] == theirs


def test_a_record_begins_on_the_line_that_an_editor_shows() -> None:
    text = 'id,text\n1,"two\nlines"\n\n2,x\r\n3,y'
    assert [record.line for record in records(io.StringIO(text, newline=""), ",", 100)] == [1, 2, 5, 6]


def test_a_record_over_the_limit_is_left_behind_and_keeps_its_first_cells() -> None:
    text = f'id,text\n1,"{"long " * 50}\n"\n2,x\n3,{"," * 300}\n4,"never closed\n5,y\n' + "z" * 300
    found = list(records(Dribble(text, newline=""), ",", 100))
    assert [(record.cells[0], record.whole) for record in found] == [
        ("id", True),
        ("1", False),
        ("2", True),
        ("3", False),
        ("4", False),
    ]


class Unclosed(io.StringIO):
    """A quote and then 20 million characters that it opens."""

    left = 20_000_000

    def read(self, size: int | None = -1, /) -> str:
        part = '"' + "x" * 65_535 if self.left == 20_000_000 else "x" * 65_535 + "\n"
        self.left -= len(part)
        return part if self.left > 0 else ""


def test_a_record_over_the_limit_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        found = [record.whole for record in records(Unclosed(), ",", 1000)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [False]
    assert peak < 1_000_000


def test_the_header_tells_the_delimiter() -> None:
    assert [delimiter_of(header) for header in ("id,submission", "id;submission", "id\tanswer", "id")] == [
        ",",
        ";",
        "\t",
        ",",
    ]
