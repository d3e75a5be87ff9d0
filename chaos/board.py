"""What the harness and its upstream tell each other: a few numbers in a mapped file.

A file and not a port: what was counted outlives `kill -9`, and a switch reaches a server that hangs.
"""

import mmap
from enum import IntEnum
from pathlib import Path


class Mode(IntEnum):
    """What the upstream does to every request."""

    WELL = 0
    RESET = 1  # ends every connection with RST, those under way too
    SILENT = 2  # accepts, and says nothing to anything
    SLOW = 3  # ten times the service time
    NOT_HTTP = 4  # to anything
    NOT_JSON = 5  # to a chat; the rest is well, as with the next ones
    WRONG_SHAPE = 6
    HALF = 7  # of an answer, and then the connection's end
    HANGS = 8  # after the head of an answer
    BUSY = 9  # 503 at once


class Field(IntEnum):
    """Where a number stands."""

    MODE = 0
    CHATS = 1  # asked for, graders' too
    GRADINGS = 2  # those with a schema for a verdict
    ANSWERED = 3  # to the end
    LEFT = 4  # before their answer was whole
    CONNECTIONS = 5
    WAITING = 6  # for a slot, now


class Board:
    """Numbers of 64 bits, zero at first. One side writes each; reading and writing one is atomic."""

    def __init__(self, file: Path) -> None:
        size = 8 * len(Field)
        if not file.exists():
            file.write_bytes(bytes(size))
        with file.open("r+b") as opened:
            self._numbers = memoryview(mmap.mmap(opened.fileno(), size)).cast("q")

    def __getitem__(self, field: Field) -> int:
        return self._numbers[field]

    def __setitem__(self, field: Field, number: int) -> None:
        self._numbers[field] = number

    def add(self, field: Field, number: int = 1) -> None:
        self._numbers[field] += number

    @property
    def mode(self) -> Mode:
        return Mode(self[Field.MODE])
