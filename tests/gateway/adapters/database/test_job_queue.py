"""Each job is one worker's at a time and ends once, whoever dies over it; its log has no gap."""

import asyncio
from dataclasses import replace
from math import inf, nan

import pytest
from sqlalchemy import update

from gateway.adapters.database import job_rows
from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.models import DatabaseModels
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.adapters.database.training_tables import training_jobs
from gateway.errors import ModelNotFound
from gateway.training.facts import JobState, TrainingJob
from tests.gateway.adapters.database.training_facts import dataset, job, model


@pytest.fixture
async def shelf(database: Database) -> DatabaseJobs:
    await DatabaseDatasets(database).add(dataset())
    return DatabaseJobs(database)


@pytest.fixture
def queue(database: Database) -> DatabaseJobQueue:
    return DatabaseJobQueue(database)


@pytest.fixture
def models(database: Database) -> DatabaseModels:
    return DatabaseModels(database)


@pytest.fixture
def other_queue(other_database: Database) -> DatabaseJobQueue:
    return DatabaseJobQueue(other_database)


async def added(shelf: DatabaseJobs, *minutes: int) -> list[TrainingJob]:
    return [await shelf.add(job(minutes=one), "Queued.", None, 100) for one in minutes]


async def log(shelf: DatabaseJobs, job_id: str) -> list[tuple[int, str]]:
    """Numbers and states."""
    return [(event.number, event.state.value) for event in await shelf.events(job_id, 0, 2000)]


async def test_the_oldest_jobs_are_begun_first(shelf: DatabaseJobs, queue: DatabaseJobQueue) -> None:
    late, early, middle = await added(shelf, 3, 1, 2)
    begun = await queue.lease("me", 2, 60, 3)
    assert [one.id for one in begun] == [early.id, middle.id]
    assert [(one.state, one.attempts, one.stage) for one in begun] == [(JobState.RUNNING, 1, "preparing")] * 2
    assert begun[0] == await shelf.get(early.id)
    assert begun[0].started_at is not None
    assert [one.id for one in await queue.lease("me", 9, 60, 3)] == [late.id]
    assert await queue.lease("me", 9, 60, 3) == []


async def test_a_key_with_many_jobs_keeps_no_other_key_waiting(
    shelf: DatabaseJobs, queue: DatabaseJobQueue
) -> None:
    asked = [("ann", 1), ("ann", 2), ("ann", 3), ("bob", 4), ("bob", 5), ("cid", 6)]
    ids = {
        (await shelf.add(job(key_id, minutes=minutes), "Queued.", None, 100)).id: f"{key_id} {minutes}"
        for key_id, minutes in asked
    }
    turns = []
    for _ in asked:  # a worker of one fit at once
        (begun,) = await queue.lease("me", 1, 60, 3)
        turns.append(ids[begun.id])
        await queue.end(begun.id, "me", JobState.FAILED, "unlearnable", "No.")
    assert turns == ["ann 1", "bob 4", "cid 6", "ann 2", "bob 5", "ann 3"]


async def test_free_places_go_to_the_keys_that_have_the_fewest(
    shelf: DatabaseJobs, queue: DatabaseJobQueue
) -> None:
    for key_id, minutes in (("ann", 1), ("ann", 2), ("bob", 3)):
        await shelf.add(job(key_id, minutes=minutes), "Queued.", None, 100)
    assert [one.key_id for one in await queue.lease("me", 2, 60, 3)] == ["ann", "bob"]
    for minutes in (4, 5):
        await shelf.add(job("bob", minutes=minutes), "Queued.", None, 100)
    # Bob's turn was after Ann's, and both have one.
    assert [one.key_id for one in await queue.lease("me", 3, 60, 3)] == ["ann", "bob", "bob"]


async def test_no_two_workers_have_one_job(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, other_queue: DatabaseJobQueue
) -> None:
    jobs = await added(shelf, *range(12))
    turns = [one.lease(owner, 2, 60, 3) for _ in range(6) for one, owner in
             ((queue, "a"), (other_queue, "b"))]  # fmt: skip
    begun = [one for leased in await asyncio.gather(*turns) for one in leased]
    assert sorted(one.id for one in begun) == sorted(one.id for one in jobs)


