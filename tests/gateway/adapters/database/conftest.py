"""The same tests over SQLite and over a real PostgreSQL."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.adapters.database import drift_tables, training_tables  # noqa: F401 - they add their tables
from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.tables import metadata


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server, with {} for the database's name."""
    # Not pytest's own folder: a socket's path has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="store") as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", folder)  # pgserver warns at its import without one
        import pgserver

        server = pgserver.get_server(Path(folder, "data"), cleanup_mode="delete")
        try:
            server.psql("ALTER SYSTEM SET fsync = off")  # nobody's grades
            server.psql("SELECT pg_reload_conf()")
            yield server.get_uri("{}")
        finally:
            server.cleanup()


def run_on(address: str, *statements: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


async def migrated(address: str) -> str:
    database = Database(address)
    await database.start()
    await database.close()
    return address


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: str) -> str:
    run_on(postgresql.replace("{}", "postgres"), "CREATE DATABASE ready")
    return asyncio.run(migrated(postgresql.replace("{}", "ready")))


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ready") / "gateway.db"
    asyncio.run(migrated(f"sqlite:///{file}"))
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database that is ready and empty."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "gateway.db")
        yield f"sqlite:///{tmp_path}/gateway.db"
        return
    address = request.getfixturevalue("migrated_postgresql")
    yield address
    # A database for each test would cost 0.3 s.
    run_on(address, *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)))


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables; for SQLite not even the folder is there."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/state/gateway.db"
        return
    server = request.getfixturevalue("postgresql")
    run_on(server.replace("{}", "postgres"), "CREATE DATABASE bare")
    yield server.replace("{}", "bare")
    run_on(server.replace("{}", "postgres"), "DROP DATABASE bare WITH (FORCE)")


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    database = Database(address)
    await database.start()
    yield database
    await database.close()


@pytest.fixture
async def other_database(address: str) -> AsyncIterator[Database]:
    """The same one, as another process would have it."""
    database = Database(address)
    await database.start()
    yield database
    await database.close()


@pytest.fixture
def ledger(database: Database) -> DatabaseLedger:
    return DatabaseLedger(database)


@pytest.fixture
def other_ledger(other_database: Database) -> DatabaseLedger:
    return DatabaseLedger(other_database)
