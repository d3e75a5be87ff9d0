"""The worker's comparisons over a real store and a real folder, with a scripted engine behind them.

Over 250 lines: a fifth of them are the room that every test works in.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift import DatabaseDrift
from gateway.adapters.database.drift_queue import DatabaseDriftQueue
from gateway.adapters.database.drift_tables import drift_runs
from gateway.adapters.database.traffic import DatabaseTraffic
from gateway.adapters.objects import S3
from gateway.adapters.reports import StoredReports
from gateway.drift import rounds as rounds_module
from gateway.drift.facts import (
    ColumnDrift,
    Compared,
    Comparison,
    DriftRun,
    Observation,
    Reference,
    RunState,
    Window,
)
from gateway.drift.ports import DriftFailed
from gateway.drift.rounds import Rounds, Terms

NOW = datetime.now(UTC)
HTML = b"<html>drift</html>"
COLUMN = ColumnDrift("score", "kolmogorov", 0.3, 0.1, True, 120)
FOUND = Compared((COLUMN,), True, HTML, {"label": "There are no values."})
PAST = Window(NOW - timedelta(days=8), NOW - timedelta(days=2))
LATELY = Window(NOW - timedelta(hours=24), NOW + timedelta(hours=1))


class ScriptedEngine:
    """Each comparison plays the next act: an error is raised, an event is waited for."""

    def __init__(self) -> None:
        self.acts: list[Exception | asyncio.Event] = []
        self.asked: list[Comparison] = []
        self.running = asyncio.Event()

    async def compare(self, comparison: Comparison) -> Compared:
        self.asked.append(comparison)
        self.running.set()
        act = self.acts.pop(0) if self.acts else None
        if isinstance(act, Exception):
            raise act
        if act is not None:
            await act.wait()
        return FOUND

    async def close(self) -> None: ...


class Room:
    """A store, and workers over it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder / "reports"
        self.reports = StoredReports(str(self.folder), S3())
        self.queue = DatabaseDriftQueue(database)
        self.shelf = DatabaseDrift(database)
        self.traffic = DatabaseTraffic(database)
        self.engine = ScriptedEngine()

    def worker(self, owner: str = "one", every_s: float = 0.0, lease_s: float = 60.0) -> Rounds:
        terms = Terms(every_s, 86_400.0, timedelta(days=30), lease_s, most_rows=150)
        return Rounds(self.queue, self.traffic, self.reports, self.engine, owner, terms)

    async def reference(self, rows: int = 120) -> Reference:
        await self.seen(rows, NOW - timedelta(days=3))
        made = Reference(f"ref_{os.urandom(16).hex()}", "spam", PAST, NOW, "ann", 0)
        return await self.shelf.keep(made, 5000)

    async def seen(self, rows: int, at: datetime) -> None:
        await self.traffic.add(
            [Observation(at, "spam", "1", 10, "ru", "ham", None, 0.9) for _ in range(rows)]
        )

    async def asked(self, rows: int = 120) -> DriftRun:
        reference = await self.reference()
        await self.seen(rows, NOW - timedelta(hours=1))
        run = DriftRun(f"drift_{os.urandom(16).hex()}", "spam", reference.id, LATELY, NOW, "ann")
        return await self.shelf.add(run)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    database = Database(f"sqlite:///{tmp_path}/store.db")
    await database.start()
    yield Room(database, tmp_path)
    await database.close()


async def test_what_was_found_is_told_with_its_report(room: Room) -> None:
    run = await room.asked()
    assert await room.worker().step()
    over = await room.shelf.get(run.id)
    assert (over.state, over.drifted, over.columns) == (RunState.SUCCEEDED, True, (COLUMN,))
    assert (over.rows, over.reference_rows, over.error) == (120, 120, None)
    assert over.ended_at is not None
    assert await room.reports.get(str(over.report)) == HTML
    (asked,) = room.engine.asked
    assert (asked.model, len(asked.reference), len(asked.current)) == ("spam", 120, 120)
    assert not await room.worker().step()


async def test_of_much_traffic_all_is_counted_and_a_part_is_compared(room: Room) -> None:
    run = await room.asked(rows=400)
    await room.worker().step()
    assert (await room.shelf.get(run.id)).rows == 400
    assert len(room.engine.asked[0].current) == 150


async def test_of_too_few_rows_nothing_is_said(room: Room) -> None:
    run = await room.asked(rows=99)
    await room.worker().step()
    over = await room.shelf.get(run.id)
    assert (over.state, over.rows, over.drifted, over.report) == (RunState.SKIPPED, 99, None, None)
    assert room.engine.asked == []


async def test_a_comparison_that_came_to_nothing_says_why(room: Room) -> None:
    run = await room.asked()
    room.engine.acts = [DriftFailed("The comparison takes longer than it may.")]
    await room.worker().step()
    over = await room.shelf.get(run.id)
    assert (over.state, over.error) == (RunState.FAILED, "The comparison takes longer than it may.")


async def test_an_unforeseen_failure_fails_one_run_and_quotes_nothing(room: Room) -> None:
    run = await room.asked()
    room.engine.acts = [RuntimeError("a student's word")]
    await room.worker().step()
    over = await room.shelf.get(run.id)
    assert (over.state, over.error) == (RunState.FAILED, "The worker failed.")


