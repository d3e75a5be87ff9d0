"""What a grader answered to the golden set, kept as one JSON file that is written whole or not at all."""

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from gateway.golden.cases import Case
from gateway.golden.errors import Unusable

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case's answer, or why there is none."""

    id: str
    digest: str  # the case's, when it was asked
    ms: float  # of the last attempt
    error: str | None = None  # the gateway's code, or ours: see asking.py
    share: float | None = None  # score / max_score
    label: str | None = None
    confidence: float | None = None
    rubric: str | None = None  # name@version, by which it was added up
    criteria: Mapping[str, float] | None = None  # shares by criterion of that rubric
    needs_review: bool = False
    reasons: Sequence[str] = ()
    cached: bool = False  # the grade was an earlier request's, and so are its milliseconds


@dataclass(frozen=True, slots=True)
class Run:
    """All outcomes in the order of the set. No text of a case or an answer is in it."""

    format: int
    grader: str  # the model's name in the path
    gateway: str  # its version
    asked_at: datetime  # UTC
    versions: Mapping[str, Sequence[str]]  # model, prompt, rubric, contract: every one that answered
    outcomes: Sequence[Outcome]

    @property
    def by_id(self) -> Mapping[str, Outcome]:
        return {outcome.id: outcome for outcome in self.outcomes}


def read(path: Path) -> Run:
    """Raises Unusable when there is no such run, or none of this format."""
    try:
        run = _adapter().validate_json(path.read_bytes())
    except OSError:
        raise Unusable(f"{path} cannot be read") from None
    except ValidationError:
        raise Unusable(f"{path} is not a run") from None
    if run.format != FORMAT:
        raise Unusable(f"{path} is a run of another format")
    return run


def write(run: Run, path: Path) -> None:
    """Raises Unusable when the place cannot be written."""
    whole(path, orjson.dumps(run, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def whole(path: Path, content: bytes) -> None:
    """A file with this content, or the one before. Raises Unusable when the place cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        raise Unusable(f"{path} cannot be written") from None


def selected(cases: Sequence[Case], tag: str | None) -> tuple[Case, ...]:
    """All cases, or those with the tag. Raises Unusable when none has it."""
    chosen = tuple(case for case in cases if tag is None or tag in case.tags)
    if not chosen:
        raise Unusable("no case has this tag")
    return chosen


def part(run: Run, cases: Sequence[Case], name: str) -> tuple[Case, ...]:
    """The cases that the run is of. Raises Unusable when one of them is not in the set as it is now: marks
    cannot be compared with another case's expectation."""
    known = {case.id: case for case in cases}
    asked = []
    for outcome in run.outcomes:
        case = known.get(outcome.id)
        if case is None or case.digest != outcome.digest:
            raise Unusable(f"{name} is of another golden set: run it anew ({outcome.id})")
        asked.append(case)
    if not asked or len({case.id for case in asked}) < len(asked):
        raise Unusable(f"{name} has no outcomes, or some twice")
    return tuple(asked)


def only(run: Run, ids: Set[str]) -> Run:
    """The run as if only these cases had been asked."""
    return replace(run, outcomes=[outcome for outcome in run.outcomes if outcome.id in ids])


@cache
def _adapter() -> TypeAdapter[Run]:
    return TypeAdapter(Run)
