"""Training jobs as callers have them: none over the limit, none twice under one idempotency key."""

import asyncio
from dataclasses import replace

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.errors import Conflict, InvalidRequest, NotFound, RateLimited
from gateway.records import Once
from gateway.training.facts import JobState, TrainingJob
from tests.gateway.adapters.database.training_facts import dataset, job


@pytest.fixture
async def shelf(database: Database) -> DatabaseJobs:
    await DatabaseDatasets(database).add(dataset())
    return DatabaseJobs(database)


@pytest.fixture
def other_shelf(other_database: Database) -> DatabaseJobs:
    return DatabaseJobs(other_database)


@pytest.fixture
def queue(database: Database) -> DatabaseJobQueue:
    return DatabaseJobQueue(database)


async def added(shelf: DatabaseJobs, one: TrainingJob) -> TrainingJob:
    return await shelf.add(one, "The training was queued.", None, 100)


async def test_a_job_comes_back_as_it_was_asked_for_with_its_first_line(shelf: DatabaseJobs) -> None:
    asked = job(features=("amount", "Тип"), hyperparameters={"C": 1, "l1": [0.5, None], "fit": True})
    kept = replace(asked, feature_count=2)
    assert await shelf.add(asked, "2 text columns are left out.", None, 1) == kept
    (listed,) = await shelf.find(None, None, None, 9)
    assert listed == replace(kept, request=replace(kept.request, features=()))
    assert await shelf.get(asked.id) == kept
    (event,) = await shelf.events(asked.id, 0, 10)
    assert (event.number, event.state, event.stage) == (1, JobState.QUEUED, "queued")
    assert (event.progress, event.message) == (0.0, "2 text columns are left out.")


async def test_a_key_has_so_many_open_jobs_and_no_more(
    shelf: DatabaseJobs, other_shelf: DatabaseJobs, queue: DatabaseJobQueue
) -> None:
    adding = [one.add(job(), "Queued.", None, 3) for _ in range(4) for one in (shelf, other_shelf)]
    done = await asyncio.gather(*adding, return_exceptions=True)
    assert [isinstance(one, RateLimited) for one in done].count(True) == 5
    assert (await shelf.add(job("bob"), "Queued.", None, 3)).key_id == "bob"
    (first,) = await queue.lease("worker", 1, 60, 3)
    with pytest.raises(RateLimited):
        await shelf.add(job(first.key_id), "Queued.", None, 3 if first.key_id == "ann" else 1)
    await queue.end(first.id, "worker", JobState.FAILED, "diverged", "The fit diverged.")
    await shelf.add(job(first.key_id), "Queued.", None, 3)


async def test_an_idempotency_key_makes_one_job(shelf: DatabaseJobs, other_shelf: DatabaseJobs) -> None:
    once = Once("k", "0" * 64)
    assert await shelf.made("ann", once) is None
    adding = [one.add(job(), "Queued.", once, 1) for _ in range(3) for one in (shelf, other_shelf)]
    made = await asyncio.gather(*adding)
    assert len({one.id for one in made}) == 1
    assert await shelf.made("ann", once) == made[0]
    assert await shelf.made("bob", once) is None
    another = Once("k", "1" * 64)
    with pytest.raises(Conflict):
        await shelf.made("ann", another)
    with pytest.raises(Conflict):
        await shelf.add(job(), "Queued.", another, 9)


async def test_a_job_on_a_data_set_that_is_gone_is_not_taken(shelf: DatabaseJobs, database: Database) -> None:
    for asked in (job(dataset="none"), job(dataset_version=2)):
        with pytest.raises(NotFound):
            await added(shelf, asked)
    await DatabaseDatasets(database).delete("fraud", 1)
    with pytest.raises(NotFound):
        await added(shelf, job())
    assert await shelf.find(None, None, None, 10) == []


