"""Each key is graded once, by tasks, by connections and by processes, and by nobody who is dead."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.grades import DatabaseGrades
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.retention import counts
from gateway.adapters.database.rubrics import DatabaseRubrics
from gateway.errors import StoreUnavailable
from gateway.records import GradeRecord
from tests.gateway.adapters.database.facts import record, rubric

KEY = "k" * 64

# Says which keys it has claimed; then it holds another claim that is not committed.
PROCESS = """
import asyncio, sys
from sqlalchemy import insert
from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.tables import claims

def half(connection):
    connection.execute(insert(claims), {"key": "half", "owner": "me", "expires_s": 1e12})
    print("half", flush=True)
    sys.stdin.readline()

async def main(address, *claims):
    database = Database(address, timeout_s=60)
    await database.start()
    ledger = DatabaseLedger(database)
    print("ready", flush=True)
    sys.stdin.readline()
    won = [key for key, lease_s in (one.split("=") for one in claims)
           if await ledger.claim(key, float(lease_s)) is True]
    print(",".join(won), flush=True)
    sys.stdin.readline()
    await database.write(half)

asyncio.run(main(*sys.argv[1:]))
"""


def another_process(address: str, **claims: float) -> subprocess.Popen[str]:
    """One that claims each key for so many seconds."""
    leases = (f"{key}={lease_s}" for key, lease_s in claims.items())
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, address, *leases],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go on\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


async def until(claimed: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Asks until it is true; the test's own time limit ends it."""
    while await claimed() is not True:
        await asyncio.sleep(0.02)


async def test_a_key_is_held_by_one_until_it_is_given_back(
    ledger: DatabaseLedger, other_ledger: DatabaseLedger
) -> None:
    assert await ledger.claim(KEY, 60) is True
    assert await other_ledger.claim(KEY, 60) is False
    await other_ledger.give_back(KEY)  # not its to give
    assert await other_ledger.claim(KEY, 60) is False
    await ledger.give_back(KEY)
    assert await other_ledger.claim(KEY, 60) is True


async def test_who_holds_a_key_may_hold_it_longer(
    ledger: DatabaseLedger, other_ledger: DatabaseLedger
) -> None:
    assert await ledger.claim(KEY, 0) is True
    assert await ledger.claim(KEY, 60) is True
    assert await other_ledger.claim(KEY, 60) is False


async def test_a_kept_grade_is_what_the_key_answers_from_then_on(
    ledger: DatabaseLedger, other_ledger: DatabaseLedger
) -> None:
    await ledger.claim(KEY, 60)
    first, second = record(1, key=KEY), record(2, key=KEY)
    await ledger.keep(first)
    assert await other_ledger.claim(KEY, 60) == first
    await ledger.keep(second)
    assert await ledger.claim(KEY, 60) == second


async def test_a_grade_kept_by_who_has_lost_the_key_is_no_fault(
    ledger: DatabaseLedger, other_ledger: DatabaseLedger
) -> None:
    assert await ledger.claim(KEY, 0) is True
    assert await other_ledger.claim(KEY, 60) is True
    await ledger.keep(record(1, key=KEY))
    assert await other_ledger.claim(KEY, 60) == record(1, key=KEY)
    await other_ledger.keep(record(2, key=KEY))
    assert await ledger.claim(KEY, 60) == record(2, key=KEY)


async def test_a_grade_that_is_kept_twice_is_there_once_as_it_was_first(
    ledger: DatabaseLedger, database: Database
) -> None:
    await ledger.keep(record(1, calls=2))
    await ledger.keep(record(1, calls=3, text="Another."))
    assert await DatabaseGrades(database).get(record(1).id) == record(1, calls=2)


