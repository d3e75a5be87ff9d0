"""Rows of references and comparisons: how one is read, and how a comparison is queued."""

from typing import Any

from sqlalchemy import Connection, select

from gateway.adapters.database.codec import DRIFT_RUN
from gateway.adapters.database.drift_tables import drift_references, drift_runs
from gateway.adapters.database.rows import insert_into, inserted
from gateway.drift.facts import DriftRun, Reference, RunState, Window
from gateway.errors import NotFound

OPEN = [state.value for state in RunState if not state.over]


def reference_of(row: Any) -> Reference:
    window = Window(row.since, row.until)
    return Reference(row.id, row.model, window, row.created_at, row.key_id, row.rows)


def run_of(row: Any) -> DriftRun:
    """Raises StoreUnavailable when it cannot be read."""
    return DRIFT_RUN.decode(row.run)


def run_values(run: DriftRun) -> dict[str, object]:
    """Its columns but for the lease."""
    return {
        "id": run.id,
        "model": run.model,
        "reference_id": run.reference_id,
        "created_at": run.created_at,
        "state": run.state.value,
        "attempts": run.attempts,
        "report": run.report,
        "run": DRIFT_RUN.encode(run),
    }


def queue(connection: Connection, run: DriftRun) -> DriftRun:
    """The run, queued now, or the one of its model that waits already. Raises NotFound when its reference is
    gone."""
    # Who deletes the reference waits for this row's lock, or we for them.
    needed = select(drift_references.c.id).where(drift_references.c.id == run.reference_id)
    if connection.scalar(needed.with_for_update(read=True, key_share=True)) is None:
        raise no_reference()
    waiting = select(drift_runs).where(
        drift_runs.c.model == run.model, drift_runs.c.state == RunState.QUEUED.value
    )
    while True:
        new = insert_into(connection, drift_runs).on_conflict_do_nothing()
        if inserted(connection, new, {**run_values(run), "owner": None, "until_s": 0.0}):
            return run
        if (row := connection.execute(waiting).first()) is not None:
            return run_of(row)
        # A worker has begun the one that was in the way.


def no_reference() -> NotFound:
    return NotFound("There is no reference of that id.", param="id")
