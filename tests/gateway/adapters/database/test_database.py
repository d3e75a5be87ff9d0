"""Whatever goes wrong below is StoreUnavailable, soon, and tells neither a password nor a student's text.

Over 250 lines: each way in which a database fails is made to happen.
"""

import asyncio
import os
import socket
import sqlite3
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, insert

from gateway.adapters.database import database as database_module
from gateway.adapters.database.database import Database
from gateway.adapters.database.grades import DatabaseGrades
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.queues import DatabaseQueues
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.adapters.database.tables import claims
from gateway.errors import GatewayError, InvalidRequest, StoreUnavailable
from gateway.records import GradeQuery
from tests.gateway.adapters.database.conftest import migrated, run_on
from tests.gateway.adapters.database.facts import correction, record

SECRET = "Anna-of-the-secret"


@asynccontextmanager
async def impatient(address: str) -> AsyncIterator[Database]:
    """Gives up after 0.4 s."""
    database = Database(address, timeout_s=0.4, start_timeout_s=5)
    await database.start()
    yield database
    await database.close()


@asynccontextmanager
async def refused_soon(within_s: float = 3.0) -> AsyncIterator[None]:
    """What is tried inside fails, and nobody waits for it."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        yield
    assert time.monotonic() - began < within_s


async def test_a_store_that_is_not_open_answers_nothing(address: str) -> None:
    database = Database(address)
    with pytest.raises(StoreUnavailable):
        await DatabaseLedger(database).claim("k", 1)
    await database.start()
    await database.close()
    with pytest.raises(StoreUnavailable):
        await DatabaseGrades(database).get("grade")


async def test_a_locked_file_is_given_up_soon_and_used_again_later(tmp_path: Path) -> None:
    address = await migrated(f"sqlite:///{tmp_path}/gateway.db")
    async with impatient(address) as database:
        ledger, grades = DatabaseLedger(database), DatabaseGrades(database)
        writer = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        writer.execute("BEGIN EXCLUSIVE")
        async with refused_soon():
            await ledger.keep(record())
        assert await grades.find(GradeQuery()) == []  # who reads does not wait for who writes
        writer.execute("ROLLBACK")
        writer.close()
        await ledger.keep(record())
        assert await grades.get(record().id) == record()


async def test_a_store_that_cannot_be_written_is_told_until_it_can(
    tmp_path: Path,
) -> None:
    address = await migrated(f"sqlite:///{tmp_path}/gateway.db")
    async with impatient(address) as database:
        ledger, queues = DatabaseLedger(database), DatabaseQueues(database)
        writer = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        await queues.writable()  # who writes nothing asks nothing
        async with refused_soon():
            await ledger.keep(record())
        async with refused_soon():
            await queues.writable()  # tried
        writer.execute("ROLLBACK")
        writer.close()
        with pytest.raises(StoreUnavailable, match="The store cannot be written"):
            await queues.writable()  # remembered for some seconds
        await ledger.keep(record())
        await queues.writable()


async def test_a_quiet_store_is_tried_again_after_a_failure(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_TRIED_S", 0.0)

    def fail(connection: Connection) -> None:
        raise sqlite3.OperationalError

    with pytest.raises(StoreUnavailable):
        await database.write(fail)
    await database.writable()
    written = 0

    async def counted(work: object) -> None:
        nonlocal written
        written += 1

    monkeypatch.setattr(database, "write", counted)
    await database.writable()
    assert written == 0


async def test_a_locked_table_is_given_up_soon_and_used_again_later(migrated_postgresql: str) -> None:
    async with impatient(migrated_postgresql) as database:
        ledger = DatabaseLedger(database)
        with psycopg.connect(migrated_postgresql) as writer:
            writer.execute("LOCK TABLE claims")
            async with refused_soon():
                await ledger.claim("k", 60)
            writer.rollback()
        assert await ledger.claim("k", 60) is True
        await ledger.give_back("k")


async def test_a_file_that_is_gone_takes_no_more_grades(tmp_path: Path) -> None:
    """An open SQLite would go on writing into a file without a name."""
    address = await migrated(f"sqlite:///{tmp_path}/gateway.db")
    async with impatient(address) as database:
        await DatabaseLedger(database).keep(record(1))
        (tmp_path / "gateway.db").rename(tmp_path / "elsewhere.db")
        for _ in range(2):
            async with refused_soon():
                await DatabaseLedger(database).keep(record(2))
        (tmp_path / "gateway.db").touch()  # another one of its name
        async with refused_soon():
            await DatabaseGrades(database).get(record(1).id)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A database that may be read by everybody and written by nobody; root, who may do anything, is somebody
    else for a while."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "gateway.db")
        asyncio.run(migrated(f"sqlite:///{file}"))
        file.chmod(0o444)
        Path(folder).chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        yield file
        if root:
            os.seteuid(0)
        Path(folder).chmod(0o755)


async def test_a_file_that_cannot_be_written_is_refused_at_the_start(read_only: Path) -> None:
    database = Database(f"sqlite:///{read_only}", timeout_s=0.4)
    async with refused_soon():
        await database.start()
    await database.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gateway.db").write_bytes(content)
    database = Database(f"sqlite:///{tmp_path}/gateway.db", timeout_s=0.4)
    async with refused_soon():
        await database.start()
    await database.close()
    assert (tmp_path / "gateway.db").read_bytes() == content


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = Database(f"sqlite:///{tmp_path}/file/gateway.db")
    async with refused_soon():
        await database.start()
    await database.close()


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    async with impatient(f"sqlite:///{tmp_path}/deep/down/gateway.db") as database:
        await DatabaseLedger(database).keep(record())
        files = sorted((tmp_path / "deep/down").iterdir())
        assert [file.name for file in files] == ["gateway.db", "gateway.db-shm", "gateway.db-wal"]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


async def test_a_server_that_says_nothing_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://me:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/grades"
        database = Database(address, timeout_s=0.4)
        async with refused_soon():
            await database.start()
        await database.close()
    assert SECRET not in caplog.text


async def test_a_password_is_in_no_message(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens there."""
    database = Database(f"postgresql://me:{SECRET}@127.0.0.1:1/grades")
    with pytest.raises(StoreUnavailable) as refusal:
        await database.start()
    await database.close()
    told = "".join(traceback.format_exception(refusal.value)) + repr(database) + caplog.text
    assert "the store failed: " in told
    assert SECRET not in told


