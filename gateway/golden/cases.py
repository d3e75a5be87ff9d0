"""The golden set as files: facts of a case, and reading them all, checked.

A case is a line of `cases/TOPIC.jsonl`; rubrics are `rubrics/NAME@VERSION.json`, copied into requests.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from gateway.contracts.rubric import read_rubric
from gateway.contracts.submission import read_submission
from gateway.errors import InvalidRequest
from gateway.golden.errors import Unusable
from gateway.golden.lines import CLASSIFICATION, Band, Line, faults


@dataclass(frozen=True, slots=True, order=True)
class Stratum:
    """A part of the set: all cases of a task type, a language, a band, or with a tag."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a careful person gives. Of a classification only the label is known, of all others the share."""

    share: float | None
    tolerance: float  # how far two careful people may differ
    label: str | None
    criteria: Mapping[str, float]
    needs_review: bool


@dataclass(frozen=True, slots=True)
class Case:
    id: str  # family/answer
    topic: str
    task_type: str
    language: str
    band: Band | None
    tags: tuple[str, ...]
    request: Mapping[str, Any] = field(repr=False)  # contract v1.1, the rubric inline, no grader named
    expected: Expected
    why: str
    digest: str  # of all that a grader sees and that is expected: equal digests, equal cases

    @property
    def family(self) -> str:
        """Answers to one question are one piece of evidence. Texts to be labelled share no more than their
        labels: each stands for itself."""
        return self.id if self.task_type == CLASSIFICATION else self.id.partition("/")[0]

    @property
    def strata(self) -> tuple[Stratum, ...]:
        band = (Stratum("band", self.band),) if self.band else ()
        tags = (Stratum("tag", tag) for tag in self.tags)
        return (Stratum("task type", self.task_type), Stratum("language", self.language), *band, *tags)


def load(folder: Path) -> tuple[Case, ...]:
    """The whole set, in the order of its files and lines. Blocks. Raises Unusable."""
    rubrics = {file.stem: _json(file.read_bytes(), file.name) for file in folder.glob("rubrics/*.json")}
    files = sorted(folder.glob("cases/*.jsonl"))
    if not files:
        raise Unusable(f"{folder} has no cases/*.jsonl")
    cases, families, used = [], dict[str, tuple[Any, ...]](), set[str | None]()
    for file in files:
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            where = f"{file.name}, line {number}"
            given = _line(_json(line, where), where)
            case = _case(given, rubrics, file.stem, where)
            task = _task(case, given)
            if families.setdefault(case.id.partition("/")[0], task) != task:
                raise Unusable(f"{where}: question, task or file differ from the rest of its family")
            cases.append(case)
            used.add(given.rubric_ref)
    repeated = [name for name, times in Counter(case.id for case in cases).items() if times > 1]
    if repeated:
        raise Unusable(f"ids stand more than once: {', '.join(repeated)}")
    _check_rubrics(rubrics, used)
    return tuple(cases)


def counts(cases: Sequence[Case]) -> Mapping[Stratum, int]:
    """How many cases each stratum has."""
    return Counter(stratum for case in cases for stratum in case.strata)


def _json(text: bytes, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unusable(f"{where}: not JSON") from None


def _line(data: Any, where: str) -> Line:
    try:
        return Line.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"]) or "case"
        raise Unusable(f"{where}: {path}: {first['msg']}") from None


def _case(line: Line, rubrics: Mapping[str, Any], topic: str, where: str) -> Case:
    request = dict(line.request)
    if line.rubric_ref is not None:
        if line.rubric_ref not in rubrics or "rubric" in request:
            raise Unusable(f"{where}: rubric_ref names no file, or the request has a rubric of its own")
        request["rubric"] = rubrics[line.rubric_ref]
    try:
        submission = read_submission(request)
    except InvalidRequest as error:
        raise Unusable(f"{where}: request: {error.message}") from None
    for fault in faults(line, submission):
        raise Unusable(f"{where}: {fault}")
    given = line.expected
    seen = [request, given.model_dump(), line.task_type, line.language, line.band, sorted(line.tags)]
    return Case(
        line.id,
        topic,
        line.task_type,
        line.language,
        Band(line.band) if line.band else None,
        tuple(line.tags),
        request,
        Expected(given.share, given.tolerance, given.label, given.criteria, given.needs_review),
        line.why,
        hashlib.sha256(orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16],
    )


def _task(case: Case, line: Line) -> tuple[Any, ...]:
    asked = [case.request.get(name) for name in ("question", "reference_answers", "labels", "language")]
    return (case.topic, case.task_type, case.language, line.rubric_ref, *asked)


def _check_rubrics(rubrics: Mapping[str, Any], used: set[str | None]) -> None:
    for name, payload in rubrics.items():
        try:
            rubric = read_rubric(payload)
        except InvalidRequest as error:
            raise Unusable(f"rubrics/{name}.json: {error.message}") from None
        if rubric.id != name or name not in used:
            raise Unusable(
                f"rubrics/{name}.json: the name must be the rubric's own, and some case must use it"
            )
