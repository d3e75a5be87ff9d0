"""Rows through an engine: bounded, in any order, into one output in the input's order."""

import asyncio
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.batch.files import survey
from gateway.batch.output import csv_answers
from gateway.batch.reading import Shape
from gateway.batch.rows import Answer, Format, Job, Outcome, Row, Unusable
from tests.gateway.batch.files import JOB, LIMITS, Desk, answered, grade, paths, run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_output_has_the_inputs_order_columns_and_words(tmp_path: Path) -> None:
    where = paths(tmp_path)
    where.source.write_text('id,submission,score\nb,"Ответ, ""да""\n=1",4\na,x,\n')

    class Backwards(Desk):
        async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
            await asyncio.sleep(0.05 if rows[0].id == "b" else 0)
            return await super().answer(rows)

    assert run(where, Backwards(block=1))
    first, second = rows_of(where.out)
    assert list(first)[:4] == ["id", "submission", "score", "graded_score"]
    assert (first["id"], first["submission"], first["score"]) == ("b", 'Ответ, "да"\n=1', "4")
    assert (first["graded_score"], first["share"], first["confidence"]) == ("7.5", "0.75", "")
    assert (first["needs_review"], first["review_reasons"]) == ("true", "low_confidence|answer_repaired")
    assert json.loads(first["criteria"])[0]["id"] == "CR1"
    assert (first["rubric"], first["model"], first["prompt"]) == ("r@1.0.0", "tiny", "p@1")
    assert (second["id"], second["grade_id"], second["partial"]) == ("a", "grade_a", "false")


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_a_models_words_are_no_formula_in_a_spreadsheet(tmp_path: Path, start: str) -> None:
    where = paths(tmp_path)
    where.source.write_text("id,submission\na,x\n")
    assert run(where, Desk(answer_one=lambda _: Answer(grade(start), "grade_1")))
    assert rows_of(where.out)[0]["comments"] == f"'{start}"


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=4))
def test_the_callers_own_cells_are_carried_through_to_the_letter(cells: list[str]) -> None:
    shape = Shape(tuple(map(str, range(len(cells)))), ";", bom=False)
    row = Row(0, 2, "a", "grader-llm", {}, tuple(cells))
    line = csv_answers(shape).line(row, Answer(grade("x"), "grade_1")).decode()
    (read,) = csv.reader(io.StringIO(line, newline=""), delimiter=";")
    assert read[: len(cells)] == cells


def test_a_spreadsheets_file_is_answered_in_its_own_form(tmp_path: Path) -> None:
    where = paths(tmp_path)
    where.source.write_text("\ufeffid;submission\nя;да\n", "utf-8")
    assert run(where, Desk())
    assert where.out.read_text("utf-8").startswith("\ufeffid;submission;score;")


def test_errors_have_their_own_file_and_stop_nothing(tmp_path: Path) -> None:
    where = paths(tmp_path)
    where.source.write_text("id,submission\na,x\na,again\nb,refused\nshort\n,nameless\nc,y\n")
    assert run(where, Desk())
    assert [row["id"] for row in rows_of(where.out)] == ["a", "c"]
    assert [(row["id"], row["line"], row["code"]) for row in rows_of(where.errors)] == [
        ("a", "3", "duplicate_id"),
        ("b", "4", "invalid_request"),
        ("short", "5", "invalid_row"),
        ("", "6", "missing_id"),
    ]


def test_json_lines_keep_the_rows_id_apart_from_the_grades(tmp_path: Path) -> None:
    where = paths(tmp_path, ".jsonl", "in.jsonl")
    where.source.write_text('{"id": "a", "submission": "=x"}\n{"id": 5, "submission": "refused"}\nx\n')
    assert run(where, Desk(), Job(Format.JSONL))
    (line,) = map(json.loads, where.out.read_text().splitlines())
    assert (line["id"], line["grade_id"], line["comments"]) == ("a", "grade_a", "=x")
    first, second = map(json.loads, where.errors.read_text().splitlines())
    assert (first["id"], first["line"], first["code"]) == ("5", 2, "invalid_request")
    assert (second["id"], second["line"], second["code"]) == ("", 3, "invalid_row")


def test_json_lines_can_be_answered_in_csv(tmp_path: Path) -> None:
    where = paths(tmp_path, source="in.jsonl")
    where.source.write_text('{"id": "a", "submission": "x"}\n')
    assert run(where, Desk(), Job(Format.JSONL))
    assert [(row["id"], row["score"]) for row in rows_of(where.out)] == [("a", "7.5")]


