"""What somebody typed on the page Grade, as a request of the contract v1.1. Pure."""

import re
from dataclasses import dataclass
from typing import Any

AUTO = "grader-auto"
TASKS = ("text", "code", "classification")
MOST_BYTES = 1 << 20  # of a file; the gateway's MAX_BODY_BYTES
MOST_CHARS = 200_000
_BETWEEN = re.compile(r"^-{3,}[ \t]*$", re.MULTILINE)


class NoText(Exception):
    """A file that cannot be read as text: `reason` is one of the page's words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Typed:
    """As it stands in the form."""

    submission: str
    task: str = "text"
    question: str = ""
    references: str = ""  # several stand between lines of `---`; of a classification the expected label
    labels: str = ""  # by commas or lines
    language: str = ""
    rubric: str = ""
    grader: str = AUTO
    max_score: float = 10.0
    tests_passed: int = 0
    tests_total: int = 0  # 0: no tests were run


def read_file(content: bytes) -> str:
    """A file's text, with lines that end as text areas end them. Raises NoText."""
    if len(content) > MOST_BYTES:
        raise NoText("file_large")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoText("file_encoding") from None
    if "\0" in text:
        raise NoText("file_binary")
    if len(text) > MOST_CHARS:
        raise NoText("file_long")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def request(typed: Typed) -> dict[str, Any]:
    """The body for `/v1/models/{grader}:predict`. A named grader is meant: another one may not step in."""
    is_code, is_choice = typed.task == "code", typed.task == "classification"
    body: dict[str, Any] = {
        "contract": "v1.1",
        "task_type": typed.task,
        "submission": typed.submission,
        "grader": typed.grader.removeprefix("grader-"),
        "metadata": {"max_score": typed.max_score},
    }
    if is_code and typed.tests_total:
        body["metadata"]["tests"] = {"passed": typed.tests_passed, "total": typed.tests_total}
    optional = {
        "language": typed.language.strip(),
        "question": typed.question.strip(),
        "reference_answers": _references(typed),
        "labels": _labels(typed.labels) if is_choice else [],
        "rubric_id": typed.rubric.strip(),
    }
    return body | {name: value for name, value in optional.items() if value}


def mask_request(typed: Typed) -> dict[str, Any]:
    """The body for `/v1/mask`: names of both languages are looked for, as in a grading."""
    return {"text": typed.submission, "task_type": typed.task}


def _references(typed: Typed) -> list[str]:
    if typed.task == "classification":
        return [typed.references.strip()] if typed.references.strip() else []
    return [one.strip("\n") for one in _BETWEEN.split(typed.references) if one.strip()]


def _labels(text: str) -> list[str]:
    return [one.strip() for one in re.split(r"[,\n]", text) if one.strip()]
