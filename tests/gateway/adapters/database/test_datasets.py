"""Versions of data sets in the store: numbered once, kept whole, gone for callers before they are gone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.dataset_chores import DatabaseChores
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.errors import Conflict, GatewayError, NotFound
from gateway.training.facts import JobState, TableFormat
from tests.gateway.adapters.database.training_facts import dataset, job


@pytest.fixture
def shelf(database: Database) -> DatabaseDatasets:
    return DatabaseDatasets(database)


@pytest.fixture
async def other_shelf(address: str) -> AsyncIterator[DatabaseDatasets]:
    """As another process would have it."""
    database = Database(address)
    await database.start()
    yield DatabaseDatasets(database)
    await database.close()


async def removed(database: Database) -> None:
    """All that was deleted, by a worker."""
    chores = DatabaseChores(database)
    while (found := await chores.deleted("worker", 60)) is not None:
        await chores.forget(found[0], "worker")


async def test_a_version_comes_back_as_it_was_kept_and_lists_do_without_its_rows(
    shelf: DatabaseDatasets,
) -> None:
    kept = dataset()
    await shelf.add(kept)
    assert await shelf.get("fraud") == await shelf.get("fraud", 1) == await shelf.latest("fraud") == kept
    brief = replace(kept, table=replace(kept.table, preview=()))
    assert await shelf.versions("fraud") == await shelf.find(None, 10) == [brief]


async def test_no_number_is_given_twice_whoever_asks(
    shelf: DatabaseDatasets, other_shelf: DatabaseDatasets
) -> None:
    asked = [one.number("fraud") for _ in range(10) for one in (shelf, other_shelf)]
    assert sorted(await asyncio.gather(*asked)) == [*range(1, 21)]
    assert await shelf.number("other") == 1


async def test_a_data_set_that_was_deleted_goes_on_counting(
    shelf: DatabaseDatasets, database: Database
) -> None:
    await shelf.add(dataset(version=await shelf.number("fraud")))
    await shelf.delete("fraud", None)
    await removed(database)
    assert await shelf.files() == frozenset()
    assert await shelf.number("fraud") == 2


async def test_the_newest_is_of_the_highest_number_and_pages_go_by_name(shelf: DatabaseDatasets) -> None:
    for name, version in (("b", 2), ("b", 10), ("a", 1), ("c.1", 1), ("c-1", 1)):
        await shelf.add(dataset(name, version))
    assert (await shelf.get("b")).version == 10
    assert [one.version for one in await shelf.versions("b")] == [10, 2]
    first = await shelf.find(None, 2)
    assert [one.id for one in first] == ["a@1", "b@10"]
    assert [one.id for one in await shelf.find(first[-1].name, 5)] == ["c-1@1", "c.1@1"]


async def test_what_is_deleted_is_gone_for_callers_and_its_file_is_known_until_a_worker_took_it(
    shelf: DatabaseDatasets, database: Database
) -> None:
    table = replace(dataset().table, format=TableFormat.JSONL)
    for version in (dataset(version=1), dataset(version=2, table=table)):
        await shelf.add(version)
    await shelf.delete("fraud", 2)
    assert (await shelf.get("fraud")).version == 1
    with pytest.raises(NotFound):
        await shelf.get("fraud", 2)
    with pytest.raises(NotFound):
        await shelf.delete("fraud", 2)
    first, second = Path("fraud/1/data.csv"), Path("fraud/2/data.jsonl")
    assert await shelf.files() == {first, second}
    await removed(database)
    assert await shelf.files() == {first}
    await shelf.delete("fraud", None)
    assert await shelf.latest("fraud") is None
    assert await shelf.find(None, 10) == []
    with pytest.raises(NotFound):
        await shelf.versions("fraud")


async def test_what_a_job_needs_cannot_be_deleted_until_it_is_over(
    shelf: DatabaseDatasets, database: Database
) -> None:
    jobs, queue = DatabaseJobs(database), DatabaseJobQueue(database)
    for version in (1, 2):
        await shelf.add(dataset(version=version))
    needing = await jobs.add(job(), "Queued.", None, 10)
    for version in (1, None):
        with pytest.raises(Conflict):
            await shelf.delete("fraud", version)
    await shelf.delete("fraud", 2)
    await queue.lease("worker", 1, 60, 3)
    with pytest.raises(Conflict):
        await shelf.delete("fraud", 1)
    await queue.end(needing.id, "worker", JobState.FAILED, "diverged", "The fit diverged.")
    await shelf.delete("fraud", 1)


async def test_of_a_job_and_a_deletion_at_once_one_is_refused(
    shelf: DatabaseDatasets, other_shelf: DatabaseDatasets, database: Database
) -> None:
    jobs = DatabaseJobs(database)
    for version in range(1, 11):
        await shelf.add(dataset(version=version))
        started, gone = await asyncio.gather(
            jobs.add(job(dataset_version=version), "Queued.", None, 100),
            other_shelf.delete("fraud", version),
            return_exceptions=True,
        )
        refused = [one for one in (started, gone) if isinstance(one, GatewayError)]
        assert len(refused) == 1, (started, gone)
        assert isinstance(refused[0], NotFound if refused[0] is started else Conflict)
