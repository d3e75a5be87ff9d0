"""What is done of a run, on disk beside its output: whatever ends the process, nothing that is in it is lost.

One JSON line for each row that is done, in the order in which they got done, appended only. The first line
says of which job it is. A line that was not written to its end, by a kill or a power cut, counts as never
begun: its row is asked again, and the gateway's store answers it without a model.
"""

import fcntl
import os
from array import array
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import orjson

from gateway.batch.patience import PASSING
from gateway.batch.rows import Failure, Outcome, Unusable, entry_of, outcome_of

_UNDONE = -1


@dataclass(slots=True)
class Tally:
    """How far a run is."""

    answered: int = 0
    failed: int = 0
    needs_review: int = 0
    cached: int = 0

    @property
    def done(self) -> int:
        return self.answered + self.failed

    def count(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failure):
            self.failed += 1
            return
        self.answered += 1
        self.needs_review += outcome.needs_review
        self.cached += outcome.cached


class Journal:
    """Made by open_journal(). One thread adds rows, any other may sync() meanwhile."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.tally = Tally()
        self._file = file
        self._places = array("q")  # by row: where its line begins
        self._end = 0
        self._unwritten: list[bytes] = []
        self._adding, self._writing = Lock(), Lock()

    def has(self, index: int) -> bool:
        return index < len(self._places) and self._places[index] != _UNDONE

    def add(self, index: int, row_id: str, outcome: Outcome) -> None:
        """Takes down what became of a row; on disk with the next sync()."""
        line = _line(index, row_id, outcome)
        with self._adding:
            self._unwritten.append(line)
        self._note(index, self._end, outcome)
        self._end += len(line)

    @property
    def waiting(self) -> int:
        """Rows that a kill would lose now."""
        return len(self._unwritten)

    def sync(self) -> None:
        """Returns when everything added before is on disk. After an OSError nothing may be added any more."""
        with self._writing:
            with self._adding:
                lines, self._unwritten = self._unwritten, []
            if lines:
                self._file.write(b"".join(lines))
                self._file.flush()
                os.fsync(self._file.fileno())

    def outcome(self, index: int) -> Outcome:
        """Of a row that has() is true of, after sync()."""
        self._file.seek(self._places[index])
        read = _read(self._file.readline())
        assert read is not None  # noqa: S101 - it was read or written by this process
        return read[1]

    def close(self) -> None:
        """Lets others have it."""
        # What could not be written was told by sync(), and closing tries once more.
        with suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        self.path.unlink()
        self.close()

    def resume(self, header: bytes) -> None:
        """Reads what is there, forgets an unfinished last line. Raises Unusable for another job's journal."""
        self._file.seek(0)
        first = self._file.readline()
        if first != header:
            if not header.startswith(first):
                raise Unusable(
                    f"{self.path} is of another run: --fresh starts over, another --out keeps both"
                )
            self._begin(header)
            return
        self._end = len(header)
        while (line := self._file.readline()).endswith(b"\n"):
            read = _read(line)
            if read is not None and not _worth_another_try(read[1]):
                self._note(read[0], self._end, read[1])
            self._end += len(line)
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def _begin(self, header: bytes) -> None:
        self._file.truncate(0)
        self._file.seek(0)
        self._file.write(header)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._end = len(header)

    def _note(self, index: int, place: int, outcome: Outcome) -> None:
        missing = index + 1 - len(self._places)
        if missing > 0:
            self._places.extend([_UNDONE] * missing)
        if self._places[index] == _UNDONE:
            self._places[index] = place
            self.tally.count(outcome)


def open_journal(path: Path, fingerprint: str, *, fresh: bool) -> Journal:
    """The journal of that job, begun or gone on with; nobody else has it until it is closed. `fresh` forgets
    what is there. Raises Unusable when another process has it, or it is another job's."""
    header = orjson.dumps({"journal": 1, "job": fingerprint}, option=orjson.OPT_APPEND_NEWLINE)
    file = _locked(path)
    try:
        if fresh:
            file.truncate(0)
        journal = Journal(path, file)
        journal.resume(header)
    except BaseException:
        file.close()
        raise
    return journal


def _locked(path: Path) -> BinaryIO:
    while True:
        # Its lines may hold a student's own words: for the owner only.
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise Unusable(f"{path} is in use: another run of this job is under way") from None
        # A run that ended between the two lines above has removed the file that is locked now.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _worth_another_try(outcome: Outcome) -> bool:
    """What failed for want of a server is asked again by the next run."""
    return isinstance(outcome, Failure) and outcome.code in PASSING


def _line(index: int, row_id: str, outcome: Outcome) -> bytes:
    entry = {"n": index, "id": row_id, **entry_of(outcome)}
    return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)


def _read(line: bytes) -> tuple[int, Outcome] | None:
    """Row and outcome; None for a line that is damaged."""
    try:
        entry = orjson.loads(line)
        return int(entry["n"]), outcome_of(entry)
    except (KeyError, TypeError, ValueError):
        return None
