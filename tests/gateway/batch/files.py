"""An input, an engine that needs no gateway, and a whole run over them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.batch.files import Paths, assemble, survey
from gateway.batch.journal import open_journal
from gateway.batch.reading import Limits, read_rows
from gateway.batch.rows import Answer, Failure, Format, Job, Outcome, Row
from gateway.batch.run import Run

LIMITS = Limits()
JOB = Job(Format.CSV)


def grade(text: str, score: float = 7.5, **changes: Any) -> dict[str, Any]:
    """An answer by contract v1.1, its comment the submission."""
    return {
        "id": "grade_1",
        "score": score,
        "max_score": 10.0,
        "comments": text,
        "details": {"criteria": [{"id": "CR1", "points": score, "max_points": 10.0}]},
        "grader": "grader-llm",
        "version": "tiny",
        "versions": {"model": "tiny", "prompt": "p@1", "rubric": "r@1.0.0", "contract": "v1.1"},
        "confidence": None,
        "needs_review": True,
        "review_reasons": ["low_confidence", "answer_repaired"],
        "partial": False,
        "label": None,
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        "cached": False,
        **changes,
    }


def answered(row: Row) -> Outcome:
    text = row.payload["submission"]
    if text == "refused":
        return Failure("invalid_request", "'submission' is refused.")
    return Answer(grade(text), f"grade_{row.id}", needs_review=True)


@dataclass
class Desk:
    """An engine that answers at once, in turns that others get between."""

    lanes: int = 3
    block: int = 2
    answer_one: Callable[[Row], Outcome] = answered
    asked: list[str] = field(default_factory=list)

    async def answer(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        self.asked += [row.id for row in rows]
        await asyncio.sleep(0)
        return [self.answer_one(row) for row in rows]


def paths(folder: Path, ending: str = ".csv", source: str = "in.csv") -> Paths:
    return Paths(folder / source, folder / f"out{ending}", folder / f"errors{ending}", errors_wanted=True)


def run(where: Paths, desk: Any, job: Job = JOB, *, stopping: asyncio.Event | None = None) -> bool:
    """Until the end or the stop; the output is written at the end only. The journal stays."""
    seen = survey(where.source, job, LIMITS)
    with closing(open_journal(where.journal, job.fingerprint(seen.sha256), fresh=False)) as journal:
        rows = read_rows(where.source, job, LIMITS)
        with closing(rows):
            work = Run(rows, journal, desk, stopping or asyncio.Event(), drain_s=0.2).finished()
            finished = asyncio.run(work)
        if finished:
            assemble(where, job, LIMITS, seen, journal)
        return finished
