"""Which workers there are, and what waits for them."""

from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, select

from gateway.adapters.database.codec import WORKER
from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.rows import insert_into
from gateway.adapters.database.training_tables import (
    dataset_versions,
    registry_tasks,
    training_jobs,
    training_workers,
)
from gateway.errors import StoreUnavailable
from gateway.training.facts import JobState, Kept
from gateway.training.ports import Backlog, WorkerFacts

_FORGOTTEN_S = 86_400.0


class DatabaseRoll:
    """Implements WorkerRoll. `remote`: whether data sets are pushed anywhere."""

    def __init__(self, database: Database, *, remote: bool) -> None:
        self._database = database
        self._remote = remote

    async def report(self, facts: WorkerFacts) -> None:
        text = WORKER.encode(facts)

        def report(connection: Connection) -> None:
            now = clock(connection)
            new = insert_into(connection, training_workers).values(id=facts.id, seen_s=now, worker=text)
            seen = new.on_conflict_do_update(
                index_elements=[training_workers.c.id],
                set_={"seen_s": new.excluded.seen_s, "worker": new.excluded.worker},
            )
            connection.execute(seen)
            gone = training_workers.c.seen_s < now - _FORGOTTEN_S
            connection.execute(delete(training_workers).where(gone))

        await self._database.write(report)

    async def alive(self, within_s: float) -> list[WorkerFacts]:
        def alive(connection: Connection) -> list[WorkerFacts]:
            seen = training_workers.c.seen_s >= clock(connection) - within_s
            question = select(training_workers.c.worker).where(seen).order_by(training_workers.c.id)
            return [one for text in connection.scalars(question) for one in _readable(text)]

        return await self._database.read(alive)

    async def backlog(self) -> Backlog:
        live = ~dataset_versions.c.deleted
        accepted = and_(live, dataset_versions.c.kept == Kept.ACCEPTED.value)
        unpushed = and_(live, dataset_versions.c.kept == Kept.VERSIONED.value)
        # A question for each step is counted in the index.
        steps = [accepted, and_(dataset_versions.c.deleted), *([unpushed] if self._remote else [])]
        failing = and_(unpushed, dataset_versions.c.attempts > 0)

        def backlog(connection: Connection) -> Backlog:
            return Backlog(
                queued=_count(connection, training_jobs, _in_state(JobState.QUEUED)),
                running=_count(connection, training_jobs, _in_state(JobState.RUNNING)),
                datasets_due=sum(_count(connection, dataset_versions, step) for step in steps),
                pushes_failing=_count(connection, dataset_versions, failing) if self._remote else 0,
                registry_tasks=_count(connection, registry_tasks),
            )

        return await self._database.read(backlog)


def _readable(text: str) -> Iterator[WorkerFacts]:
    """Nothing of a worker of another version, which says it in its own way: the others are there."""
    with suppress(StoreUnavailable):
        yield WORKER.decode(text)


def _in_state(state: JobState) -> ColumnElement[bool]:
    return training_jobs.c.state == state.value


def _count(connection: Connection, table: Table, *which: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(*which)) or 0
