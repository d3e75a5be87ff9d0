"""What a file of submissions is made of, and what becomes of each row."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

CHAT = "chat"  # a row's target besides the graders
LONGEST_ID = 128  # characters, as a submission_id
_BLOCK = 1 << 20


class Unusable(ValueError):
    """A file or an argument that no run can be made of: one sentence for the person at the terminal."""


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"  # a grading request for each line
    OPENAI = "openai"  # OpenAI's batch format


class FaultCode(StrEnum):
    """Why a row is no request. Other codes of error rows are gateway.errors.Code."""

    INVALID_ROW = "invalid_row"
    ROW_TOO_LARGE = "row_too_large"
    MISSING_ID = "missing_id"
    DUPLICATE_ID = "duplicate_id"


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a file."""

    index: int  # from 0, in the file's order, faulty rows counted
    line: int  # where it begins, from 1
    id: str
    target: str  # a grader's name, or CHAT
    payload: Mapping[str, Any] = field(repr=False)  # a grading request, or a chat completion's body
    cells: tuple[str, ...] = field(repr=False, default=())  # of a CSV file, as they were read


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that is no request. `message` names fields, not contents."""

    index: int
    line: int
    id: str  # empty: none could be read
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a row was answered with: a grade by its contract, or a chat completion."""

    body: Mapping[str, Any] = field(repr=False)
    grade_id: str = ""  # empty: a completion
    needs_review: bool = False
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row got no answer."""

    code: str
    message: str


Outcome = Answer | Failure


def entry_of(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON, for a journal or a store."""
    if isinstance(outcome, Failure):
        return {"code": outcome.code, "message": outcome.message}
    return {
        "grade": outcome.grade_id,
        "review": outcome.needs_review,
        "cached": outcome.cached,
        "answer": outcome.body,
    }


def outcome_of(entry: Mapping[str, Any]) -> Outcome:
    """Raises KeyError for JSON that entry_of() has not made."""
    if "code" in entry:
        return Failure(entry["code"], entry["message"])
    return Answer(entry["answer"], entry["grade"], entry["review"], entry["cached"])


@dataclass(frozen=True, slots=True)
class Job:
    """How a file's rows become requests: with the file it decides what is asked."""

    format: Format
    columns: Mapping[str, str] = field(default_factory=dict)  # field -> what the CSV file calls it
    question: str | None = field(repr=False, default=None)  # this and the next three: of rows without one
    max_score: float | None = None
    rubric: Mapping[str, Any] | None = field(repr=False, default=None)
    rubric_id: str | None = None  # in the place of `rubric`
    grader: str = "auto"  # auto | llm | embedding

    def fingerprint(self, input_sha256: str) -> str:
        """sha256 (hex) of the job and its input: a journal with the same one is of the same run."""
        decides = [
            *(input_sha256, self.format.value, dict(self.columns), self.question, self.max_score),
            *(self.rubric, self.rubric_id, self.grader),
        ]
        return hashlib.sha256(orjson.dumps(decides, option=orjson.OPT_SORT_KEYS)).hexdigest()


def sha256_of(path: Path) -> str:
    """Of a file's content, hex; a gigabyte takes a second or two."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
