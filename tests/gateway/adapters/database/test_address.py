"""Which addresses are taken, and that no password leaves them."""

from pathlib import Path

import pytest

from gateway.adapters.database.address import file_of, read_address
from gateway.adapters.database.database import Database


@pytest.mark.parametrize(
    ("address", "file"),
    [("sqlite:///state/gateway.db", "state/gateway.db"), ("sqlite:////srv/gateway.db", "/srv/gateway.db")],
)
def test_sqlite_is_a_file(address: str, file: str) -> None:
    url = read_address(address)
    assert url.drivername == "sqlite+pysqlite"
    assert file_of(url) == Path.cwd() / file


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_is_asked_through_psycopg(scheme: str) -> None:
    url = read_address(f"{scheme}://me:p%40ss@db:5433/grades?sslmode=require")
    assert (url.drivername, url.host, url.port, url.database) == ("postgresql+psycopg", "db", 5433, "grades")
    assert (url.password, url.query, file_of(url)) == ("p@ss", {"sslmode": "require"}, None)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "state/gateway.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://hidden/gateway.db",
        "sqlite:///gateway.db?hidden=1",
        "mysql://me:hidden@db/grades",
        "postgresql://me:hidden@db:hidden/grades",
        "postgresql+asyncpg://me:hidden@db/grades",
    ],
)
def test_any_other_is_refused_in_one_sentence_that_does_not_quote_it(address: str) -> None:
    with pytest.raises(ValueError, match="must be sqlite:///PATH or postgresql://") as refusal:
        Database(address)
    assert "hidden" not in str(refusal.value)
    assert refusal.value.__context__ is None