def test_openais_format_is_answered_as_openai_does(tmp_path: Path) -> None:
    where = paths(tmp_path, ".jsonl", "in.jsonl")
    url = "/v1/models/grader-llm:predict"
    lines = [
        {"custom_id": name, "method": "POST", "url": url, "body": {"submission": text}}
        for name, text in (("a", "x"), ("b", "refused"))
    ]
    where.source.write_text("\n".join(map(json.dumps, lines)))
    assert run(where, Desk(), Job(Format.OPENAI))
    answer, error = json.loads(where.out.read_text()), json.loads(where.errors.read_text())
    assert answer.keys() == {"id", "custom_id", "response", "error"}
    assert (answer["custom_id"], answer["error"], answer["response"]["status_code"]) == ("a", None, 200)
    assert answer["response"]["body"]["score"] == 7.5
    assert (error["custom_id"], error["response"]) == ("b", None)
    assert error["error"]["code"] == "invalid_request"
    assert answer["id"] != error["id"]


def test_no_more_blocks_are_under_way_than_there_are_lanes(tmp_path: Path) -> None:
    where = paths(tmp_path)
    where.source.write_text("id,submission\n" + "".join(f"{n},x\n" for n in range(1000)))
    at_once = most = 0

    class Slow(Desk):
        async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
            nonlocal at_once, most
            at_once += len(rows)
            most = max(most, at_once)
            await asyncio.sleep(0.001)
            at_once -= len(rows)
            return await super().answer(rows)

    desk = Slow(lanes=4, block=5)
    assert run(where, desk)
    assert most == 20
    assert sorted(desk.asked, key=int) == [str(n) for n in range(1000)]


def test_a_stop_lets_rows_under_way_end_and_the_next_run_goes_on(tmp_path: Path) -> None:
    where = paths(tmp_path)
    where.source.write_text("id,submission\n" + "".join(f"{n},x\n" for n in range(50)))
    stopping = asyncio.Event()

    class Stopped(Desk):
        async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
            if "20" in [row.id for row in rows]:
                stopping.set()
            await asyncio.sleep(0.01)
            return await super().answer(rows)

    stopped, rest = Stopped(), Desk()
    assert not run(where, stopped, stopping=stopping)
    assert not where.out.exists()
    assert run(where, rest)
    assert sorted(map(int, stopped.asked + rest.asked)) == list(range(50))
    assert [row["id"] for row in rows_of(where.out)] == [str(n) for n in range(50)]


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    where = paths(tmp_path)
    where.source.write_text("id,submission\n0,x\n1,x\n")
    stopping = asyncio.Event()

    class Hanging(Desk):
        async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
            stopping.set()
            await asyncio.Event().wait()
            raise AssertionError

    assert not run(where, Hanging(lanes=1, block=1), stopping=stopping)


def test_an_engine_that_fails_ends_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    where = paths(tmp_path)
    where.source.write_text("id,submission\n" + "".join(f"{n},x\n" for n in range(10)))

    def broken(row: Row) -> Outcome:
        if row.id == "6":
            raise OSError("gone")
        return answered(row)

    with pytest.raises(OSError, match="gone"):
        run(where, Desk(lanes=1, answer_one=broken))
    rest = Desk()
    assert run(where, rest)
    assert rest.asked == ["6", "7", "8", "9"]


def test_an_input_that_changes_meanwhile_gives_no_output(tmp_path: Path) -> None:
    where = paths(tmp_path)
    where.source.write_text("id,submission\n0,x\n1,x\n")

    def changing(row: Row) -> Outcome:
        where.source.write_text("id,submission\n0,y\n1,x\n")
        return answered(row)

    with pytest.raises(Unusable, match="changed"):
        run(where, Desk(answer_one=changing))
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.csv.journal"}


def test_the_fingerprint_is_of_the_input_and_of_everything_that_decides_what_is_asked(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,submission\n0,x\n")
    sha256 = survey(source, JOB, LIMITS).sha256
    jobs = [
        JOB,
        Job(Format.CSV, {"id": "x"}),
        Job(Format.CSV, question="Q"),
        Job(Format.CSV, max_score=5),
        Job(Format.CSV, rubric={"criteria": []}),
        Job(Format.CSV, rubric_id="a"),
        Job(Format.CSV, grader="llm"),
        Job(Format.JSONL),
    ]
    assert len({job.fingerprint(sha256) for job in jobs} | {JOB.fingerprint("0" * 64)}) == len(jobs) + 1
