"""Each comparison is one worker's at a time and ends once, whoever dies over it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest
from sqlalchemy import update

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift import DatabaseDrift
from gateway.adapters.database.drift_queue import DatabaseDriftQueue
from gateway.adapters.database.drift_tables import drift_runs
from gateway.drift.facts import ColumnDrift, DriftRun, Reference, RunState
from tests.gateway.adapters.database.drift_facts import noted, reference, run

HOUR = 3600.0


@pytest.fixture
def shelf(database: Database) -> DatabaseDrift:
    return DatabaseDrift(database)


@pytest.fixture
def queue(database: Database) -> DatabaseDriftQueue:
    return DatabaseDriftQueue(database)


@pytest.fixture
def other_queue(other_database: Database) -> DatabaseDriftQueue:
    return DatabaseDriftQueue(other_database)


async def kept(database: Database, *models: str, minutes: float = 0) -> list[Reference]:
    shelf = DatabaseDrift(database)
    for model in models:
        await noted(database, model, [0])
    return [await shelf.keep(reference(model, minutes=minutes), 10) for model in models]


async def asked(database: Database, *models: str) -> list[DriftRun]:
    """A queued run of each, a minute apart."""
    references = await kept(database, *models)
    shelf = DatabaseDrift(database)
    return [await shelf.add(run(one, minutes=minute)) for minute, one in enumerate(references)]


async def leased(queue: DatabaseDriftQueue, owner: str = "me", lease_s: float = 60) -> DriftRun:
    run = await queue.lease(owner, lease_s)
    assert run is not None
    return run


async def test_the_oldest_run_is_begun_first(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    first, second = await asked(database, "spam", "other")
    begun = await leased(queue)
    assert (begun.id, begun.state, begun.attempts) == (first.id, RunState.RUNNING, 1)
    assert begun.started_at is not None
    assert await shelf.get(first.id) == begun
    assert (await leased(queue)).id == second.id
    assert await queue.lease("me", 60) is None


async def test_no_two_workers_have_one_run(
    database: Database, queue: DatabaseDriftQueue, other_queue: DatabaseDriftQueue
) -> None:
    runs = await asked(database, *"abcdefgh")
    turns = [one.lease(owner, 60) for _ in range(6) for one, owner in ((queue, "a"), (other_queue, "b"))]
    begun = [one.id for one in await asyncio.gather(*turns) if one is not None]
    assert sorted(begun) == sorted(one.id for one in runs)


async def test_a_lease_that_ran_out_is_taken_over_and_the_dead_have_no_word(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue, other_queue: DatabaseDriftQueue
) -> None:
    (one,) = await asked(database, "spam")
    first = await leased(queue, "dead", 0.0)
    again = await leased(other_queue, "heir")
    assert (again.id, again.attempts, again.started_at) == (one.id, 2, first.started_at)
    assert not await queue.renew(one.id, "dead", 60)
    assert not await queue.finish(replace(first, state=RunState.FAILED), "dead")
    await queue.give_back(one.id, "dead")
    assert await shelf.get(one.id) == again
    done = replace(again, state=RunState.SUCCEEDED, drifted=False, rows=100, reference_rows=200)
    assert await other_queue.finish(done, "heir")
    assert not await other_queue.finish(done, "heir")
    assert await shelf.get(one.id) == done
    assert await queue.lease("heir", 60) is None


async def test_a_lease_that_is_renewed_is_kept(database: Database, queue: DatabaseDriftQueue) -> None:
    await asked(database, "spam")
    one = await leased(queue, "me", 0.0)
    assert await queue.renew(one.id, "me", 60)
    assert await queue.lease("heir", 60) is None


async def test_a_run_over_which_three_workers_die_fails_and_says_so(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    one, other = await asked(database, "spam", "other")
    assert [(await leased(queue, "dead", 0.0)).id for _ in range(3)] == [one.id] * 3
    assert (await leased(queue)).id == other.id
    over = await shelf.get(one.id)
    assert (over.state, over.attempts, over.error) == (
        RunState.FAILED, 3, "The workers that compared it died."
    )  # fmt: skip
    assert over.ended_at is not None
    assert over.drifted is None


async def test_a_worker_that_is_told_to_stop_gives_its_run_back(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    (one,) = await asked(database, "spam")
    for _ in range(4):  # none of them an attempt
        await leased(queue)
        await queue.give_back(one.id, "me")
        back = await shelf.get(one.id)
        assert (back.state, back.attempts) == (RunState.QUEUED, 0)
    assert (await leased(queue)).attempts == 1


async def test_a_run_that_is_given_back_beside_a_queued_one_is_taken_over_at_once(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    (one,) = await asked(database, "spam")
    await leased(queue)
    (newest,) = await shelf.references("spam", 1)
    second = await shelf.add(run(newest, minutes=9))
    await queue.give_back(one.id, "me")
    assert [(await leased(queue, "heir")).id for _ in range(2)] == [one.id, second.id]
    assert (await shelf.get(one.id)).attempts == 1


async def test_the_schedule_asks_for_each_model_once(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue, other_queue: DatabaseDriftQueue
) -> None:
    await kept(database, *"abc")
    (newest,) = await kept(database, "a", minutes=1)
    await noted(database, "without a reference", [0])
    turns = [one.schedule(HOUR, 2 * HOUR) for _ in range(4) for one in (queue, other_queue)]
    assert sum(await asyncio.gather(*turns)) == 3
    runs = await shelf.find(None, None, 50)
    assert [one.model for one in sorted(runs, key=lambda one: one.model)] == ["a", "b", "c"]
    (of_a,) = await shelf.find("a", None, 50)
    assert (of_a.key_id, of_a.state, of_a.reference_id) == ("schedule", RunState.QUEUED, newest.id)
    assert of_a.window.until == of_a.created_at
    assert of_a.window.until - of_a.window.since == timedelta(hours=2)
    assert abs(datetime.now(UTC) - of_a.created_at) < timedelta(minutes=1)


async def test_the_schedule_waits_for_its_time_and_for_what_is_not_over(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    await kept(database, "spam")
    assert await queue.schedule(HOUR, HOUR) == 1
    begun = await leased(queue)
    assert await queue.schedule(0.0, HOUR) == 0  # it runs
    await queue.finish(replace(begun, state=RunState.FAILED), "me")
    assert await queue.schedule(HOUR, HOUR) == 0  # also one that failed was one
    assert await queue.schedule(0.0, HOUR) == 1
    await leased(queue)
    assert len(await shelf.find(None, None, 50)) == 2


async def test_a_score_that_is_no_number_is_left_out(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    await asked(database, "spam")
    begun = await leased(queue)
    columns = tuple(
        ColumnDrift(name, "KS", score, threshold, drifted=False, rows=3)
        for name, score, threshold in (("score", nan, 0.05), ("label", 0.3, inf), ("confidence", 0.2, 0.05))
    )
    assert await queue.finish(replace(begun, state=RunState.SUCCEEDED, columns=columns), "me")
    assert (await shelf.get(begun.id)).columns == columns[2:]


async def test_reports_are_in_use_while_their_run_is_kept(
    database: Database, queue: DatabaseDriftQueue
) -> None:
    await asked(database, "spam", "other", "more")
    for report in ("a" * 64, "a" * 64, None):
        begun = await leased(queue)
        await queue.finish(replace(begun, state=RunState.SUCCEEDED, report=report), "me")
    assert await queue.reports_in_use() == {"a" * 64}


async def test_a_report_that_went_is_no_runs_any_more(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    runs = await asked(database, "spam", "other", "more", "odd")
    for report in ("a", "a", "b", "a"):
        over = replace(await leased(queue), state=RunState.SUCCEEDED, drifted=True, report=report * 64)
        await queue.finish(over, "me")
    odd = update(drift_runs).where(drift_runs.c.id == runs[3].id).values(run='{"format":2,"id":1}')
    await database.write(lambda connection: connection.execute(odd))  # of another version's making
    await queue.forget_report("a" * 64)
    assert [(await shelf.get(run.id)).report for run in runs[:3]] == [None, None, "b" * 64]
    assert (await shelf.get(runs[0].id)).drifted is True
    assert await queue.reports_in_use() == {"b" * 64}


async def test_a_run_of_another_version_stops_no_other(database: Database, queue: DatabaseDriftQueue) -> None:
    odd, other = await asked(database, "spam", "other")
    this = update(drift_runs).where(drift_runs.c.id == odd.id).values(run='{"format":2,"id":1}')
    await database.write(lambda connection: connection.execute(this))
    assert (await leased(queue, "me", 0.0)).id == other.id
    for _ in range(9):
        await queue.lease("me", 0.0)
    assert await queue.lease("me", 0.0) is None
