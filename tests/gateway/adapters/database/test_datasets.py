"""Versions of data sets in the store: numbered once, kept whole, gone for callers before they are gone."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from gateway.adapters.database import datasets
from gateway.adapters.database.codec import DATASET
from gateway.adapters.database.database import Database
from gateway.adapters.database.dataset_chores import DatabaseChores
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.adapters.database.training_tables import dataset_numbers, dataset_versions
from gateway.errors import Conflict, GatewayError, NotFound, NotKept, StoreUnavailable
from gateway.training.facts import DatasetSummary, DatasetVersion, JobState, Kept, TableFormat
from tests.gateway.adapters.database.training_facts import dataset, job


@pytest.fixture
def shelf(database: Database) -> DatabaseDatasets:
    return DatabaseDatasets(database)


@pytest.fixture
def other_shelf(other_database: Database) -> DatabaseDatasets:
    return DatabaseDatasets(other_database)


async def removed(database: Database) -> None:
    """All that was deleted, by a worker."""
    chores = DatabaseChores(database)
    while (found := await chores.deleted("worker", 60)) is not None:
        await chores.forget(found, "worker")


async def test_a_version_comes_back_as_it_was_kept_and_lists_do_without_its_rows(
    shelf: DatabaseDatasets,
) -> None:
    kept = dataset()
    await shelf.add(kept)
    assert await shelf.get("fraud") == await shelf.get("fraud", 1) == await shelf.latest("fraud") == kept
    brief = replace(kept, table=replace(kept.table, preview=()))
    assert await shelf.find(None, 10) == [brief]
    assert await shelf.versions("fraud", 10) == [
        DatasetSummary(1, kept.created_at, 100, kept.table.sha256, Kept.ACCEPTED, None, 0, None)
    ]


async def test_of_many_versions_the_newest_are_told_and_none_is_read_as_a_whole(
    shelf: DatabaseDatasets, database: Database
) -> None:
    for version in range(1, 5):
        await shelf.add(dataset(version=version))
    await database.write(lambda c: c.execute(update(dataset_versions).values(dataset="{}")).rowcount)
    assert [one.version for one in await shelf.versions("fraud", 3)] == [4, 3, 2]


async def test_two_uploads_of_the_same_at_once_are_one_version(
    shelf: DatabaseDatasets, other_shelf: DatabaseDatasets
) -> None:
    same = [dataset(version=await shelf.number("fraud"), sha256="f" * 64) for _ in range(4)]
    adding = [one.add(version) for one, version in zip((shelf, other_shelf) * 2, same, strict=True)]
    kept = await asyncio.gather(*adding)
    assert kept == [kept[0]] * 4
    assert kept[0] in same
    assert [one.version for one in await shelf.versions("fraud", 10)] == [kept[0].version]
    other = dataset(version=await shelf.number("fraud"), sha256="f" * 64, target="amount")
    assert await shelf.add(other) == other


async def test_statistics_are_encoded_beside_the_loop(
    shelf: DatabaseDatasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    class Spy:
        def encode(self, version: DatasetVersion) -> str:
            threads.append(threading.current_thread())
            return DATASET.encode(version)

    monkeypatch.setattr(datasets, "DATASET", Spy())
    await shelf.add(dataset())
    assert threads
    assert threading.main_thread() not in threads


async def test_what_the_store_never_began_to_write_is_surely_not_kept(address: str) -> None:
    """The store's only thread, or its lock, is somebody else's; an answer that was lost proves nothing."""
    database = Database(address, timeout_s=0.5, connections=1)
    await database.start()
    shelf = DatabaseDatasets(database)
    await shelf.number("fraud")
    locked, free = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        connection.execute(update(dataset_numbers).values(last=1))  # as another upload of the name does
        locked.set()
        free.wait(30)

    other = Database(address, timeout_s=30)
    await other.start()
    holding = asyncio.create_task(other.write(hold))
    await asyncio.to_thread(locked.wait, 30)
    with pytest.raises(NotKept):
        await shelf.add(dataset())
    free.set()
    await holding
    await database.read(lambda c: None)  # what was begun behind the lock has come to its end
    assert await shelf.latest("fraud") is None
    await database.close()
    with pytest.raises(NotKept):
        await shelf.add(dataset())
    await other.close()


async def test_what_may_be_written_is_not_called_lost(
    shelf: DatabaseDatasets, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit went well, and its answer did not come."""

    async def unheard(work: Callable[[Connection], Any]) -> None:
        await Database.write(database, work)
        raise StoreUnavailable("The store did not answer in time.")

    monkeypatch.setattr(database, "write", unheard)
    with pytest.raises(StoreUnavailable) as caught:
        await shelf.add(dataset())
    assert not isinstance(caught.value, NotKept)
    assert await shelf.latest("fraud") == dataset()


async def test_the_numbers_that_were_given_out_are_known(shelf: DatabaseDatasets) -> None:
    for name in ("a", "b", "a"):
        await shelf.number(name)
    assert await shelf.numbers() == {"a": 2, "b": 1}


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
    assert [one.version for one in await shelf.versions("b", 10)] == [10, 2]
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
        await shelf.versions("fraud", 10)


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
