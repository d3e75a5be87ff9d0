"""SQLite's file: how it is made, and whether it is still the one that was opened."""

import contextlib
import sqlite3
import time
from pathlib import Path

Identity = tuple[int, int]  # device and inode: another file may take a name

_LOOK_AGAIN_S = 0.02


def made(file: Path, timeout_s: float) -> Identity:
    """Makes file and folder where they are not there: readable to nobody else, as SQLite's log beside it will
    be. Blocks. Raises OSError, sqlite3.Error.

    Only SQLite opens the file: closing a descriptor of ours would take this process's locks off it (POSIX),
    and another process could then delete the log that is in use here, with the grades in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    with contextlib.closing(sqlite3.connect(file, timeout=timeout_s, isolation_level=None)) as connection:
        if new:  # and empty until the next line but one
            file.chmod(0o600)
        _write_ahead(connection, time.monotonic() + timeout_s)
    return identity(file)


def identity(file: Path) -> Identity:
    """Raises OSError."""
    status = file.stat()
    return status.st_dev, status.st_ino


def _write_ahead(connection: sqlite3.Connection, give_up: float) -> None:
    """Readers and the writer do not wait for each other; the file remembers it. For this one change SQLite
    does not wait: of eight that opened a new file at once, 2 in 320 were refused."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(_LOOK_AGAIN_S)
