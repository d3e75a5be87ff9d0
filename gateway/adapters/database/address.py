"""DATABASE_URL as SQLAlchemy reads it. A password in it reaches no message."""

from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_SENTENCE = "must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME"


def read_address(address: str) -> URL:
    """The address with its driver. Raises ValueError with one constant sentence."""
    url = None
    with suppress(ArgumentError, ValueError):  # the latter quotes what stands for the port
        url = make_url(address)
    if url is None or url.drivername not in _DRIVERS:
        raise ValueError(_SENTENCE)
    if url.drivername == "sqlite" and (url.host or url.query or url.database in (None, "", ":memory:")):
        raise ValueError(_SENTENCE)
    return url.set(drivername=_DRIVERS[url.drivername])


def file_of(url: URL) -> Path | None:
    """The file of a SQLite database, absolute: a later change of the working folder must not move it."""
    if not url.drivername.startswith("sqlite"):
        return None
    return Path(url.database or "").absolute()
