"""References hold copies that outlive what they were copied from; a model has one queued comparison.

Over 250 lines: what is kept, drawn, queued and found is one shelf.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from gateway.adapters.database import drawing
from gateway.adapters.database import drift as drift_module
from gateway.adapters.database.database import Database
from gateway.adapters.database.drawing import drawn, live
from gateway.adapters.database.drift import DatabaseDrift
from gateway.adapters.database.drift_queue import DatabaseDriftQueue
from gateway.adapters.database.drift_tables import drift_references, traffic
from gateway.drift.facts import ColumnDrift, DriftRun, ModelTraffic, Reference, RunState, Window
from gateway.errors import Conflict, InvalidRequest, NotFound
from tests.gateway.adapters.database.drift_facts import DAY, at, noted, reference, run

MOST = 5000


@pytest.fixture
def shelf(database: Database) -> DatabaseDrift:
    return DatabaseDrift(database)


@pytest.fixture
def queue(database: Database) -> DatabaseDriftQueue:
    return DatabaseDriftQueue(database)


@pytest.fixture
def other_shelf(other_database: Database) -> DatabaseDrift:
    return DatabaseDrift(other_database)


async def kept(database: Database, shelf: DatabaseDrift, model: str = "spam") -> Reference:
    await noted(database, model, range(3))
    return await shelf.keep(reference(model), MOST)


async def copies(database: Database, of: Reference) -> list[int]:
    """The lengths among them, oldest first."""
    question = select(traffic.c.text_length).where(traffic.c.reference_id == of.id).order_by(traffic.c.number)
    return list(await database.read(lambda connection: connection.scalars(question).all()))


async def test_a_reference_is_a_copy_of_its_model_and_window(
    database: Database, shelf: DatabaseDrift
) -> None:
    await noted(database, "spam", range(10))
    await noted(database, "other", range(10))
    asked = reference(window=Window(at(2), at(5)))
    made = await shelf.keep(asked, MOST)
    assert made == replace(asked, rows=3)
    assert await copies(database, made) == [2, 3, 4]  # `until` is not in it
    assert await shelf.references(None, 10) == [made]
    whole = select(traffic).where(traffic.c.reference_id == made.id).limit(1)
    (row,) = await database.read(lambda connection: connection.execute(whole).all())
    assert (row.at, row.version, row.language, row.score, row.embedding) == (at(2), "1", "ru", 0.5, b"half")
    # Copies are no traffic: they are not copied again, and stay when it goes.
    again = await shelf.keep(reference(window=Window(at(2), at(5)), minutes=1), MOST)
    assert again.rows == 3
    live_rows = delete(traffic).where(traffic.c.reference_id.is_(None))
    await database.write(lambda connection: connection.execute(live_rows))
    assert await copies(database, made) == [2, 3, 4]
    with pytest.raises(NotFound, match="No observation"):
        await shelf.keep(reference(minutes=2), MOST)
    assert await shelf.references(None, 10) == [again, made]


@pytest.mark.parametrize("most", [7, 50, 99, 100, 101])
async def test_of_many_observations_some_are_drawn_evenly(database: Database, most: int) -> None:
    await noted(database, "spam", range(100))
    await noted(database, "spam", [5000])  # outside
    shelf = DatabaseDrift(database)
    lengths = await copies(database, await shelf.keep(reference(), most))
    assert len(lengths) == min(most, 100)
    assert lengths[0] == 0
    gaps = {later - earlier for earlier, later in zip(lengths, [*lengths[1:], 100], strict=True)}
    assert gaps <= {100 // len(lengths), -(-100 // len(lengths))}


async def test_a_very_large_window_is_thinned_out_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a model's rows are every fifth one."""
    for _ in range(200):
        await noted(database, "spam", [*range(10)])
        await noted(database, "other", [*range(40)])
    monkeypatch.setattr(drawing, "_THIN", 5)
    which = live("spam", DAY)
    there, numbers = await database.read(lambda connection: drawn(connection, which, 100))
    assert (there, len(numbers), len(set(numbers))) == (2000, 100, 100)
    question = select(traffic.c.text_length, traffic.c.model).where(traffic.c.number.in_(numbers))
    rows = await database.read(lambda connection: connection.execute(question).all())
    assert {row.model for row in rows} == {"spam"}
    lengths = [row.text_length for row in rows]
    # In the order of time 200 rows have each length: a tenth of the draw, give or take.
    assert all(5 <= lengths.count(length) <= 15 for length in range(10))
    again = await database.read(lambda connection: drawn(connection, which, 100))
    assert again == (there, numbers)


