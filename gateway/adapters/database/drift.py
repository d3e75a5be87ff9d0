"""References and comparisons as people keep them, ask for them and see them."""

from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, select, tuple_, update

from gateway.adapters.database.database import Database
from gateway.adapters.database.drawing import BY_TIME, LIVE, drawn, live
from gateway.adapters.database.drift_rows import OPEN, no_reference, queue, reference_of, run_of
from gateway.adapters.database.drift_tables import drift_references, drift_runs, traffic
from gateway.adapters.database.tables import Utc
from gateway.drift.facts import DriftRun, ModelTraffic, Reference, RunState
from gateway.errors import Conflict, InvalidRequest, NotFound

_MOST_COUNTED = 10_000  # observations of a model: 1 ms with SQLite, 4 with PostgreSQL, however many there are
_COPIED = [column for column in traffic.c if column.name not in ("number", "reference_id")]
_NEWEST_REFERENCE = (drift_references.c.created_at.desc(), drift_references.c.id.desc())
_NEWEST_RUN = (drift_runs.c.created_at.desc(), drift_runs.c.id.desc())
_OVER = drift_runs.c.state.not_in(OPEN)
_ANSWERED = drift_runs.c.state.in_([RunState.SUCCEEDED.value, RunState.SKIPPED.value])
_SUCCEEDED = drift_runs.c.state == RunState.SUCCEEDED.value


class DatabaseDrift:
    """Implements DriftShelf."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, reference: Reference, most: int) -> Reference:
        # Chosen before anything is locked: the writer is everybody's, and a large window takes a while.
        which = live(reference.model, reference.window)
        _, numbers = await self._database.read(lambda connection: drawn(connection, which, most))

        def keep(connection: Connection) -> Reference:
            connection.execute(insert(drift_references), _row(reference))
            copied = replace(reference, rows=_copied(connection, reference.id, numbers))
            if not copied.rows:
                raise NotFound("No observation of the model lies in that window.", param="model")
            this = drift_references.c.id == reference.id
            connection.execute(update(drift_references).where(this).values(rows=copied.rows))
            return copied

        return await self._database.write(keep)

    async def references(self, model: str | None, limit: int) -> list[Reference]:
        question = select(drift_references).order_by(*_NEWEST_REFERENCE).limit(limit)
        if model is not None:
            question = question.where(drift_references.c.model == model)
        return await self._database.read(
            lambda connection: [reference_of(row) for row in connection.execute(question)]
        )

    async def newest_reference(self, model: str) -> Reference | None:
        return await self._database.read(lambda connection: _reference(connection, model))

    async def forget(self, reference_id: str) -> None:
        this = drift_references.c.id == reference_id
        needing = select(drift_runs.c.id).where(
            drift_runs.c.state.in_(OPEN), drift_runs.c.reference_id == reference_id
        )

        def forget(connection: Connection) -> None:
            # A run that is being queued waits for this row, or we for it.
            locked = select(drift_references.c.id).where(this).with_for_update()
            if connection.scalar(locked) is None:
                raise no_reference()
            if connection.scalar(needing.limit(1)) is not None:
                raise Conflict("A comparison that is not over needs this reference.")
            connection.execute(delete(drift_references).where(this))  # its observations go with it

        await self._database.write(forget)

    async def add(self, run: DriftRun) -> DriftRun:
        return await self._database.write(lambda connection: queue(connection, run))

    async def get(self, run_id: str) -> DriftRun:
        def get(connection: Connection) -> DriftRun:
            row = connection.execute(select(drift_runs).where(drift_runs.c.id == run_id)).first()
            if row is None:
                raise NotFound("There is no comparison of that id.", param="id")
            return run_of(row)

        return await self._database.read(get)

    async def find(self, model: str | None, after: str | None, limit: int) -> list[DriftRun]:
        question = select(drift_runs).order_by(*_NEWEST_RUN).limit(limit)
        if model is not None:
            question = question.where(drift_runs.c.model == model)

        def page(connection: Connection) -> list[DriftRun]:
            if after is None:
                return [run_of(row) for row in connection.execute(question)]
            at = connection.scalar(select(drift_runs.c.created_at).where(drift_runs.c.id == after))
            if at is None:
                raise InvalidRequest("There is no comparison of that id to go on from.", param="after")
            behind = tuple_(literal(at, Utc), literal(after, drift_runs.c.id.type))
            older = tuple_(drift_runs.c.created_at, drift_runs.c.id) < behind
            return [run_of(row) for row in connection.execute(question.where(older))]

        return await self._database.read(page)

    async def traffic(self) -> list[ModelTraffic]:
        def traffic(connection: Connection) -> list[ModelTraffic]:
            kept = connection.scalars(select(drift_references.c.model).distinct())
            return [_traffic(connection, model) for model in sorted({*_seen(connection), *kept})]

        return await self._database.read(traffic)


def _row(reference: Reference) -> dict[str, object]:
    return {
        "id": reference.id,
        "model": reference.model,
        "since": reference.window.since,
        "until": reference.window.until,
        "created_at": reference.created_at,
        "key_id": reference.key_id,
        "rows": 0,
    }


def _copied(connection: Connection, reference_id: str, numbers: list[int]) -> int:
    """How many of the observations are still there, and are the reference's now too."""
    copies = select(*_COPIED, literal(reference_id, drift_references.c.id.type))
    copies = copies.where(LIVE, traffic.c.number.in_(numbers)).order_by(traffic.c.at, traffic.c.number)
    put = insert(traffic).from_select([*(column.name for column in _COPIED), "reference_id"], copies)
    return connection.execute(put, execution_options={"preserve_rowcount": True}).rowcount


