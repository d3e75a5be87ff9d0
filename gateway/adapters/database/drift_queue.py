"""Which worker compares what, and when.

A run that is running has an owner, whose it is until `until_s`.
"""

import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift_rows import OPEN, queue, reference_of, run_of, run_values
from gateway.adapters.database.drift_tables import drift_references, drift_runs
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.locks import COMPARISONS, alone
from gateway.drift.facts import DriftRun, Reference, RunState, Window
from gateway.errors import NotFound, StoreUnavailable

_QUEUED = drift_runs.c.state == RunState.QUEUED.value
_RUNNING = drift_runs.c.state == RunState.RUNNING.value
_OLDEST_FIRST = (drift_runs.c.created_at, drift_runs.c.id)
_MOST_ATTEMPTS = 3
_NOBODY = "nobody"
_SCHEDULE = "schedule"
_WORKER_DIED = "The workers that compared it died."


class DatabaseDriftQueue:
    """Implements DriftQueue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def schedule(self, every_s: float, window_s: float) -> int:
        def schedule(connection: Connection) -> int:
            alone(connection, COMPARISONS)
            now = _now(connection)
            window = Window(now - timedelta(seconds=window_s), now)
            return sum(_scheduled(connection, one, window) for one in _due(connection, every_s))

        # What is mostly so, nothing to do, takes no lock.
        if not await self._database.read(lambda connection: _due(connection, every_s)):
            return 0
        return await self._database.write(schedule)

    async def lease(self, owner: str, lease_s: float) -> DriftRun | None:
        def lease(connection: Connection) -> DriftRun | None:
            while (row := _next(connection)) is not None:
                if row.attempts >= _MOST_ATTEMPTS:
                    _given_up(connection, row)
                elif (taken := _taken(connection, row, owner, lease_s)) is not None:
                    return taken
            return None

        if not await self._database.read(_some):
            return None
        return await self._database.write(lease)

    async def renew(self, run_id: str, owner: str, lease_s: float) -> bool:
        def renew(connection: Connection) -> bool:
            renewed = update(drift_runs).where(_of(run_id, owner)).values(until_s=clock(connection) + lease_s)
            return connection.execute(renewed).rowcount > 0

        return await self._database.write(renew)

    async def finish(self, run: DriftRun, owner: str) -> bool:
        # A score that is no number says nothing, and JSON cannot keep it.
        told = tuple(one for one in run.columns if isfinite(one.score) and isfinite(one.threshold))
        ended = update(drift_runs).where(_of(run.id, owner)).values(owner=None, until_s=0.0)
        ended = ended.values(run_values(replace(run, columns=told)))
        return await self._database.write(lambda connection: connection.execute(ended).rowcount > 0)

    async def give_back(self, run_id: str, owner: str) -> None:
        def give_back(connection: Connection) -> None:
            row = connection.execute(select(drift_runs).where(_of(run_id, owner)).with_for_update()).first()
            if row is None:
                return
            waiting = select(drift_runs.c.id).where(_QUEUED, drift_runs.c.model == row.model).limit(1)
            # Two of a model are never queued: beside another this one goes on running, for nobody, and is
            # taken over at once.
            another = connection.scalar(waiting) is not None
            state = RunState.RUNNING if another else RunState.QUEUED
            _change(connection, replace(run_of(row), state=state, attempts=max(0, row.attempts - 1)))

        await self._database.write(give_back)

    async def reports_in_use(self) -> set[str]:
        question = select(drift_runs.c.report).where(drift_runs.c.report.is_not(None)).distinct()
        return set(await self._database.read(lambda connection: connection.scalars(question).all()))

    async def forget_report(self, sha256: str) -> None:
        def forget(connection: Connection) -> None:
            having = select(drift_runs).where(drift_runs.c.report == sha256).with_for_update()
            for row in connection.execute(having).all():
                values: dict[str, object] = {"report": None}
                with suppress(StoreUnavailable):  # of another version's making: only the column changes
                    values = run_values(replace(run_of(row), report=None))
                connection.execute(update(drift_runs).where(drift_runs.c.id == row.id).values(values))

        await self._database.write(forget)


def _now(connection: Connection) -> datetime:
    seconds: float = connection.execute(select(clock(connection))).scalar_one()
    return datetime.fromtimestamp(seconds, UTC)


def _due(connection: Connection, every_s: float) -> list[Reference]:
    """The newest reference of each model that waits for no comparison and had none for so long."""
    lately = drift_runs.c.created_at > _now(connection) - timedelta(seconds=every_s)
    of_model = select(drift_runs.c.id).where(drift_runs.c.model == drift_references.c.model)
    due = ~of_model.where(drift_runs.c.state.in_(OPEN)).exists() & ~of_model.where(lately).exists()
    age = (drift_references.c.created_at, drift_references.c.id)
    found = connection.execute(select(drift_references).where(due).order_by(*age))
    return list({row.model: reference_of(row) for row in found}.values())


def _scheduled(connection: Connection, reference: Reference, window: Window) -> bool:
    run = DriftRun(
        f"drift_{uuid.uuid4().hex}", reference.model, reference.id, window, window.until, _SCHEDULE
    )
    try:
        return queue(connection, run) is run
    except NotFound:  # forgotten in between
        return False


def _lost(connection: Connection) -> ColumnElement[bool]:
    """Running for nobody any more: its worker has not renewed its lease."""
    return and_(_RUNNING, drift_runs.c.until_s <= clock(connection))


def _some(connection: Connection) -> bool:
    """Whether anything waits."""
    return any(
        connection.scalar(select(drift_runs.c.id).where(which).limit(1)) is not None
        for which in (_lost(connection), _QUEUED)
    )


def _next(connection: Connection) -> Any:
    """The run whose turn it is, locked: the oldest that was lost, else the oldest that is queued. What
    another worker is taking is passed over."""
    for which in (_lost(connection), _QUEUED):
        question = select(drift_runs).where(which).order_by(*_OLDEST_FIRST).limit(1)
        if (row := connection.execute(question.with_for_update(skip_locked=True)).first()) is not None:
            return row
    return None


def _taken(connection: Connection, row: Any, owner: str, lease_s: float) -> DriftRun | None:
    """The run, which is the owner's now; none when it cannot be read."""
    lease = {"until_s": clock(connection) + lease_s, "attempts": row.attempts + 1}
    try:
        run = run_of(row)
    except StoreUnavailable:
        # Of another version's making: it must not stop the others. Nobody renews its lease, so it is tried
        # again, by whoever, and given up after some attempts.
        lease |= {"state": RunState.RUNNING.value, "owner": _NOBODY}
        connection.execute(update(drift_runs).where(drift_runs.c.id == row.id).values(**lease))
        return None
    began = run.started_at or _now(connection)
    run = replace(run, state=RunState.RUNNING, attempts=row.attempts + 1, started_at=began)
    _change(connection, run, owner=owner, until_s=lease["until_s"])
    return run


def _given_up(connection: Connection, row: Any) -> None:
    try:
        run = run_of(row)
    except StoreUnavailable:  # as above: only the columns change
        over = {"state": RunState.FAILED.value, "owner": None, "until_s": 0.0}
        connection.execute(update(drift_runs).where(drift_runs.c.id == row.id).values(**over))
        return
    ended = _now(connection)
    _change(connection, replace(run, state=RunState.FAILED, ended_at=ended, error=_WORKER_DIED))


def _change(
    connection: Connection, run: DriftRun, *, owner: str | None = None, until_s: object = 0.0
) -> None:
    values = {**run_values(run), "owner": owner, "until_s": until_s}
    connection.execute(update(drift_runs).where(drift_runs.c.id == run.id).values(values))


def _of(run_id: str, owner: str) -> ColumnElement[bool]:
    return and_(drift_runs.c.id == run_id, _RUNNING, drift_runs.c.owner == owner)
