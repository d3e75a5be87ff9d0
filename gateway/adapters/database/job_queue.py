"""Which worker trains which job, and what came of it.

A job that is running has an owner, whose it is until `until_s`.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from gateway.adapters.database.database import Database
from gateway.adapters.database.job_rows import cancel, change, job_of, locked, metrics_text
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.locks import MODELS, alone
from gateway.adapters.database.model_rows import put
from gateway.adapters.database.training_tables import training_jobs
from gateway.errors import StoreUnavailable
from gateway.training.facts import JobState, ModelVersion, TrainingJob

_QUEUED = training_jobs.c.state == JobState.QUEUED.value
_RUNNING = training_jobs.c.state == JobState.RUNNING.value
_OLDEST_FIRST = (training_jobs.c.created_at, training_jobs.c.id)
_NEVER = datetime.min.replace(tzinfo=UTC)
_NOBODY = "nobody"
_WORKER_DIED = "The workers that trained it died."


class DatabaseJobQueue:
    """Implements JobQueue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lease(self, owner: str, most: int, lease_s: float, most_attempts: int) -> list[TrainingJob]:
        def lease(connection: Connection) -> list[TrainingJob]:
            leased: list[TrainingJob] = []
            for lost in _free(connection, _lost(connection), most):
                if lost.cancelling:
                    cancel(connection, lost)
                elif lost.attempts >= most_attempts:
                    failed = {"state": JobState.FAILED.value, "error_code": "worker_died"}
                    change(connection, lost, _WORKER_DIED, **failed, error=_WORKER_DIED)
                else:
                    leased += _taken(connection, lost, owner, lease_s)
            for _ in range(most - len(leased)):
                for queued in _next(connection):
                    leased += _taken(connection, queued, owner, lease_s)
            return leased

        # What is mostly so, nothing to do, takes no lock.
        if not await self._database.read(_some):
            return []
        return await self._database.write(lease)

    async def renew(
        self, owner: str, lease_s: float, job_ids: Collection[str] | None = None
    ) -> frozenset[str]:
        mine = and_(_RUNNING, training_jobs.c.owner == owner)
        if job_ids is not None:
            mine = and_(mine, training_jobs.c.id.in_(job_ids))

        def renew(connection: Connection) -> frozenset[str]:
            renewed = update(training_jobs).where(mine).values(until_s=clock(connection) + lease_s)
            connection.execute(renewed)
            leaving = select(training_jobs.c.id).where(mine, training_jobs.c.cancelling)
            return frozenset(connection.scalars(leaving))

        return await self._database.write(renew)

    async def report(self, job_id: str, owner: str, stage: str, progress: float, message: str) -> bool:
        def report(connection: Connection) -> bool:
            row = locked(connection, _of(job_id, owner))
            if row is not None:
                change(connection, row, message, stage=stage, progress=progress)
            return row is not None

        return await self._database.write(report)

    async def succeed(self, job_id: str, owner: str, made: ModelVersion) -> bool:
        def succeed(connection: Connection) -> bool:
            alone(connection, MODELS)
            row = locked(connection, _of(job_id, owner))
            if row is None:
                return False
            put(connection, made, promoted=job_of(row).request.promote)
            change(
                connection,
                row,
                f"Version {made.version} of the model is registered.",
                state=JobState.SUCCEEDED.value,
                progress=1.0,
                model_version=made.version,
                metrics=metrics_text(made.metrics),
            )
            return True

        return await self._database.write(succeed)

    async def end(self, job_id: str, owner: str, state: JobState, code: str, error: str) -> bool:
        def end(connection: Connection) -> bool:
            row = locked(connection, _of(job_id, owner))
            if row is not None:
                change(connection, row, error, state=state.value, error_code=code, error=error)
            return row is not None

        return await self._database.write(end)

    async def give_back(self, owner: str, keep: Collection[str] = ()) -> None:
        mine = and_(_RUNNING, training_jobs.c.owner == owner, training_jobs.c.id.not_in(keep))

        def give_back(connection: Connection) -> None:
            for row in _free(connection, mine, None):
                if row.cancelling:
                    cancel(connection, row)
                    continue
                # Not an attempt: nobody has died over it.
                back = {"state": JobState.QUEUED.value, "stage": "queued", "progress": 0.0, "owner": None}
                message = "Its worker stops: the training waits for another one."
                change(connection, row, message, **back, until_s=0.0, attempts=max(0, row.attempts - 1))

        await self._database.write(give_back)


def _of(job_id: str, owner: str) -> ColumnElement[bool]:
    return and_(training_jobs.c.id == job_id, _RUNNING, training_jobs.c.owner == owner)


def _lost(connection: Connection) -> ColumnElement[bool]:
    """Running for nobody any more: its worker has not renewed its lease."""
    return and_(_RUNNING, training_jobs.c.until_s <= clock(connection))


def _some(connection: Connection) -> bool:
    """Whether anything waits. A question for each state is read off the index in this order."""
    return any(
        connection.scalar(select(training_jobs.c.id).where(which).order_by(*_OLDEST_FIRST).limit(1))
        for which in (_lost(connection), _QUEUED)
    )


def _next(connection: Connection) -> list[Any]:
    """The queued job whose turn it is, locked, or none: the oldest one of the key that has the fewest
    running, and of several such keys of the one whose last training began longest ago. Behind one
    key's long queue nobody waits."""
    theirs = training_jobs.alias()
    of_key = theirs.c.key_id == training_jobs.c.key_id
    running = select(func.count()).where(of_key, theirs.c.state == JobState.RUNNING.value)
    last = select(func.max(theirs.c.started_at)).where(of_key)
    question = select(
        training_jobs.c.key_id,
        running.scalar_subquery().label("running"),
        last.scalar_subquery().label("last"),
        func.min(training_jobs.c.created_at).label("oldest"),
    )
    keys = connection.execute(question.where(_QUEUED).group_by(training_jobs.c.key_id)).all()
    for key in sorted(keys, key=lambda key: (key.running, key.last or _NEVER, key.oldest)):
        if found := _free(connection, and_(_QUEUED, training_jobs.c.key_id == key.key_id), 1):
            return found
    return []


def _free(connection: Connection, which: ColumnElement[bool], most: int | None) -> list[Any]:
    """The oldest of them, locked; what another worker is taking is passed over."""
    question = select(training_jobs).where(which).order_by(*_OLDEST_FIRST).limit(most)
    return list(connection.execute(question.with_for_update(skip_locked=True)).all())


def _taken(connection: Connection, row: Any, owner: str, lease_s: float) -> list[TrainingJob]:
    """The job, which is the owner's now; none when it cannot be read."""
    again = f"Attempt {row.attempts + 1}: the worker before was lost."
    message = again if row.attempts else "A worker has begun."
    now = datetime.now(UTC)
    taken = {"state": JobState.RUNNING.value, "stage": "preparing", "progress": 0.0}
    taken |= {"attempts": row.attempts + 1, "started_at": row.started_at or now}
    try:
        job_of(row)
    except StoreUnavailable:
        # Of another version's making: it must not stop the others. Nobody renews its lease, so it is tried
        # again, by whoever, and given up after some attempts.
        owner = _NOBODY
    change(connection, row, message, **taken, owner=owner, until_s=clock(connection) + lease_s)
    changed = locked(connection, training_jobs.c.id == row.id)
    return [] if owner == _NOBODY else [job_of(changed)]