async def test_a_lease_that_ran_out_is_taken_over_and_the_dead_have_no_word(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, other_queue: DatabaseJobQueue, models: DatabaseModels
) -> None:
    (one,) = await added(shelf, 0)
    (first,) = await queue.lease("dead", 1, 0.0, 3)
    await queue.report(one.id, "dead", "fitting", 0.5, "Half of the trees stand.")
    (again,) = await other_queue.lease("heir", 1, 60, 3)
    assert (again.id, again.attempts, again.stage, again.progress) == (one.id, 2, "preparing", 0.0)
    assert again.started_at == first.started_at
    assert await queue.renew("dead", 60) == frozenset()
    assert not await queue.report(one.id, "dead", "fitting", 0.9, "Late.")
    assert not await queue.succeed(one.id, "dead", model())
    assert not await queue.end(one.id, "dead", JobState.FAILED, "late", "Late.")
    await queue.give_back("dead")
    assert await shelf.get(one.id) == again
    with pytest.raises(ModelNotFound):
        await models.versions("churn")
    assert await other_queue.succeed(one.id, "heir", model())
    assert not await other_queue.succeed(one.id, "heir", model())
    assert await log(shelf, one.id) == [
        (1, "queued"), (2, "running"), (3, "running"), (4, "running"), (5, "succeeded")
    ]  # fmt: skip


async def test_a_lease_that_is_renewed_is_kept(shelf: DatabaseJobs, queue: DatabaseJobQueue) -> None:
    one, other = await added(shelf, 1, 2)
    await queue.lease("me", 2, 0.0, 3)
    await queue.renew("me", 60, [one.id])
    assert [taken.id for taken in await queue.lease("heir", 2, 60, 3)] == [other.id]


async def test_a_job_over_which_the_workers_die_fails_and_says_so(
    shelf: DatabaseJobs, queue: DatabaseJobQueue
) -> None:
    one, other = await added(shelf, 1, 2)
    for _ in range(2):
        assert one.id in [leased.id for leased in await queue.lease("dead", 1, 0.0, 2)]
    assert [leased.id for leased in await queue.lease("me", 1, 60, 2)] == [other.id]
    over = await shelf.get(one.id)
    assert (over.state, over.stage, over.error_code) == (JobState.FAILED, "over", "worker_died")
    assert over.ended_at is not None
    last = (await shelf.events(one.id, 0, 10))[-1]
    assert (last.number, last.state, last.message) == (4, JobState.FAILED, over.error)


async def test_a_cancelled_job_whose_worker_died_is_not_run_again(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, database: Database
) -> None:
    (one,) = await added(shelf, 0)
    await queue.lease("dying", 1, 60, 3)
    await shelf.cancel(one.id)
    await database.write(lambda c: c.execute(update(training_jobs).values(until_s=0.0)).rowcount)
    assert await queue.lease("heir", 1, 60, 3) == []
    assert (await shelf.get(one.id)).state is JobState.CANCELLED


async def test_what_a_stopping_worker_gives_back_is_begun_again_and_counts_as_no_attempt(
    shelf: DatabaseJobs, queue: DatabaseJobQueue
) -> None:
    one, leaving = await added(shelf, 1, 2)
    for _ in range(4):
        assert len(await queue.lease("me", 1, 60, 3)) == 1
        await queue.give_back("me")
    back = await shelf.get(one.id)
    assert (back.state, back.attempts, back.stage, back.progress) == (JobState.QUEUED, 0, "queued", 0.0)
    await queue.lease("me", 2, 60, 3)
    await shelf.cancel(leaving.id)
    await queue.give_back("me")
    assert (await shelf.get(leaving.id)).state is JobState.CANCELLED
    assert [again.id for again in await queue.lease("other", 9, 60, 3)] == [one.id]


