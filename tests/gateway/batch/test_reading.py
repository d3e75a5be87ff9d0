"""Files of submissions: what becomes a row, and what a fault that names its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.batch.reading import Limits, csv_shape, json_format, read_rows
from gateway.batch.rows import Fault, Format, Job, Row, Unusable
from gateway.contracts.submission import read_submission
from gateway.errors import InvalidRequest

LIMITS = Limits(row=2000)


def rows(path: Path, text: str | bytes, job: Job | None = None) -> list[Row | Fault]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_rows(path, job or Job(Format.CSV), LIMITS))


def faults(found: list[Row | Fault]) -> list[tuple[int, str, str]]:
    return [(one.line, one.id, one.code) for one in found if isinstance(one, Fault)]


def only(found: list[Row | Fault]) -> Row:
    (row,) = found
    assert isinstance(row, Row), row
    return row


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "in.csv"


def test_a_csv_row_becomes_a_request_of_the_contract(file: Path) -> None:
    text = (
        "\ufeffid;answer;question;reference;max_score;language;task_type;student_id;labels;mark\n"
        '"Ж-1";"Столица; ""Париж""";Что?;"[""Париж"", ""Paris""]";4;ru;text;stu-1;;5\n'
    )
    row = only(rows(file, text))
    assert (row.id, row.line, row.target) == ("Ж-1", 2, "grader-auto")
    submission = read_submission(row.payload)
    assert submission.text == 'Столица; "Париж"'
    assert submission.references == ("Париж", "Paris")
    assert (submission.max_score, submission.question, submission.language) == (4, "Что?", "ru")
    assert (submission.student_id, submission.submission_id) == ("stu-1", "Ж-1")
    assert row.cells[-1] == "5"


def test_columns_may_have_other_names(file: Path) -> None:
    job = Job(Format.CSV, {"id": "student", "submission": "their words"}, grader="embedding")
    row = only(rows(file, "their words,student\nhello,7\n", job))
    assert (row.id, row.target) == ("7", "grader-embedding")
    assert row.payload == {"submission": "hello", "submission_id": "7", "grader": "embedding"}


def test_what_the_job_says_is_for_rows_that_do_not(file: Path) -> None:
    job = Job(Format.JSONL, question="Q?", max_score=5, rubric_id="essay@1.0.0", grader="llm")
    own = {"id": 2, "submission": "b", "question": "own", "rubric_id": "own", "metadata": {"max_score": 3}}
    bare, full = rows(file, '{"id": "1", "submission": "a"}\n' + json.dumps(own), job)
    assert isinstance(bare, Row)
    assert isinstance(full, Row)
    assert bare.payload["metadata"] == {"max_score": 5}
    assert (bare.payload["question"], bare.payload["rubric_id"]) == ("Q?", "essay@1.0.0")
    assert (full.id, full.payload["question"], full.payload["rubric_id"]) == ("2", "own", "own")
    assert full.payload["metadata"] == {"max_score": 3}


def test_the_oldest_contract_gets_no_field_that_it_does_not_have(file: Path) -> None:
    line = {"id": "1", "submission": "a", "contract": "v1"}
    row = only(rows(file, json.dumps(line), Job(Format.JSONL, question="Q?", max_score=5, grader="llm")))
    assert read_submission(row.payload).contract == "v1"
    assert row.target == "grader-llm"


def test_a_grader_that_is_no_text_is_left_to_the_contract(file: Path) -> None:
    row = only(rows(file, '{"id": "1", "submission": "a", "grader": ["llm"]}', Job(Format.JSONL)))
    with pytest.raises(InvalidRequest):
        read_submission(row.payload)


def test_labels_are_a_list_or_names_by_bars(file: Path) -> None:
    text = 'id,submission,labels\n1,x,spam|ham\n2,x,"[""a|b"", ""c""]"\n'
    found = [row.payload["labels"] for row in rows(file, text) if isinstance(row, Row)]
    assert found == [["spam", "ham"], ["a|b", "c"]]


def test_an_empty_submission_is_a_submission_and_an_empty_cell_no_field(file: Path) -> None:
    row = only(rows(file, "id,submission,language,max_score\n1,,,\n"))
    assert row.payload == {"submission": "", "submission_id": "1", "grader": "auto"}
    assert read_submission(row.payload).text == ""


