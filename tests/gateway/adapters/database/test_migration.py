"""However many start at once, the tables are made once, whole or not at all; an older version refuses."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from gateway.adapters.database import migration
from gateway.adapters.database.database import Database
from gateway.errors import StoreUnavailable
from tests.gateway.adapters.database.conftest import metadata, migrated

# Does not close what it has opened.
START = """
import asyncio, sys
from gateway.adapters.database.database import Database
kept = []

async def main():
    database = Database(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await database.start()
    kept.append(database)

asyncio.run(main())
"""


async def test_many_that_start_at_once_all_succeed(bare: str) -> None:
    databases = [Database(bare) for _ in range(4)]
    await asyncio.gather(*(database.start() for database in databases))
    for database in databases:
        assert await database.read(migration.revision) == migration.HEAD
        await database.close()


def test_so_do_processes_which_end_though_nobody_closes_their_store(bare: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START, bare],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Python says what was left open
            text=True,
        )
        for _ in range(2)
    ]
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 2
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=30)
    assert [process.returncode for process in processes] == [0, 0]


async def test_the_migrations_make_the_tables_that_the_code_asks(database: Database) -> None:
    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert await database.read(differences) == []


def test_the_newest_migration_is_the_one_that_the_code_names() -> None:
    folder = Path(migration.__file__).parent / "migrations"
    assert ScriptDirectory(folder).get_current_head() == migration.HEAD


async def test_a_database_of_a_newer_gateway_is_refused_and_left_alone(bare: str) -> None:
    await migrated(bare)
    database = Database(bare)
    await database.start()
    await database.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    for _ in range(2):
        again = Database(bare)
        with pytest.raises(StoreUnavailable, match="newer version"):
            await again.start()
        with pytest.raises(StoreUnavailable, match="not open"):
            await again.read(migration.revision)
        assert await again.open() == "9999"
        await again.close()


async def test_a_migration_that_fails_leaves_nothing_behind(bare: str) -> None:
    """The table of rubrics, which comes late, is in its way."""

    def tables(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names())

    await migrated(bare)
    database = Database(bare)
    await database.start()

    def only_rubrics(connection: Connection) -> None:
        for table in reversed(metadata.sorted_tables):
            if table.name != "rubrics":
                connection.exec_driver_sql(f"DROP TABLE {table.name}")
        connection.exec_driver_sql("DROP TABLE alembic_version")

    await database.write(only_rubrics)
    with pytest.raises(StoreUnavailable):
        await database.start()
    assert await database.read(tables) == {"rubrics"}
    await database.close()


async def test_a_database_that_is_ready_is_opened_though_somebody_is_writing(tmp_path: Path) -> None:
    address = await migrated(f"sqlite:///{tmp_path}/gateway.db")
    writer = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    database = Database(address, timeout_s=0.5)
    await database.start()
    await database.close()
    writer.close()