async def test_the_figures_stay_where_their_page_cannot_be_kept(room: Room) -> None:
    run = await room.asked()
    room.folder.write_text("a file where the folder should be")
    await room.worker().step()
    over = await room.shelf.get(run.id)
    assert (over.state, over.drifted, over.report) == (RunState.SUCCEEDED, True, None)


async def test_by_schedule_each_model_is_compared_once_in_its_time(room: Room) -> None:
    await room.reference()
    await room.seen(120, datetime.now(UTC) - timedelta(minutes=5))
    assert await room.worker(every_s=3600.0).step()
    assert not await room.worker("two", every_s=3600.0).step()
    (run,) = await room.shelf.find("spam", None, 10)
    assert (run.key_id, run.state) == ("schedule", RunState.SUCCEEDED)


async def test_without_a_schedule_nothing_is_queued(room: Room) -> None:
    await room.reference()
    assert not await room.worker(every_s=0.0).step()
    assert await room.shelf.find("spam", None, 10) == []


async def test_a_long_comparison_renews_its_lease_as_often_as_it_must(room: Room) -> None:
    class Counting(DatabaseDriftQueue):
        async def renew(self, run_id: str, owner: str, lease_s: float) -> bool:
            renewed.append(await super().renew(run_id, owner, lease_s))
            if len(renewed) == 3:
                done.set()
            return renewed[-1]

    renewed: list[bool] = []
    done = asyncio.Event()
    run = await room.asked()
    room.queue = Counting(room.database)
    room.engine.acts = [done]
    async with asyncio.timeout(30):
        await room.worker(lease_s=0.3).step()
    over = await room.shelf.get(run.id)
    assert (renewed, over.state, over.attempts) == ([True] * 3, RunState.SUCCEEDED, 1)


async def test_what_a_killed_worker_left_is_another_ones(room: Room) -> None:
    """Killed: it neither renews nor gives back."""
    run = await room.asked()
    assert await room.queue.lease("killed", 0.2) is not None
    worker = room.worker("two")
    async with asyncio.timeout(30):
        while not await worker.step():
            await asyncio.sleep(0.05)
    over = await room.shelf.get(run.id)
    assert (over.state, over.attempts) == (RunState.SUCCEEDED, 2)


async def test_who_stood_still_until_its_lease_was_over_leaves_the_run_to_its_new_owner(room: Room) -> None:
    run = await room.asked()
    room.engine.acts = [asyncio.Event()]
    standing = asyncio.create_task(room.worker("one", lease_s=0.6).step())
    await room.engine.running.wait()
    expired = update(drift_runs).where(drift_runs.c.id == run.id).values(until_s=0.0)
    await room.database.write(lambda connection: connection.execute(expired))
    assert await room.queue.lease("two", 60.0) is not None
    async with asyncio.timeout(30):
        assert await standing
    over = await room.shelf.get(run.id)
    assert (over.state, over.attempts) == (RunState.RUNNING, 2)


async def test_a_worker_that_closes_gives_its_run_back(room: Room) -> None:
    run = await room.asked()
    room.engine.acts = [asyncio.Event()]
    comparing = asyncio.create_task(room.worker().step())
    await room.engine.running.wait()
    comparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await comparing
    left = await room.shelf.get(run.id)
    assert (left.state, left.attempts) == (RunState.QUEUED, 0)


async def test_old_traffic_and_pages_go_and_what_a_run_shows_stays(room: Room) -> None:
    await room.asked()
    await room.seen(5, NOW - timedelta(days=31))
    await room.worker().step()
    used = hashlib.sha256(HTML).hexdigest()
    ages = {used: 29, await room.reports.put(b"unused"): 2, await room.reports.put(b"new"): 0}
    ages[await room.reports.put(b"of an old run")] = 31
    for sha256, days in ages.items():
        put(room.folder / f"{sha256}.html", days)
    assert not await room.worker().tidy()
    left = {file.stem for file in room.folder.iterdir()}
    assert left == {used, hashlib.sha256(b"new").hexdigest()}
    (told,) = await room.shelf.traffic()
    assert (told.rows, told.last_run and told.last_run.report) == (240, used)


async def test_a_run_whose_page_went_shows_none(room: Room) -> None:
    run = await room.asked()
    await room.worker().step()
    before = await room.shelf.get(run.id)
    put(room.folder / f"{before.report}.html", 31)
    await room.worker().tidy()
    assert list(room.folder.iterdir()) == []
    assert await room.shelf.get(run.id) == replace(before, report=None)
    assert await room.queue.reports_in_use() == set()


async def test_reports_that_hang_keep_no_comparison_waiting(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Hanging(StoredReports):
        async def put_before(self, moment: datetime) -> list[str]:
            await asyncio.Event().wait()
            raise AssertionError

    room.reports = Hanging(str(room.folder), S3())
    run = await room.asked()
    worker = room.worker()
    tidying = asyncio.create_task(worker.tidy())
    await worker.step()
    assert (await room.shelf.get(run.id)).state is RunState.SUCCEEDED
    tidying.cancel()
    monkeypatch.setattr(rounds_module, "_TIDY_TIMEOUT_S", 0.01)
    async with asyncio.timeout(30):
        assert not await room.worker().tidy()
    assert caplog.messages == ["tidying up after drift takes longer than it may"]


def put(file: Path, days: float) -> None:
    """Makes it as if it had been put so many days ago."""
    then = (NOW - timedelta(days=days)).timestamp()
    os.utime(file, (then, then))