async def test_a_success_is_the_jobs_end_and_the_models_version_at_once(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, models: DatabaseModels
) -> None:
    (one,) = await added(shelf, 0)
    await queue.lease("me", 1, 60, 3)
    made = model(metrics={"roc_auc": 0.875, "worst": nan, "loss": inf})
    assert await queue.succeed(one.id, "me", made)
    over = await shelf.get(one.id)
    assert (over.state, over.stage, over.progress) == (JobState.SUCCEEDED, "over", 1.0)
    assert (over.model_version, over.metrics) == (1, {"roc_auc": 0.875})  # JSON has no other numbers
    champion = replace(made, metrics={"roc_auc": 0.875}, champion=True)
    assert await models.champions() == await models.versions("churn") == [champion]


async def test_a_job_that_promotes_nothing_leaves_the_champion(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, models: DatabaseModels
) -> None:
    for version, promote in ((1, True), (2, False), (3, True)):
        asked = await shelf.add(job(promote=promote), "Queued.", None, 100)
        await queue.lease("me", 1, 60, 3)
        assert await queue.succeed(asked.id, "me", model(version=version))
        assert (await models.get("churn")).version == (1 if version < 3 else 3)
    assert [(one.version, one.champion) for one in await models.versions("churn")] == [
        (3, True), (2, False), (1, False)
    ]  # fmt: skip


async def test_of_two_trainings_of_one_model_that_end_at_once_the_newer_version_is_champion(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, other_queue: DatabaseJobQueue, models: DatabaseModels
) -> None:
    for version in range(1, 20, 2):
        await added(shelf, version, version)
        (one,), (other,) = await queue.lease("a", 1, 60, 3), await other_queue.lease("b", 1, 60, 3)
        assert await asyncio.gather(
            other_queue.succeed(other.id, "b", model(version=version + 1)),
            queue.succeed(one.id, "a", model(version=version)),
        ) == [True, True]
        assert [one.version for one in await models.champions()] == [version + 1]


async def test_a_log_has_a_thousand_lines_at_most_and_ends_with_the_end(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert job_rows.MOST_EVENTS == 1000
    monkeypatch.setattr(job_rows, "MOST_EVENTS", 10)
    (one,) = await added(shelf, 0)
    await queue.lease("me", 1, 60, 3)
    for step in range(20):
        assert await queue.report(one.id, "me", "fitting", step / 20, f"Step {step}.")
    assert (await shelf.get(one.id)).progress == 19 / 20
    assert len(await log(shelf, one.id)) == 9
    await queue.end(one.id, "me", JobState.FAILED, "diverged", "The fit diverged.")
    numbers = await log(shelf, one.id)
    assert [number for number, _ in numbers] == [*range(1, 11)]
    assert numbers[-1] == (10, "failed")


async def test_lines_that_come_at_once_are_numbered_without_a_gap(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, other_queue: DatabaseJobQueue
) -> None:
    (one,) = await added(shelf, 0)
    await queue.lease("me", 1, 60, 3)
    telling = [each.report(one.id, "me", "fitting", 0.5, "On.") for _ in range(10) for each in
               (queue, other_queue)]  # fmt: skip
    await asyncio.gather(*telling, shelf.cancel(one.id))
    assert [number for number, _ in await log(shelf, one.id)] == [*range(1, 24)]


async def test_a_job_that_nobody_here_can_read_stops_no_other_and_fails_in_the_end(
    shelf: DatabaseJobs, queue: DatabaseJobQueue, database: Database
) -> None:
    broken, whole = await added(shelf, 1, 2)
    unread = update(training_jobs).where(training_jobs.c.id == broken.id).values(request="{}")
    await database.write(lambda c: c.execute(unread).rowcount)
    for _ in range(3):
        assert broken.id not in [one.id for one in await queue.lease("me", 2, 60, 2)]
        overdue = update(training_jobs).where(training_jobs.c.id == broken.id).values(until_s=0.0)
        await database.write(lambda c, overdue=overdue: c.execute(overdue).rowcount)
    assert (await log(shelf, broken.id))[-1][1] == "failed"
    assert (await shelf.get(whole.id)).state is JobState.RUNNING