def test_faults_in_csv_are_told_row_by_row(file: Path) -> None:
    text = (
        b"id,submission,max_score\n"
        b"ok,fine,\n"
        b",no id,\n"
        b"ok,again,\n"
        b"short,row\n"
        b"much,too,3,long\n"
        b"bytes,\xff\xfe,\n"
        b"score,x,ten\n"
        b"nan,x,nan\n" + b"large," + b"x" * 3000 + b",\n" + b"i" * 129 + b",x,\n"
        b"fine,too,\n"
    )
    found = rows(file, text)
    assert [one.id for one in found if isinstance(one, Row)] == ["ok", "fine"]
    assert [one.index for one in found] == list(range(11))
    assert faults(found) == [
        (3, "", "missing_id"),
        (4, "ok", "duplicate_id"),
        (5, "short", "invalid_row"),
        (6, "much", "invalid_row"),
        (7, "bytes", "invalid_row"),
        (8, "score", "invalid_row"),
        (9, "nan", "invalid_row"),
        (10, "large", "row_too_large"),
        (11, "i" * 129, "invalid_row"),
    ]


def test_faults_in_json_are_told_row_by_row(file: Path) -> None:
    lines: list[Any] = [
        {"id": "ok", "submission": "x"},
        [1],
        {"submission": "x"},
        {"id": ["x"], "submission": "x"},
        {"id": "ok", "submission": "y"},
        {"id": "large", "submission": "x" * 3000},
    ]
    text = "\n".join(map(json.dumps, lines)) + '\n\n{"id": "torn"\n' + "[" * 40 + '\n{"id": "last"}'
    found = rows(file, text, Job(Format.JSONL))
    assert [one.id for one in found if isinstance(one, Row)] == ["ok", "last"]
    assert faults(found) == [
        (2, "", "invalid_row"),
        (3, "", "missing_id"),
        (4, "", "missing_id"),
        (5, "ok", "duplicate_id"),
        (6, "", "row_too_large"),
        (8, "", "invalid_row"),
        (9, "", "invalid_row"),
    ]


def test_no_fault_tells_what_a_student_wrote(file: Path) -> None:
    secret = "Ivan-Petrov"
    lines = [f'{{"id": "a", "submission": "{secret}"', f'["{secret}"]', f'{{"submission": "{secret}"}}']
    found = rows(file, "\n".join(lines), Job(Format.JSONL))
    assert len(faults(found)) == 3
    assert secret not in repr(found)


def openai(**changes: Any) -> str:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}
    return json.dumps({**line, **changes})


def test_openai_lines_name_what_they_ask(file: Path) -> None:
    job = Job(Format.OPENAI, question="Q?")
    graded = {"url": "/v1/models/grader-embedding:predict", "body": {"submission": "x"}}
    chat, grade = rows(file, openai() + "\n" + openai(custom_id="b", **graded), job)
    assert isinstance(chat, Row)
    assert isinstance(grade, Row)
    assert (chat.target, chat.payload) == ("chat", {"model": "m"})
    assert (grade.target, grade.payload["question"]) == ("grader-embedding", "Q?")
    assert json_format(file) is Format.OPENAI


@pytest.mark.parametrize(
    "changes",
    [{"method": "GET"}, {"url": "/v1/embeddings"}, {"url": ["x"]}, {"body": "x"}, {"more": 1}],
    ids=["method", "url", "no url", "body", "field"],
)
def test_openai_lines_of_another_shape_are_faults(file: Path, changes: dict[str, Any]) -> None:
    assert faults(rows(file, openai(**changes), Job(Format.OPENAI))) == [(1, "a", "invalid_row")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "no header"),
        (b"name,submission\n", "no column 'id'"),
        (b"id,text\n", "no column 'submission'"),
        (b"id,submission,id\n", "same name"),
        ("id,submission,возраст\n".encode("cp1251"), "not UTF-8"),
    ],
)
def test_a_file_without_the_columns_is_no_input(file: Path, text: bytes, told: str) -> None:
    with pytest.raises(Unusable, match=told):
        rows(file, text)


def test_a_column_that_is_named_and_not_there_is_told(file: Path) -> None:
    with pytest.raises(Unusable, match="--column-max-score"):
        rows(file, "id,submission\n", Job(Format.CSV, {"max_score": "points"}))


def test_the_shape_of_a_spreadsheets_file_is_kept(file: Path) -> None:
    file.write_text("\ufeffid;answer\n", "utf-8")
    shape = csv_shape(file)
    assert (shape.header, shape.delimiter, shape.bom) == (("id", "answer"), ";", True)
