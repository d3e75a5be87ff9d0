"""Rows of training jobs: how one is read, and how one changes together with its log."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, insert, select, update

from gateway.adapters.database.codec import REQUEST
from gateway.adapters.database.training_tables import training_events, training_jobs
from gateway.training.facts import JobState, TrainingJob

MOST_EVENTS = 1000  # lines of a job's log; the last of them is kept for its end


def job_of(row: Any) -> TrainingJob:
    """Raises StoreUnavailable when it cannot be read."""
    job = listed(row)
    return replace(job, request=replace(job.request, features=tuple(orjson.loads(row.features))))


def listed(row: Any) -> TrainingJob:
    """Without its features. Raises as job_of()."""
    return TrainingJob(
        id=row.id,
        key_id=row.key_id,
        request=REQUEST.decode(row.request),
        created_at=row.created_at,
        state=JobState(row.state),
        progress=row.progress,
        stage=row.stage,
        started_at=row.started_at,
        ended_at=row.ended_at,
        attempts=row.attempts,
        cancelling=row.cancelling,
        error_code=row.error_code,
        error=row.error,
        model_version=row.model_version,
        metrics=orjson.loads(row.metrics),
        feature_count=row.feature_count,
    )


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """JSON has no other numbers: a metric that is none is left out."""
    return {name: value for name, value in metrics.items() if isfinite(value)}


def metrics_text(metrics: Mapping[str, float]) -> str:
    return orjson.dumps(finite(metrics)).decode()


def locked(connection: Connection, *which: ColumnElement[bool]) -> Any:
    """The row of one job that nobody else changes until the transaction's end; None: there is none."""
    return connection.execute(select(training_jobs).where(*which).with_for_update()).first()


def change(connection: Connection, row: Any, message: str, **values: object) -> None:
    """Changes a job whose row is locked, and writes the line that says so, while there is room for it."""
    now = datetime.now(UTC)
    state = JobState(str(values.get("state", row.state)))
    if state.over:
        values |= {"stage": "over", "ended_at": now, "owner": None, "cancelling": False}
    told = state.over or row.events < MOST_EVENTS - 1
    number = row.events + 1 if told else row.events
    this = update(training_jobs).where(training_jobs.c.id == row.id)
    connection.execute(this.values(**values, events=number))
    if told:
        line = {
            "job_id": row.id,
            "number": number,
            "at": now,
            "state": state.value,
            "stage": values.get("stage", row.stage),
            "progress": values.get("progress", row.progress),
            "message": message,
        }
        connection.execute(insert(training_events), line)


def cancel(connection: Connection, row: Any) -> None:
    """Ends a job that no worker has."""
    message = "The training was cancelled."
    change(connection, row, message, state=JobState.CANCELLED.value, error_code="cancelled", error=message)
