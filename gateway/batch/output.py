"""Lines of the output: what an answer and an error look like in each format. Pure.

A row's own cells are the caller's and are carried through as they are. Texts of ours in a CSV file may come
from a model, and so from a student: one that a spreadsheet would take for a formula gets an apostrophe before
it (https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.batch.reading import Shape
from gateway.batch.rows import Answer, Failure, Fault, Row

RESULTS = (
    *("score", "max_score", "share", "label", "grader", "confidence", "needs_review", "review_reasons"),
    *("comments", "criteria", "rubric", "model", "prompt", "grade_id", "partial"),
)
_ERRORS = ("id", "line", "code", "message")
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_BOM = "\ufeff"

AnswerLine = Callable[[Row, Answer], bytes]
ErrorLine = Callable[[Row | Fault, Failure], bytes]


@dataclass(frozen=True, slots=True)
class Answers:
    head: bytes
    line: AnswerLine


@dataclass(frozen=True, slots=True)
class Errors:
    head: bytes
    line: ErrorLine


def csv_answers(shape: Shape) -> Answers:
    """The input's columns, then RESULTS; one whose name the input has already is called graded_NAME."""
    names = [f"graded_{name}" if name in shape.header else name for name in RESULTS]
    head = _csv_line([*shape.header, *names], shape.delimiter)
    return Answers(
        (_BOM.encode() if shape.bom else b"") + head,
        lambda row, answer: _csv_line(
            [*(row.cells or (row.id,)), *map(_cell, result(answer.body, answer.grade_id))], shape.delimiter
        ),
    )


def csv_errors() -> Errors:
    return Errors(
        _csv_line(_ERRORS, ","),
        lambda row, failure: _csv_line(
            [_sound(row.id), str(row.line), failure.code, _cell(failure.message)], ","
        ),
    )


def json_answers() -> Answers:
    """The answer by its contract under the row's `id`; its own is called `grade_id`."""

    def line(row: Row, answer: Answer) -> bytes:
        return _json_line({**answer.body, "id": row.id, "grade_id": answer.grade_id})

    return Answers(b"", line)


def json_errors() -> Errors:
    return Errors(
        b"",
        lambda row, failure: _json_line(
            dict(zip(_ERRORS, (_sound(row.id), row.line, failure.code, failure.message), strict=True))
        ),
    )


def openai_answers(fingerprint: str) -> Answers:
    def line(row: Row, answer: Answer) -> bytes:
        name = _request_name(fingerprint, row.index)
        response = {"status_code": 200, "request_id": name, "body": answer.body}
        return _json_line(
            {"id": f"batch_req_{name}", "custom_id": row.id, "response": response, "error": None}
        )

    return Answers(b"", line)


def openai_errors(fingerprint: str) -> Errors:
    """With the line's number besides."""

    def line(row: Row | Fault, failure: Failure) -> bytes:
        return _json_line(
            {
                "id": f"batch_req_{_request_name(fingerprint, row.index)}",
                "custom_id": _sound(row.id) or None,
                "response": None,
                "error": {"code": failure.code, "message": failure.message},
                "line": row.line,
            }
        )

    return Errors(b"", line)


def result(body: Mapping[str, Any], grade_id: str) -> tuple[Any, ...]:
    """RESULTS of a grade's answer."""
    versions = body["versions"]
    return (
        *(body["score"], body["max_score"], round(body["score"] / body["max_score"], 4), body["label"]),
        *(body["grader"], body["confidence"], body["needs_review"], "|".join(body["review_reasons"])),
        *(body["comments"], orjson.dumps(body["details"]["criteria"]).decode()),
        *(versions["rubric"], versions["model"], versions["prompt"], grade_id, body["partial"]),
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv_line(cells: Sequence[str], delimiter: str) -> bytes:
    text = io.StringIO()
    # The writer quotes a cell for the characters of its line end only, and a lone \r ends a row too.
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _json_line(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _sound(row_id: str) -> str:
    """The id of a row that may be no UTF-8."""
    return row_id.encode(errors="surrogateescape").decode(errors="replace")


def _request_name(fingerprint: str, index: int) -> str:
    return hashlib.sha256(f"{fingerprint} {index}".encode()).hexdigest()[:24]
