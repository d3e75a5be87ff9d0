"""The output put together in the input's order; each file is whole or not there."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.batch.journal import Journal
from gateway.batch.output import (
    Answers,
    Errors,
    csv_answers,
    csv_errors,
    json_answers,
    json_errors,
    openai_answers,
    openai_errors,
)
from gateway.batch.reading import Limits, Shape, csv_shape, read_rows
from gateway.batch.rows import Answer, Failure, Fault, Format, Job, Unusable, sha256_of


@dataclass(frozen=True, slots=True)
class Paths:
    source: Path
    out: Path
    errors: Path
    errors_wanted: bool  # False: the file is written only if there are any

    @property
    def journal(self) -> Path:
        return self.out.with_name(f"{self.out.name}.journal")


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at the whole input tells."""

    sha256: str
    rows: int  # that are requests
    faults: int


def survey(path: Path, job: Job, limits: Limits) -> Survey:
    """Raises Unusable, OSError."""
    rows = faults = 0
    for one in read_rows(path, job, limits):
        if isinstance(one, Fault):
            faults += 1
        else:
            rows += 1
    return Survey(sha256_of(path), rows, faults)


def assemble(paths: Paths, job: Job, limits: Limits, seen: Survey, journal: Journal) -> int:
    """Writes what the journal has of every row. Returns how many got an error. Raises Unusable when the input
    is not what it was when it was graded."""
    answers, errors = _formats(paths, job, seen)
    failed = 0
    with ExitStack() as stack:
        # Left in the opposite order: whoever sees the answers finds their errors beside them.
        out = stack.enter_context(_whole(paths.out))
        err = stack.enter_context(_whole(paths.errors))
        out.write(answers.head)
        err.write(errors.head)
        for row in read_rows(paths.source, job, limits):
            if isinstance(row, Fault):
                outcome: Answer | Failure = Failure(row.code, row.message)
            elif journal.has(row.index):
                outcome = journal.outcome(row.index)
            else:
                raise _changed(paths)
            if isinstance(outcome, Failure):
                err.write(errors.line(row, outcome))
                failed += 1
            elif not isinstance(row, Fault):
                out.write(answers.line(row, outcome))
        if sha256_of(paths.source) != seen.sha256:
            raise _changed(paths)
    if not failed and not paths.errors_wanted:
        paths.errors.unlink()
    return failed


def _changed(paths: Paths) -> Unusable:
    return Unusable(f"{paths.source} was changed while it was graded: nothing is written")


def _formats(paths: Paths, job: Job, seen: Survey) -> tuple[Answers, Errors]:
    fingerprint = job.fingerprint(seen.sha256)
    if job.format is Format.OPENAI:
        return openai_answers(fingerprint), openai_errors(fingerprint)
    errors = csv_errors() if _is_csv(paths.errors) else json_errors()
    if not _is_csv(paths.out):
        return json_answers(), errors
    shape = csv_shape(paths.source) if job.format is Format.CSV else Shape(("id",), ",", bom=False)
    return csv_answers(shape), errors


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when it is on disk to its last byte, and is gone when something fails."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