def _reference(connection: Connection, model: str) -> Reference | None:
    question = select(drift_references).where(drift_references.c.model == model)
    row = connection.execute(question.order_by(*_NEWEST_REFERENCE).limit(1)).first()
    return None if row is None else reference_of(row)


def _seen(connection: Connection) -> list[str]:
    """Models of the live traffic, by name. A step on the index for each: neither engine does so for DISTINCT,
    which reads every row."""
    seen: list[str] = []
    behind: ColumnElement[bool] = LIVE
    question = select(traffic.c.model).order_by(*BY_TIME[:2]).limit(1)
    while (model := connection.scalar(question.where(LIVE, behind))) is not None:
        seen.append(model)
        behind = traffic.c.model > model
    return seen


def _traffic(connection: Connection, model: str) -> ModelTraffic:
    its = select(traffic.c.at).where(LIVE, traffic.c.model == model)
    counted = select(func.count()).select_from(its.limit(_MOST_COUNTED).subquery())
    # Mostly the newest run is all three, and one question is asked.
    last = answered = _newest(connection, model, _OVER)
    if last is not None and last.state is RunState.FAILED:
        answered = _newest(connection, model, _ANSWERED)
    finding = answered
    if answered is not None and answered.state is not RunState.SUCCEEDED:
        finding = _newest(connection, model, _SUCCEEDED)
    return ModelTraffic(
        model=model,
        rows=connection.scalar(counted) or 0,
        oldest=connection.scalar(its.order_by(*BY_TIME).limit(1)),
        newest=connection.scalar(its.order_by(*(column.desc() for column in BY_TIME)).limit(1)),
        reference=_reference(connection, model),
        last_run=last,
        last_finding=finding,
        answered_at=None if answered is None else answered.ended_at,
    )


def _newest(connection: Connection, model: str, which: ColumnElement[bool]) -> DriftRun | None:
    question = select(drift_runs).where(drift_runs.c.model == model, which)
    row = connection.execute(question.order_by(*_NEWEST_RUN).limit(1)).first()
    return None if row is None else run_of(row)