async def test_a_grade_that_cannot_be_kept_whole_is_not_kept_at_all(
    ledger: DatabaseLedger, database: Database
) -> None:
    await database.write(lambda c: c.exec_driver_sql("ALTER TABLE claims RENAME TO elsewhere"))
    with pytest.raises(StoreUnavailable):
        await ledger.keep(record(1))
    await database.write(lambda c: c.exec_driver_sql("ALTER TABLE elsewhere RENAME TO claims"))
    assert set((await counts(database)).values()) == {0}


async def test_keeping_marks_the_stored_rubric_as_used_when_it_is_that_very_one(
    ledger: DatabaseLedger, database: Database
) -> None:
    rubrics = DatabaseRubrics(database)
    await rubrics.add(rubric("1.0.0", weight=2), "me")  # an int: equal to 2.0, written otherwise
    await rubrics.add(rubric("1.1.0"), "me")
    await ledger.keep(record(1, by=rubric("1.1.0", weight=3.0)))  # a request's own of the same name
    assert not (await rubrics.get("essay", "1.1.0")).used
    await ledger.keep(record(2, by=rubric("1.0.0", weight=2.0)))
    assert (await rubrics.get("essay", "1.0.0")).used


async def many(address: str, stack: AsyncExitStack) -> list[DatabaseLedger]:
    """Twenty that claim, as of different processes, over two databases of one address."""
    ledgers = []
    for _ in range(2):
        database = Database(address, timeout_s=20)
        await database.start()
        stack.push_async_callback(database.close)
        ledgers += [DatabaseLedger(database) for _ in range(10)]
    return ledgers


async def test_of_many_at_once_one_gets_each_key(address: str) -> None:
    async with AsyncExitStack() as stack:
        ledgers = await many(address, stack)
        for _ in range(3):  # a fresh key, and then one whose lease has run out
            got = await asyncio.gather(*(ledger.claim(KEY, 60.0) for ledger in ledgers))
            assert sorted(map(bool, got)) == [False] * 19 + [True]
            await ledgers[got.index(True)].claim(KEY, 0.0)


async def test_each_key_is_graded_once_and_everybody_gets_that_grade(address: str) -> None:
    keys = [f"{n:064x}" for n in range(6)]
    graded: list[str] = []

    async def grade(ledger: DatabaseLedger, key: str, number: int) -> str:
        held: object = False
        while held is False:
            held = await ledger.claim(key, 60.0)
        if isinstance(held, GradeRecord):
            return held.id
        graded.append(key)
        made = record(number, key=key)
        await ledger.keep(made)
        return made.id

    async with AsyncExitStack() as stack:
        ledgers = await many(address, stack)
        for first, key in enumerate(keys):
            numbers = range(first * 100, first * 100 + len(ledgers))
            ids = await asyncio.gather(*map(grade, ledgers, [key] * len(ledgers), numbers))
            assert len(set(ids)) == 1
    assert graded == keys


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)  # PostgreSQL's are processes in any case
async def test_of_two_processes_one_gets_each_key(address: str) -> None:
    keys = [f"k{n:02}" for n in range(30)]
    processes = [another_process(address, **dict.fromkeys(keys, 60.0)) for _ in range(2)]
    assert [hear(process) for process in processes] == ["ready"] * 2
    for process in processes:
        go_on(process)
    won = [hear(process) for process in processes]
    for process in processes:
        kill(process)
    assert sorted(",".join(filter(None, won)).split(",")) == keys


async def test_a_killed_process_leaves_its_keys_to_one_other_when_their_leases_are_over(
    address: str, ledger: DatabaseLedger, other_ledger: DatabaseLedger
) -> None:
    process = another_process(address, short=0.5, long=600.0)
    assert hear(process) == "ready"
    go_on(process)
    assert hear(process) == "short,long"
    go_on(process)
    assert hear(process) == "half"
    kill(process)
    await until(lambda: ledger.claim("short", 60))
    assert await other_ledger.claim("short", 60) is False
    assert await ledger.claim("long", 60) is False
    # Killed in the middle of this one.
    assert await ledger.claim("half", 60) is True