async def test_jobs_come_in_pages_the_newest_first(shelf: DatabaseJobs, queue: DatabaseJobQueue) -> None:
    jobs = [await added(shelf, job(minutes=minutes, model=model)) for minutes, model in
            ((1, "a"), (2, "b"), (3, "a"), (3, "a"))]  # fmt: skip
    newest_first = sorted(jobs, key=lambda one: (one.created_at, one.id), reverse=True)
    ids = [one.id for one in newest_first]
    assert [one.id for one in await shelf.find(None, None, None, 3)] == ids[:3]
    assert [one.id for one in await shelf.find(None, None, ids[0], 2)] == ids[1:3]
    assert [one.id for one in await shelf.find("a", None, ids[1], 9)] == ids[3:]
    (begun,) = await queue.lease("worker", 1, 60, 3)
    assert begun.id == ids[-1]
    assert [one.id for one in await shelf.find("a", JobState.RUNNING, None, 9)] == [begun.id]
    assert [one.id for one in await shelf.find(None, JobState.QUEUED, None, 9)] == ids[:3]
    with pytest.raises(InvalidRequest):
        await shelf.find(None, None, "job_none", 9)


async def test_a_log_comes_in_pages_the_oldest_first(shelf: DatabaseJobs, queue: DatabaseJobQueue) -> None:
    one = await added(shelf, job())
    await queue.lease("worker", 1, 60, 3)
    await queue.report(one.id, "worker", "fitting", 0.5, "Half of the trees stand.")
    events = await shelf.events(one.id, 0, 10)
    assert [(event.number, event.stage) for event in events] == [
        (1, "queued"), (2, "preparing"), (3, "fitting")
    ]  # fmt: skip
    assert [event.number for event in await shelf.events(one.id, 1, 1)] == [2]
    assert await shelf.events(one.id, 3, 10) == []
    with pytest.raises(NotFound):
        await shelf.events("job_none", 0, 10)


async def test_a_queued_job_is_cancelled_at_once(shelf: DatabaseJobs, queue: DatabaseJobQueue) -> None:
    one = await added(shelf, job())
    over = await shelf.cancel(one.id)
    assert (over.state, over.stage, over.cancelling) == (JobState.CANCELLED, "over", False)
    assert over.ended_at is not None
    assert over.error_code == "cancelled"
    assert await queue.lease("worker", 1, 60, 3) == []
    assert await shelf.cancel(one.id) == over
    assert [event.state for event in await shelf.events(one.id, 0, 10)] == ["queued", "cancelled"]


async def test_a_running_job_is_cancelled_by_its_worker(shelf: DatabaseJobs, queue: DatabaseJobQueue) -> None:
    one, other = await added(shelf, job()), await added(shelf, job(minutes=1))
    await queue.lease("worker", 2, 60, 3)
    assert await queue.renew("worker", 60) == frozenset()
    for _ in range(2):
        asked = await shelf.cancel(one.id)
        assert (asked.state, asked.cancelling) == (JobState.RUNNING, True)
    assert await queue.renew("worker", 60) == {one.id}
    assert await queue.renew("worker", 60, [other.id]) == frozenset()
    assert await queue.end(one.id, "worker", JobState.CANCELLED, "cancelled", "The training was cancelled.")
    over = await shelf.get(one.id)
    assert (over.state, over.cancelling) == (JobState.CANCELLED, False)
    assert len(await shelf.events(one.id, 0, 10)) == 4  # queued, begun, asked for once, over


async def test_a_job_of_a_dead_worker_is_cancelled_though_no_worker_is_left(
    shelf: DatabaseJobs, queue: DatabaseJobQueue
) -> None:
    one = await added(shelf, job())
    await queue.lease("dead", 1, 0.0, 3)
    assert (await shelf.cancel(one.id)).state is JobState.CANCELLED
    assert not await queue.report(one.id, "dead", "fitting", 0.5, "Late.")


async def test_a_job_is_deleted_with_its_log_when_it_is_over(
    shelf: DatabaseJobs, queue: DatabaseJobQueue
) -> None:
    one = await added(shelf, job())
    with pytest.raises(Conflict):
        await shelf.delete(one.id)
    await queue.lease("worker", 1, 60, 3)
    with pytest.raises(Conflict):
        await shelf.delete(one.id)
    await queue.end(one.id, "worker", JobState.FAILED, "diverged", "The fit diverged.")
    await shelf.delete(one.id)
    for gone in (shelf.get(one.id), shelf.delete(one.id), shelf.cancel(one.id), shelf.events(one.id, 0, 1)):
        with pytest.raises(NotFound):
            await gone
    # Nothing of the old log is under a new job of that id.
    await shelf.add(replace(job(), id=one.id), "Queued.", None, 100)
    assert [event.message for event in await shelf.events(one.id, 0, 10)] == ["Queued."]
