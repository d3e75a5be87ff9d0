"""Batches in the store: each item ends once, whoever dies over it."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.adapters.database.batch_queue import DatabaseQueue, DatabaseResults
from gateway.adapters.database.batches import DatabaseShelf
from gateway.adapters.database.database import Database
from gateway.adapters.database.tables import batch_items
from gateway.batch.queue import Batch, Item, ItemState, Leased, Refused, Status
from gateway.batch.rows import Answer, Failure, Format
from gateway.domain import Criterion, Role, Rubric, Submission
from gateway.errors import Conflict, InvalidRequest, NotFound, RateLimited
from gateway.records import Once

DONE = Answer({"score": 5.0, "comments": "Да"}, "grade_1", needs_review=True)
RUBRIC = Rubric("essay", "1.0.0", (Criterion("A", "Says why.", 1.0),))


def batch(key_id: str = "ann", **changes: Any) -> Batch:
    now = datetime.now(UTC)
    made = Batch(
        id=f"batch_{uuid.uuid4().hex}",
        key_id=key_id,
        role=Role.GRADER,
        format=Format.JSONL,
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    return replace(made, **changes)


def items(*ids: str) -> list[Item | Refused]:
    return [
        Item(
            one,
            "grader-llm",
            Submission(
                f"text of {one} <PERSON_1_abcde>",
                *("code", "python", 10.0),
                references=("r",),
                rubric=RUBRIC,
            ),
            "abcde",
        )
        for one in ids
    ]


@pytest.fixture
def shelf(database: Database) -> DatabaseShelf:
    return DatabaseShelf(database)


@pytest.fixture
def queue(database: Database) -> DatabaseQueue:
    return DatabaseQueue(database)


@pytest.fixture
def results(database: Database) -> DatabaseResults:
    return DatabaseResults(database)


@pytest.fixture
def other_queue(other_database: Database) -> DatabaseQueue:
    return DatabaseQueue(other_database)


async def kept(shelf: DatabaseShelf, *ids: str, **changes: Any) -> Batch:
    return await shelf.add(batch(**changes), items(*ids), None, 10)


def ids(leased: list[Leased]) -> list[str]:
    return [one.item.custom_id for one in leased]


async def test_an_item_comes_back_as_it_was_handed_in(shelf: DatabaseShelf, queue: DatabaseQueue) -> None:
    made = await kept(shelf, "a")
    assert (made.status, made.total, made.items) == (Status.QUEUED, 1, {ItemState.OPEN: 1})
    (leased,) = await queue.lease("me", 5, 60)
    assert leased == Leased(made.id, 0, "ann", Role.GRADER, items("a")[0])
    assert (await shelf.get(made.id)).status is Status.IN_PROGRESS


async def test_a_small_batch_is_not_kept_waiting_by_a_large_one(
    shelf: DatabaseShelf, queue: DatabaseQueue
) -> None:
    await kept(shelf, "a1", "a2", "a3", "a4")
    await kept(shelf, "b1", "b2", key_id="bob")
    assert ids(await queue.lease("me", 3, 60)) == ["a1", "b1", "a2"]
    assert ids(await queue.lease("me", 9, 60)) == ["b2", "a3", "a4"]
    assert await queue.lease("me", 9, 60) == []


async def test_two_processes_never_have_one_item(
    shelf: DatabaseShelf, queue: DatabaseQueue, other_queue: DatabaseQueue
) -> None:
    await kept(shelf, *map(str, range(40)))
    turns = [one.lease(owner, 3, 60) for _ in range(10) for one, owner in ((queue, "a"), (other_queue, "b"))]
    found = [one for leased in await asyncio.gather(*turns) for one in ids(leased)]
    assert sorted(found, key=int) == [str(n) for n in range(40)]


async def test_a_lease_that_ran_out_is_taken_over_and_the_item_ends_once(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue, other_queue: DatabaseQueue
) -> None:
    made = await kept(shelf, "a")
    (late,) = await queue.lease("dead", 1, 0.0)
    (taken,) = await other_queue.lease("heir", 1, 60)
    assert taken == late
    assert not await queue.end(late, "dead", Failure("internal", "Late."))
    assert await other_queue.end(taken, "heir", DONE)
    assert not await other_queue.end(taken, "heir", DONE)
    (ended,) = await results.ended(made.id, -1, 10)
    assert (ended.custom_id, ended.outcome) == ("a", DONE)
    assert (await shelf.get(made.id)).status is Status.COMPLETED


async def test_a_lease_that_is_renewed_is_kept(shelf: DatabaseShelf, queue: DatabaseQueue) -> None:
    await kept(shelf, "a")
    await queue.lease("me", 1, 0.0)
    await queue.renew("me", 60)
    assert await queue.lease("other", 1, 60) == []


async def test_what_is_given_back_is_taken_when_its_pause_is_over(
    shelf: DatabaseShelf, queue: DatabaseQueue
) -> None:
    await kept(shelf, "a", "b")
    first, _ = await queue.lease("me", 2, 60)
    await queue.give_back(first, "me", 60)
    assert await queue.lease("other", 2, 60) == []
    await queue.give_back(None, "me", 0)
    assert ids(await queue.lease("other", 2, 60)) == ["b"]


async def test_the_last_item_ends_the_batch_also_when_two_end_at_once(
    shelf: DatabaseShelf, queue: DatabaseQueue, other_queue: DatabaseQueue
) -> None:
    for _ in range(10):
        made = await kept(shelf, "a", "b")
        (one,) = await queue.lease("me", 1, 60)
        (two,) = await other_queue.lease("other", 1, 60)
        assert await asyncio.gather(
            queue.end(one, "me", Failure("unusable_answer", "Odd.")), other_queue.end(two, "other", DONE)
        ) == [True, True]
        over = await shelf.get(made.id)
        assert over.ended_at is not None
        assert (over.status, over.items) == (
            Status.COMPLETED,
            {ItemState.FAILED: 1, ItemState.GRADED: 1},
        )


async def test_a_batch_of_which_nothing_was_graded_has_failed(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue
) -> None:
    failure = Failure("invalid_request", "'submission' is required.")
    made = await shelf.add(batch(), [Refused("a", failure)], None, 10)
    assert made.status is Status.FAILED
    assert [one.outcome for one in await results.ended(made.id, -1, 10)] == [failure]
    assert await queue.lease("me", 1, 60) == []


async def test_a_cancelled_batch_begins_nothing_more_and_what_is_under_way_ends(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue
) -> None:
    made = await kept(shelf, "a", "b", "c")
    first, paused = await queue.lease("me", 2, 60)
    await queue.give_back(paused, "me", 60)
    await results.cancel(made.id)
    assert (await shelf.get(made.id)).status is Status.CANCELLING
    assert await queue.lease("me", 9, 60) == []
    assert await queue.end(first, "me", DONE)
    over = await shelf.get(made.id)
    assert (over.status, over.items) == (Status.CANCELLED, {ItemState.GRADED: 1, ItemState.CANCELLED: 2})
    ended = await results.ended(made.id, -1, 10)
    assert [getattr(one.outcome, "code", "") for one in ended] == ["", "cancelled", "cancelled"]


async def test_a_batch_that_is_over_cannot_be_cancelled(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue
) -> None:
    made = await kept(shelf, "a")
    (one,) = await queue.lease("me", 1, 60)
    await queue.end(one, "me", DONE)
    await results.cancel(made.id)
    assert (await shelf.get(made.id)).status is Status.COMPLETED


async def test_a_cancelled_batch_ends_although_its_process_died(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue
) -> None:
    made = await kept(shelf, "a")
    await queue.lease("dead", 1, 0.0)
    await results.cancel(made.id)
    await results.sweep(keep_s=60)
    assert (await shelf.get(made.id)).status is Status.CANCELLED


async def test_what_is_not_begun_in_time_expires(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue
) -> None:
    made = await kept(shelf, "a", expires_at=datetime.now(UTC))
    assert await queue.lease("me", 1, 60) == []
    await results.sweep(keep_s=60)
    over = await shelf.get(made.id)
    assert (over.status, over.items) == (Status.EXPIRED, {ItemState.EXPIRED: 1})


async def test_an_item_over_which_every_process_dies_fails(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue
) -> None:
    made = await kept(shelf, "a")
    for _ in range(5):
        assert len(await queue.lease("dead", 1, 0.0)) == 1
    assert await queue.lease("me", 1, 60) == []
    await results.sweep(keep_s=60)
    (ended,) = await results.ended(made.id, -1, 10)
    assert isinstance(ended.outcome, Failure)
    assert ended.outcome.code == "internal"


async def test_an_item_that_no_version_here_can_read_stops_no_other(
    shelf: DatabaseShelf, queue: DatabaseQueue, database: Database
) -> None:
    broken = await kept(shelf, "a")
    whole = await kept(shelf, "b")
    unread = update(batch_items).where(batch_items.c.batch_id == broken.id).values(item="{}")
    await database.write(lambda connection: connection.execute(unread).rowcount)
    leased = await queue.lease("one", 10, 60.0)
    assert [one.batch_id for one in leased] == [whole.id]


async def test_a_process_that_gives_back_has_not_died(shelf: DatabaseShelf, queue: DatabaseQueue) -> None:
    await kept(shelf, "a")
    for _ in range(7):
        (one,) = await queue.lease("me", 1, 60)
        await queue.give_back(one, "me", 0)
    assert len(await queue.lease("me", 1, 60)) == 1


async def test_an_answered_submission_is_forgotten(
    shelf: DatabaseShelf, queue: DatabaseQueue, database: Database
) -> None:
    await kept(shelf, "a", "b")
    (one,) = await queue.lease("me", 1, 60)
    await queue.end(one, "me", DONE)
    kept_items = await database.read(lambda c: list(c.scalars(select(batch_items.c.item))))
    assert [item is None for item in sorted(kept_items, key=bool)] == [True, False]


async def test_an_idempotency_key_makes_one_batch(shelf: DatabaseShelf) -> None:
    once = Once("k", "0" * 64)
    assert await shelf.made("ann", once) is None
    made = await asyncio.gather(*(shelf.add(batch(), items("a"), once, 10) for _ in range(5)))
    assert len({one.id for one in made}) == 1
    assert await shelf.made("ann", once) == made[0]
    assert await shelf.made("bob", once) is None
    with pytest.raises(Conflict):
        await shelf.made("ann", Once("k", "1" * 64))
    with pytest.raises(Conflict):
        await shelf.add(batch(), items("a"), Once("k", "1" * 64), 10)


async def test_a_key_has_so_many_open_batches_and_no_more(shelf: DatabaseShelf, queue: DatabaseQueue) -> None:
    adding = [shelf.add(batch(), items("a"), None, 3) for _ in range(6)]
    done = await asyncio.gather(*adding, return_exceptions=True)
    assert [isinstance(one, RateLimited) for one in sorted(done, key=lambda one: isinstance(one, Batch))] == [
        *[True] * 3,
        *[False] * 3,
    ]
    assert (await shelf.add(batch("bob"), items("a"), None, 3)).key_id == "bob"
    (one,) = await queue.lease("me", 1, 60)
    await queue.end(one, "me", DONE)
    await shelf.add(batch(), items("a"), None, 3)


async def test_batches_come_in_pages_the_newest_first(shelf: DatabaseShelf) -> None:
    made = [await kept(shelf, "a", "b") for _ in range(3)]
    other = await kept(shelf, "a", key_id="bob")
    first = await shelf.find("ann", None, 2)
    assert [one.id for one in first] == [made[2].id, made[1].id]
    assert first[0].total == 2
    assert [one.id for one in await shelf.find("ann", first[-1].id, 2)] == [made[0].id]
    assert len(await shelf.find(None, None, 10)) == 4
    with pytest.raises(InvalidRequest):
        await shelf.find(None, "batch_none", 2)
    with pytest.raises(NotFound):
        await shelf.get("batch_none")
    assert (await shelf.get(other.id)).key_id == "bob"


async def test_results_come_in_pages_by_position(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue
) -> None:
    made = await kept(shelf, *map(str, range(5)))
    for one in reversed(await queue.lease("me", 4, 60)):
        await queue.end(one, "me", DONE)
    assert [one.custom_id for one in await results.ended(made.id, -1, 3)] == ["0", "1", "2"]
    assert [one.position for one in await results.ended(made.id, 2, 3)] == [3]


async def test_what_is_long_over_is_forgotten(
    shelf: DatabaseShelf, results: DatabaseResults, queue: DatabaseQueue
) -> None:
    over, running = await kept(shelf, "a"), await kept(shelf, "b")
    (one,) = await queue.lease("me", 1, 60)
    await queue.end(one, "me", DONE)
    await results.sweep(keep_s=60)
    assert (await shelf.get(over.id)).status is Status.COMPLETED
    await results.sweep(keep_s=0)
    with pytest.raises(NotFound):
        await shelf.get(over.id)
    assert await results.ended(over.id, -1, 10) == []
    assert (await shelf.get(running.id)).status is Status.QUEUED
