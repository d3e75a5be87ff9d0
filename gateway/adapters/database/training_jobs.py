"""Training jobs as callers start, see and cancel them."""

from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, insert, literal, select, tuple_

from gateway.adapters.database.codec import REQUEST
from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import in_use
from gateway.adapters.database.job_rows import cancel, change, job_of, listed, locked, metrics_text
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.locks import TRAININGS, alone
from gateway.adapters.database.tables import Utc
from gateway.adapters.database.training_tables import dataset_versions, training_events, training_jobs
from gateway.errors import Conflict, InvalidRequest, NotFound, RateLimited
from gateway.records import Once
from gateway.training.facts import JobEvent, JobState, TrainingJob

_OPEN = [state.value for state in JobState if not state.over]
_LISTED = [column for column in training_jobs.c if column.name != "features"]
_NEWEST_FIRST = (training_jobs.c.created_at.desc(), training_jobs.c.id.desc())


class DatabaseJobs:
    """Implements JobShelf."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, job: TrainingJob, note: str, once: Once | None, most_open: int) -> TrainingJob:
        row = _row(job, once)

        def add(connection: Connection) -> TrainingJob:
            alone(connection, TRAININGS, job.key_id)
            if once is not None and (made := _made(connection, job.key_id, once)) is not None:
                return made
            mine = select(func.count()).where(
                training_jobs.c.key_id == job.key_id, training_jobs.c.state.in_(_OPEN)
            )
            if (connection.scalar(mine) or 0) >= most_open:
                raise RateLimited(
                    f"The key has {most_open} training jobs that are not over.", retry_after=60.0
                )
            # Who deletes the data set waits for this row, or we for them.
            asked = in_use(job.request.dataset, job.request.dataset_version)
            there = select(dataset_versions.c.version).where(asked).with_for_update(read=True)
            if connection.scalar(there) is None:
                raise NotFound("There is no data set of that name and version.", param="dataset")
            connection.execute(insert(training_jobs), row)
            change(connection, locked(connection, training_jobs.c.id == job.id), note)
            return _one(connection, job.id)

        return await self._database.write(add)

    async def made(self, key_id: str, once: Once) -> TrainingJob | None:
        return await self._database.read(lambda connection: _made(connection, key_id, once))

    async def get(self, job_id: str) -> TrainingJob:
        return await self._database.read(lambda connection: _one(connection, job_id))

    async def find(
        self, model: str | None, state: JobState | None, after: str | None, limit: int
    ) -> list[TrainingJob]:
        question = select(*_LISTED).order_by(*_NEWEST_FIRST).limit(limit)
        if model is not None:
            question = question.where(training_jobs.c.model == model)
        if state is not None:
            question = question.where(training_jobs.c.state == state.value)

        def page(connection: Connection) -> list[TrainingJob]:
            if after is None:
                return [listed(row) for row in connection.execute(question)]
            at = connection.scalar(select(training_jobs.c.created_at).where(training_jobs.c.id == after))
            if at is None:
                raise InvalidRequest("There is no job of that id to go on from.", param="after")
            behind = tuple_(literal(at, Utc), literal(after, training_jobs.c.id.type))
            older = tuple_(training_jobs.c.created_at, training_jobs.c.id) < behind
            return [listed(row) for row in connection.execute(question.where(older))]

        return await self._database.read(page)

    async def events(self, job_id: str, after: int, limit: int) -> list[JobEvent]:
        question = select(training_events).where(
            training_events.c.job_id == job_id, training_events.c.number > after
        )
        question = question.order_by(training_events.c.number).limit(limit)

        def events(connection: Connection) -> list[JobEvent]:
            found = [_event(row) for row in connection.execute(question)]
            if not found:
                _there(connection, job_id)
            return found

        return await self._database.read(events)

    async def cancel(self, job_id: str) -> TrainingJob:
        def end(connection: Connection) -> TrainingJob:
            row = locked(connection, training_jobs.c.id == job_id)
            if row is None:
                raise _none()
            if row.state == JobState.QUEUED or (row.state == JobState.RUNNING and _lost(connection, row)):
                cancel(connection, row)
            elif row.state == JobState.RUNNING and not row.cancelling:
                change(connection, row, "Its cancellation was asked for.", cancelling=True)
            return _one(connection, job_id)

        return await self._database.write(end)

    async def delete(self, job_id: str) -> None:
        def forget(connection: Connection) -> None:
            row = locked(connection, training_jobs.c.id == job_id)
            if row is None:
                raise _none()
            if not JobState(row.state).over:
                raise Conflict("The training job is not over: cancel it first.")
            connection.execute(delete(training_jobs).where(training_jobs.c.id == job_id))

        await self._database.write(forget)


def _row(job: TrainingJob, once: Once | None) -> dict[str, object]:
    return {
        "id": job.id,
        "key_id": job.key_id,
        "model": job.request.model,
        "dataset": job.request.dataset,
        "dataset_version": job.request.dataset_version,
        "created_at": job.created_at,
        "state": job.state.value,
        "stage": job.stage,
        "progress": job.progress,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "attempts": job.attempts,
        "cancelling": job.cancelling,
        "error_code": job.error_code,
        "error": job.error,
        "model_version": job.model_version,
        "metrics": metrics_text(job.metrics),
        "until_s": 0.0,
        "events": 0,
        "idempotency_key": once.key if once else None,
        "body_hash": once.body_hash if once else None,
        "request": REQUEST.encode(replace(job.request, features=())),
        "feature_count": len(job.request.features),
        "features": orjson.dumps(job.request.features).decode(),
    }


def _lost(connection: Connection, row: Any) -> bool:
    """Whether the worker that has it is gone: nobody else may be there to end it."""
    gone = select(training_jobs.c.id).where(
        training_jobs.c.id == row.id, training_jobs.c.until_s <= clock(connection)
    )
    return connection.scalar(gone) is not None


def _made(connection: Connection, key_id: str, once: Once) -> TrainingJob | None:
    question = select(training_jobs.c.id, training_jobs.c.body_hash).where(
        training_jobs.c.key_id == key_id, training_jobs.c.idempotency_key == once.key
    )
    row = connection.execute(question).first()
    if row is None:
        return None
    if row.body_hash != once.body_hash:
        raise Conflict("This idempotency key was used for another request.", param="Idempotency-Key")
    return _one(connection, row.id)


def _one(connection: Connection, job_id: str) -> TrainingJob:
    row = connection.execute(select(training_jobs).where(training_jobs.c.id == job_id)).first()
    if row is None:
        raise _none()
    return job_of(row)


def _there(connection: Connection, job_id: str) -> None:
    if connection.scalar(select(training_jobs.c.id).where(training_jobs.c.id == job_id)) is None:
        raise _none()


def _none() -> NotFound:
    return NotFound("There is no training job of that id.", param="id")


def _event(row: Any) -> JobEvent:
    return JobEvent(row.number, row.at, JobState(row.state), row.stage, row.progress, row.message)