async def test_a_connection_that_the_server_has_cut_costs_nobody_a_grade(migrated_postgresql: str) -> None:
    async with impatient(migrated_postgresql) as database:
        ledger = DatabaseLedger(database)
        assert await ledger.claim("k", 60) is True
        run_on(
            migrated_postgresql,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'grading-gateway'",
        )
        assert await ledger.claim("k", 60) is True
        await ledger.give_back("k")


async def test_a_text_of_a_student_is_in_no_error(
    address: str, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is broken: both a column and the record hold the text."""
    kept = record(1, text=SECRET, submission_id=SECRET)
    word = correction(kept, comment=SECRET)
    await DatabaseLedger(database).keep(kept)
    await database.write(lambda c: c.exec_driver_sql("UPDATE grades SET record = substr(record, 1, 300)"))
    await database.write(lambda c: c.exec_driver_sql("ALTER TABLE model_calls RENAME TO a"))
    await database.write(lambda c: c.exec_driver_sql("ALTER TABLE corrections RENAME TO b"))
    told = ""
    for failing in (
        DatabaseLedger(database).keep(record(2, text=SECRET, submission_id=SECRET)),
        DatabaseReviews(database).correct(word),
        DatabaseGrades(database).find(GradeQuery(submission_id=SECRET)),
        DatabaseGrades(database).get(kept.id),
    ):
        with pytest.raises(StoreUnavailable) as refusal:
            await failing
        assert refusal.value.__context__ is None
        told += "".join(traceback.format_exception(refusal.value, chain=True))
    await database.write(lambda c: c.exec_driver_sql("ALTER TABLE a RENAME TO model_calls"))
    await database.write(lambda c: c.exec_driver_sql("ALTER TABLE b RENAME TO corrections"))
    assert SECRET not in told + caplog.text


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_a_character_that_postgresql_cannot_keep_is_the_callers_fault(ledger: DatabaseLedger) -> None:
    with pytest.raises(InvalidRequest):
        await ledger.keep(record(submission_id="s\0"))


async def test_who_leaves_while_waiting_blocks_nobody(database: Database, ledger: DatabaseLedger) -> None:
    leaving = [asyncio.create_task(ledger.claim(f"{n}", 60)) for n in range(30)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert all(task.cancelled() for task in leaving)
    await ledger.keep(record(1))
    assert await DatabaseGrades(database).get(record(1).id) == record(1)


async def test_what_fails_is_taken_back(database: Database, ledger: DatabaseLedger) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(insert(claims), {"key": "k", "owner": "me", "expires_s": 1e12})
        raise GatewayError("changed my mind")

    with pytest.raises(GatewayError, match="changed my mind"):
        await database.write(broken)
    assert await ledger.claim("k", 60) is True
