"""The audit of what was changed: rows are added, and deleted when they are old; none is ever updated."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, literal, select, tuple_

from gateway.adapters.database.database import Database
from gateway.adapters.database.tables import Utc, audit, audit_outcomes
from gateway.audit import Action, AuditQuery, Entry
from gateway.errors import InvalidRequest

_BATCH = 1000  # entries in one transaction
_NEWEST = (audit.c.created_at.desc(), audit.c.id.desc())
_ENTRIES = select(
    audit.c.id,
    audit.c.created_at,
    audit.c.key_id,
    audit.c.action,
    func.coalesce(audit_outcomes.c.object, audit.c.object).label("object"),
    audit.c.request_id,
    audit_outcomes.c.ended_at,
    audit_outcomes.c.outcome,
).outerjoin(audit_outcomes, audit_outcomes.c.entry_id == audit.c.id)


class DatabaseTrail:
    """Implements Trail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, entry: Entry) -> None:
        row = {
            "id": entry.id,
            "created_at": entry.created_at,
            "key_id": entry.key_id,
            "action": entry.action.value,
            "object": entry.object,
            "request_id": entry.request_id,
        }
        await self._database.write(lambda connection: connection.execute(insert(audit), row))

    async def end(self, entry_id: str, ended_at: datetime, outcome: str, what: str | None) -> None:
        row = {"entry_id": entry_id, "ended_at": ended_at, "outcome": outcome, "object": what}
        await self._database.write(lambda connection: connection.execute(insert(audit_outcomes), row))

    async def find(self, query: AuditQuery) -> list[Entry]:
        question = _ENTRIES.order_by(*_NEWEST).limit(query.limit)
        if query.action is not None:
            question = question.where(audit.c.action == query.action.value)
        if query.key_id is not None:
            question = question.where(audit.c.key_id == query.key_id)
        if query.since is not None:
            question = question.where(audit.c.created_at >= query.since)

        def page(connection: Connection) -> list[Entry]:
            if query.after is None:
                return [_entry(row) for row in connection.execute(question)]
            at = connection.scalar(select(audit.c.created_at).where(audit.c.id == query.after))
            if at is None:
                raise InvalidRequest("There is no entry of that id to go on from.", param="after")
            behind = tuple_(literal(at, Utc), literal(query.after, audit.c.id.type))
            older = tuple_(audit.c.created_at, audit.c.id) < behind
            return [_entry(row) for row in connection.execute(question.where(older))]

        return await self._database.read(page)

    async def forget(self, before: datetime) -> int:
        old = select(audit.c.id).where(audit.c.created_at < before).order_by(audit.c.created_at).limit(_BATCH)
        forgotten = 0
        while True:
            deleted = await self._database.write(
                lambda connection: connection.execute(delete(audit).where(audit.c.id.in_(old))).rowcount
            )
            forgotten += deleted
            if deleted < _BATCH:
                return forgotten


def _entry(row: Any) -> Entry:
    return Entry(
        row.id,
        row.created_at,
        row.key_id,
        Action(row.action),
        row.object,
        row.request_id,
        row.ended_at,
        row.outcome,
    )