async def test_a_reference_goes_with_its_observations_unless_it_is_needed(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    made = await kept(database, shelf)
    other = await shelf.keep(reference(minutes=1), MOST)
    asked = await shelf.add(run(made))
    with pytest.raises(Conflict):
        await shelf.forget(made.id)
    leased = await queue.lease("me", 60)
    assert leased is not None
    with pytest.raises(Conflict):
        await shelf.forget(made.id)
    await queue.finish(replace(leased, state=RunState.SKIPPED), "me")
    await shelf.forget(made.id)
    assert await shelf.references(None, 10) == [other]
    assert (await copies(database, made), await copies(database, other)) == ([], [0, 1, 2])
    assert (await shelf.get(asked.id)).reference_id == made.id  # what was found stays
    for _ in range(2):
        with pytest.raises(NotFound):
            await shelf.forget(made.id)
    with pytest.raises(NotFound):
        await shelf.add(run(made, minutes=1))


async def test_who_asks_twice_gets_the_run_that_is_queued(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    made = await kept(database, shelf)
    first = await shelf.add(run(made))
    assert await shelf.add(run(made, minutes=1)) == first
    assert await shelf.find(None, None, 10) == [first]
    leased = await queue.lease("me", 60)
    assert leased is not None
    second = run(made, minutes=2)
    assert await shelf.add(second) == second  # what runs began before it was asked for
    elsewhere = await kept(database, shelf, "other")
    assert (await shelf.add(run(elsewhere, minutes=3))).model == "other"
    assert [one.model for one in await shelf.find(None, None, 10)] == ["other", "spam", "spam"]


async def test_however_many_ask_at_once_one_run_is_queued(
    database: Database, shelf: DatabaseDrift, other_shelf: DatabaseDrift
) -> None:
    made = await kept(database, shelf)
    asked = [one.add(run(made, minutes=minute)) for minute in range(8) for one in (shelf, other_shelf)]
    answers = await asyncio.gather(*asked)
    assert len({one.id for one in answers}) == 1
    assert await shelf.find(None, None, 50) == answers[:1]


async def test_runs_are_asked_for_and_none_is_queued_for_a_reference_that_goes(
    database: Database, shelf: DatabaseDrift, other_shelf: DatabaseDrift
) -> None:
    for _ in range(6):
        made = await kept(database, shelf)
        added, forgotten = await asyncio.gather(
            shelf.add(run(made)), other_shelf.forget(made.id), return_exceptions=True
        )
        if isinstance(added, DriftRun):
            assert isinstance(forgotten, Conflict)
            assert await shelf.newest_reference("spam") == made
            return
        assert isinstance(added, NotFound)
        assert forgotten is None
        assert await shelf.find(None, None, 10) == []


async def test_runs_are_read_page_by_page(database: Database, shelf: DatabaseDrift) -> None:
    queue = DatabaseDriftQueue(database)
    made = await kept(database, shelf)
    for minute in range(5):
        await shelf.add(run(made, minutes=minute))
        leased = await queue.lease("me", 60)
        assert leased is not None
        await queue.finish(replace(leased, state=RunState.SUCCEEDED, drifted=False), "me")
    runs = await shelf.find("spam", None, 50)
    assert [one.created_at for one in runs] == [at(minute) for minute in (4, 3, 2, 1, 0)]
    assert await shelf.find("spam", runs[1].id, 2) == runs[2:4]
    assert await shelf.find(None, runs[4].id, 2) == []
    assert await shelf.find("other", None, 2) == []
    with pytest.raises(InvalidRequest):
        await shelf.find(None, "drift_" + "0" * 32, 2)
    with pytest.raises(NotFound):
        await shelf.get("drift_" + "0" * 32)


async def test_every_model_is_told_of_with_its_last_run(
    database: Database, shelf: DatabaseDrift, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = DatabaseDriftQueue(database)
    assert await shelf.traffic() == []
    made = await kept(database, shelf, "spam")
    newer = await shelf.keep(reference("spam", minutes=5), MOST)
    gone = await kept(database, shelf, "gone")
    await noted(database, "Zed", [7])
    pruned = delete(traffic).where(traffic.c.model == "gone", traffic.c.reference_id.is_(None))
    await database.write(lambda connection: connection.execute(pruned))
    await shelf.add(run(made))
    leased = await queue.lease("me", 60)
    assert leased is not None
    column = ColumnDrift("score", "KS", 0.01, 0.05, drifted=True, rows=3)
    over = replace(leased, state=RunState.SUCCEEDED, drifted=True, columns=(column,), report="a" * 64)
    over = replace(over, ended_at=at(3))
    assert await queue.finish(over, "me")
    await shelf.add(run(newer, minutes=9))  # is not over
    assert await shelf.traffic() == [
        ModelTraffic("Zed", 1, at(7), at(7), None, None, None, None),
        ModelTraffic("gone", 0, None, None, gone, None, None, None),
        ModelTraffic("spam", 3, at(0), at(2), newer, over, over, at(3)),
    ]
    monkeypatch.setattr(drift_module, "_MOST_COUNTED", 2)
    assert (await shelf.traffic())[2].rows == 2


async def test_a_run_that_found_nothing_leaves_the_one_that_did(
    database: Database, shelf: DatabaseDrift, queue: DatabaseDriftQueue
) -> None:
    made = await kept(database, shelf)
    await kept(database, shelf, "other")
    over: list[DriftRun] = []
    told: list[tuple[DriftRun | None, ...]] = []
    for minute, state in enumerate((RunState.FAILED, RunState.SUCCEEDED, RunState.SKIPPED, RunState.FAILED)):
        await shelf.add(run(made, minutes=minute))
        leased = await queue.lease("me", 60)
        assert leased is not None
        over.append(replace(leased, state=state, ended_at=at(minute)))
        await queue.finish(over[-1], "me")
        other, spam = await shelf.traffic()
        assert (other.last_run, other.last_finding, other.answered_at) == (None, None, None)
        told.append((spam.last_run, spam.last_finding))
        assert spam.answered_at == [None, at(1), at(2), at(2)][minute]
    assert told == [(over[0], None), (over[1], over[1]), (over[2], over[1]), (over[3], over[1])]


async def test_the_newest_reference_is_the_one_that_counts(database: Database, shelf: DatabaseDrift) -> None:
    assert await shelf.newest_reference("spam") is None
    first = await kept(database, shelf)
    second = await shelf.keep(reference(minutes=2), MOST)
    await kept(database, shelf, "other")
    assert await shelf.newest_reference("spam") == second
    assert await shelf.references("spam", 10) == [second, first]
    assert await shelf.references("spam", 1) == [second]
    later = update(drift_references).where(drift_references.c.id == first.id)
    moved = later.values(created_at=at(0) + timedelta(days=1))
    await database.write(lambda connection: connection.execute(moved))
    assert (await shelf.newest_reference("spam")) == replace(first, created_at=at(0) + timedelta(days=1))


async def test_nothing_of_a_reference_is_there_when_its_rows_cannot_be_kept(
    database: Database, shelf: DatabaseDrift
) -> None:
    with pytest.raises(NotFound):
        await shelf.keep(reference(), MOST)
    count = select(func.count()).select_from(drift_references)
    assert await database.read(lambda connection: connection.scalar(count)) == 0
