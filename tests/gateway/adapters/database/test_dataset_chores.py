"""Every version finds its way to DVC and the remote, one step at a time, however often a step fails."""

import asyncio

import pytest
from sqlalchemy import select, update

from gateway.adapters.database.database import Database
from gateway.adapters.database.dataset_chores import DatabaseChores
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.training_tables import dataset_versions
from gateway.training.facts import Kept
from tests.gateway.adapters.database.training_facts import dataset

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture
def shelf(database: Database) -> DatabaseDatasets:
    return DatabaseDatasets(database)


@pytest.fixture
def chores(database: Database) -> DatabaseChores:
    return DatabaseChores(database)


@pytest.fixture
def other_chores(other_database: Database) -> DatabaseChores:
    return DatabaseChores(other_database)


async def pause_left(database: Database) -> float:
    """Seconds, of the only version."""
    left = select(dataset_versions.c.until_s)
    return await database.read(lambda c: (c.scalar(left) or 0.0) - (c.scalar(select(clock(c))) or 0.0))


async def slept(database: Database) -> None:
    """As if the pauses were over."""
    await database.write(lambda c: c.execute(update(dataset_versions).values(until_s=0.0)).rowcount)


async def test_a_version_is_put_under_dvc_and_pushed_where_there_is_a_remote(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    await shelf.add(dataset())
    due = await chores.due("me", 60, remote=False)
    assert due is not None
    assert (due.id, due.kept) == ("fraud@1", Kept.ACCEPTED)
    await chores.done(due, "me", Kept.VERSIONED, MD5)
    assert await chores.due("me", 60, remote=False) is None
    kept = await shelf.get("fraud")
    assert (kept.kept, kept.dvc_hash) == (Kept.VERSIONED, MD5)
    due = await chores.due("me", 60, remote=True)  # a remote was configured since
    assert due is not None
    assert (due.kept, due.dvc_hash) == (Kept.VERSIONED, MD5)
    await chores.done(due, "me", Kept.PUSHED, MD5)
    assert await chores.due("me", 60, remote=True) is None
    assert (await shelf.get("fraud")).kept is Kept.PUSHED


async def test_the_oldest_comes_first_and_what_waits_for_the_remote_holds_up_no_new_data_set(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    for version, kept in ((4, Kept.ACCEPTED), (3, Kept.ACCEPTED), (2, Kept.VERSIONED), (1, Kept.VERSIONED)):
        await shelf.add(dataset(version=version, kept=kept))
    found = [await chores.due("me", 60, remote=True) for _ in range(5)]
    assert [one and one.version for one in found] == [3, 4, 1, 2, None]


async def test_no_two_workers_have_one_version(
    shelf: DatabaseDatasets, chores: DatabaseChores, other_chores: DatabaseChores
) -> None:
    for version in range(1, 7):
        await shelf.add(dataset(version=version))
    turns = [one.due(owner, 60, remote=True) for _ in range(5) for one, owner in
             ((chores, "a"), (other_chores, "b"))]  # fmt: skip
    found = [one.version for one in await asyncio.gather(*turns) if one is not None]
    assert sorted(found) == [1, 2, 3, 4, 5, 6]


async def test_what_a_dead_worker_had_is_another_ones_and_a_late_word_changes_nothing(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    await shelf.add(dataset())
    late = await chores.due("dead", 0.0, remote=True)
    assert late is not None
    assert await chores.due("heir", 60, remote=True) == late
    await chores.failed(late, "dead", "Late.")
    await chores.done(late, "dead", Kept.PUSHED, MD5)
    assert await shelf.latest("fraud") == dataset()
    await chores.done(late, "heir", Kept.VERSIONED, MD5)
    assert (await shelf.get("fraud")).kept is Kept.VERSIONED


async def test_the_pause_after_a_failure_doubles_from_5_seconds_to_ten_minutes(
    shelf: DatabaseDatasets, chores: DatabaseChores, database: Database
) -> None:
    await shelf.add(dataset())
    pauses = []
    for attempts in range(1, 10):
        due = await chores.due("me", 60, remote=True)
        assert due is not None
        assert due.attempts == attempts - 1
        await chores.failed(due, "me", "The remote cannot be reached.")
        told = await shelf.get("fraud")
        assert (told.attempts, told.error) == (attempts, "The remote cannot be reached.")
        pauses.append(await pause_left(database))
        assert await chores.due("me", 60, remote=True) is None
        await slept(database)
    # A pause is counted from the failure: a few of its seconds may be over.
    for left, pause in zip(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600], strict=True):
        assert pause - 4 < left <= pause
    due = await chores.due("me", 60, remote=True)
    assert due is not None
    await chores.done(due, "me", Kept.VERSIONED, MD5)
    told = await shelf.get("fraud")
    assert (told.attempts, told.error) == (0, None)


async def test_a_version_that_fails_holds_up_no_other(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    for version in (1, 2):
        await shelf.add(dataset(version=version))
    first = await chores.due("me", 60, remote=True)
    assert first is not None
    await chores.failed(first, "me", "The disk is full.")
    second = await chores.due("me", 60, remote=True)
    assert second is not None
    assert second.version == 2


async def test_a_version_that_nobody_here_can_read_holds_up_no_other(
    shelf: DatabaseDatasets, chores: DatabaseChores, database: Database
) -> None:
    await shelf.add(dataset(version=1))
    await database.write(lambda c: c.execute(update(dataset_versions).values(dataset="{}")).rowcount)
    await shelf.add(dataset(version=2))
    due = await chores.due("me", 60, remote=True)
    assert due is not None
    assert due.version == 2
    assert await chores.due("me", 60, remote=True) is None


async def test_a_deleted_version_is_taken_out_once_and_forgotten(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    await shelf.add(dataset(kept=Kept.PUSHED, dvc_hash=MD5))
    await shelf.delete("fraud", 1)
    assert await chores.due("me", 60, remote=True) is None
    version = await chores.deleted("me", 60)
    assert version is not None
    assert (version.id, version.dvc_hash) == ("fraud@1", MD5)
    assert await chores.deleted("other", 60) is None
    await chores.forget(version, "other")
    assert len(await shelf.files()) == 1
    await chores.failed(version, "me", "The remote cannot be reached.")
    assert await chores.deleted("me", 60) is None  # it pauses, and is not given up
    assert len(await shelf.files()) == 1


async def test_a_deletion_does_not_wait_for_a_failed_steps_pause(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    await shelf.add(dataset())
    due = await chores.due("me", 60, remote=True)
    assert due is not None
    await chores.failed(due, "me", "The remote cannot be reached.")
    await shelf.delete("fraud", 1)
    assert await chores.deleted("me", 60) is not None


async def test_a_deletion_waits_for_the_step_that_is_under_way(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    await shelf.add(dataset())
    due = await chores.due("me", 60, remote=True)
    assert due is not None
    await shelf.delete("fraud", 1)
    assert await chores.deleted("other", 60) is None
    await chores.done(due, "me", Kept.VERSIONED, MD5)
    found = await chores.deleted("other", 60)
    assert found is not None
    assert found.dvc_hash == MD5


async def test_content_that_another_live_version_has_is_shared(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    for name in ("a", "b", "c"):
        await shelf.add(dataset(name, sha256="f" * 64))
    await shelf.delete("a", 1)
    await shelf.delete("b", 1)
    first = await chores.deleted("me", 60)
    assert first is not None
    assert (first.name, await chores.shared(first)) == ("a", True)
    await shelf.delete("c", 1)
    assert not await chores.shared(first)  # by now
    await shelf.add(dataset("d", sha256="f" * 64))
    assert await chores.shared(first)  # it was uploaded while the removal waited for its turn


async def test_of_one_content_one_step_is_done_at_a_time(
    shelf: DatabaseDatasets, chores: DatabaseChores
) -> None:
    """What is uploaded again while its file is taken out of the cache is put there afterwards, not before."""
    await shelf.add(dataset("old", sha256="f" * 64))
    await shelf.delete("old", 1)
    removing = await chores.deleted("one", 60)
    assert removing is not None
    await shelf.add(dataset("new", sha256="f" * 64))
    assert await chores.due("two", 60, remote=True) is None
    await chores.forget(removing, "one")
    due = await chores.due("two", 60, remote=True)
    assert due is not None
    assert due.name == "new"
