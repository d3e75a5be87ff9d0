"""Batches as they are handed in and asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, func, insert, literal, select, tuple_

from gateway.adapters.database.codec import ITEM
from gateway.adapters.database.database import Database
from gateway.adapters.database.locks import BATCHES, alone
from gateway.adapters.database.tables import Utc, batch_items, batches
from gateway.batch.queue import Batch, Item, ItemState, Refused
from gateway.batch.rows import Format, entry_of
from gateway.domain import Role
from gateway.errors import Conflict, InvalidRequest, NotFound, RateLimited
from gateway.records import Once


class DatabaseShelf:
    """Implements Shelf."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, batch: Batch, items: Sequence[Item | Refused], once: Once | None, most_open: int
    ) -> Batch:
        row = {
            "id": batch.id,
            "key_id": batch.key_id,
            "role": batch.role.value,
            "format": batch.format.value,
            "created_at": batch.created_at,
            "expires_at": batch.expires_at,
            "ended_at": None if any(isinstance(one, Item) for one in items) else batch.created_at,
            "idempotency_key": once.key if once else None,
            "body_hash": once.body_hash if once else None,
        }
        rows = [_item_row(batch.id, position, one) for position, one in enumerate(items)]

        def add(connection: Connection) -> Batch:
            alone(connection, BATCHES, batch.key_id)
            if once is not None and (made := _made(connection, batch.key_id, once)) is not None:
                return made
            mine = select(func.count()).where(batches.c.key_id == batch.key_id, batches.c.ended_at.is_(None))
            if (connection.scalar(mine) or 0) >= most_open:
                raise RateLimited(f"The key has {most_open} batches that are not over.", retry_after=60.0)
            connection.execute(insert(batches), row)
            connection.execute(insert(batch_items), rows)
            return _one(connection, batch.id)

        return await self._database.write(add)

    async def made(self, key_id: str, once: Once) -> Batch | None:
        return await self._database.read(lambda connection: _made(connection, key_id, once))

    async def get(self, batch_id: str) -> Batch:
        return await self._database.read(lambda connection: _one(connection, batch_id))

    async def find(self, key_id: str | None, after: str | None, limit: int) -> list[Batch]:
        def page(connection: Connection) -> list[Batch]:
            question = select(batches)
            if key_id is not None:
                question = question.where(batches.c.key_id == key_id)
            if after is not None:
                at = connection.scalar(select(batches.c.created_at).where(batches.c.id == after))
                if at is None:
                    raise InvalidRequest("There is no batch of that id to go on from.", param="after")
                behind = tuple_(literal(at, Utc), literal(after, batches.c.id.type))
                question = question.where(tuple_(batches.c.created_at, batches.c.id) < behind)
            newest_first = question.order_by(batches.c.created_at.desc(), batches.c.id.desc())
            rows = connection.execute(newest_first.limit(limit)).all()
            counts = _counts(connection, [row.id for row in rows])
            return [_batch(row, counts.get(row.id, {})) for row in rows]

        return await self._database.read(page)


def _item_row(batch_id: str, position: int, item: Item | Refused) -> dict[str, object]:
    refused = isinstance(item, Refused)
    return {
        "batch_id": batch_id,
        "position": position,
        "custom_id": item.custom_id,
        "state": (ItemState.FAILED if refused else ItemState.OPEN).value,
        "item": None if isinstance(item, Refused) else ITEM.encode(item),
        "outcome": orjson.dumps(entry_of(item.failure)).decode() if isinstance(item, Refused) else None,
        "owner": None,
        "until_s": 0.0,
        "tries": 0,
    }


def _made(connection: Connection, key_id: str, once: Once) -> Batch | None:
    question = select(batches.c.id, batches.c.body_hash)
    question = question.where(batches.c.key_id == key_id, batches.c.idempotency_key == once.key)
    row = connection.execute(question).first()
    if row is None:
        return None
    if row.body_hash != once.body_hash:
        raise Conflict("This idempotency key was used for another request.", param="Idempotency-Key")
    return _one(connection, row.id)


def _one(connection: Connection, batch_id: str) -> Batch:
    row = connection.execute(select(batches).where(batches.c.id == batch_id)).first()
    if row is None:
        raise NotFound("There is no batch of that id.", param="id")
    return _batch(row, _counts(connection, [batch_id]).get(batch_id, {}))


def _counts(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each batch: how many items are in each state, and how many are under way."""
    question = select(
        batch_items.c.batch_id, batch_items.c.state, func.count(), func.count(batch_items.c.owner)
    ).where(batch_items.c.batch_id.in_(ids))
    counts: dict[str, dict[str, Any]] = {}
    for batch_id, state, items, owned in connection.execute(
        question.group_by(batch_items.c.batch_id, batch_items.c.state)
    ):
        counts.setdefault(batch_id, {})[state] = (items, owned)
    return counts


def _batch(row: Any, counts: Mapping[str, tuple[int, int]]) -> Batch:
    return Batch(
        id=row.id,
        key_id=row.key_id,
        role=Role(row.role),
        format=Format(row.format),
        created_at=row.created_at,
        expires_at=row.expires_at,
        cancelled_at=row.cancelled_at,
        ended_at=row.ended_at,
        items={ItemState(state): items for state, (items, _) in counts.items()},
        begun=any(state != ItemState.OPEN or owned for state, (_, owned) in counts.items()),
    )
