"""Which process grades which item of which batch, and what came of it.

An item that is under way has an owner, whose it is until `until_s`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, tuple_, update

from gateway.adapters.database.codec import ITEM
from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.tables import batch_items, batches
from gateway.batch.queue import Ended, ItemState, Leased
from gateway.batch.rows import Failure, Outcome, entry_of, outcome_of
from gateway.domain import Role
from gateway.errors import Code, StoreUnavailable

_MOST_TRIES = 5  # processes that may die over one item
_OPEN = batch_items.c.state == ItemState.OPEN.value
_ITEM = (batch_items.c.batch_id, batch_items.c.position)
_EXPIRED = Failure("expired", "The batch was not over in time.")
_FATAL = Failure(Code.INTERNAL.value, "The gateway fails over this item.")
_CANCELLED = Failure("cancelled", "The batch was cancelled before this item was begun.")
_NOBODY = "nobody"
_AT_ONCE = 20  # batches that take turns, the oldest ones
_ROUNDS = 5  # of looking, when another process has taken what was found
_FORGOTTEN = 20  # batches in one transaction, up to a thousand items each


class DatabaseQueue:
    """Implements Queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lease(self, owner: str, most: int, lease_s: float) -> list[Leased]:
        def lease(connection: Connection) -> list[Leased]:
            found = _taken(connection, most)
            if found:
                these = tuple_(*_ITEM).in_([(one.batch_id, one.position) for one in found])
                taken = {"owner": owner, "until_s": clock(connection) + lease_s}
                connection.execute(
                    update(batch_items).where(these).values(tries=batch_items.c.tries + 1, **taken)
                )
            leased = []
            for one in found:
                try:
                    item = ITEM.decode(one.item)
                except StoreUnavailable:
                    # Of another version's making: it must not stop the others. Nobody renews its lease, so it
                    # is tried again, by whoever, and given up after some tries.
                    this = (batch_items.c.batch_id == one.batch_id, batch_items.c.position == one.position)
                    connection.execute(update(batch_items).where(*this).values(owner=_NOBODY))
                    continue
                leased.append(Leased(one.batch_id, one.position, one.key_id, Role(one.role), item))
            return leased

        # What is mostly so, nothing to do, takes no lock.
        if not await self._database.read(lambda connection: _free(connection, 1)):
            return []
        return await self._database.write(lease)

    async def renew(self, owner: str, lease_s: float) -> None:
        mine = update(batch_items).where(_OPEN, batch_items.c.owner == owner)

        def renew(connection: Connection) -> None:
            connection.execute(mine.values(until_s=clock(connection) + lease_s))

        await self._database.write(renew)

    async def end(self, leased: Leased, owner: str, outcome: Outcome) -> bool:
        this = and_(batch_items.c.batch_id == leased.batch_id, batch_items.c.position == leased.position)
        mine = and_(_OPEN, this, batch_items.c.owner == owner)
        state = ItemState.FAILED if isinstance(outcome, Failure) else ItemState.GRADED
        values = _end_of(state, outcome)

        def end(connection: Connection) -> bool:
            # Of two that end a batch's last items at once, one must see that they were the last.
            lock = select(batches.c.id).where(batches.c.id == leased.batch_id).with_for_update()
            connection.execute(lock)
            ended = connection.execute(update(batch_items).where(mine).values(values)).rowcount > 0
            _close(connection, batches.c.id == leased.batch_id)
            return ended

        return await self._database.write(end)

    async def give_back(self, leased: Leased | None, owner: str, pause_s: float) -> None:
        mine = update(batch_items).where(_OPEN, batch_items.c.owner == owner)
        if leased is not None:
            mine = mine.where(
                batch_items.c.batch_id == leased.batch_id, batch_items.c.position == leased.position
            )

        def give_back(connection: Connection) -> None:
            until = clock(connection) + pause_s
            # Not a try: nobody has died over it.
            connection.execute(mine.values(owner=None, until_s=until, tries=0))

        await self._database.write(give_back)


class DatabaseResults:
    """Implements Results."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ended(self, batch_id: str, after: int, limit: int) -> list[Ended]:
        question = select(batch_items.c.position, batch_items.c.custom_id, batch_items.c.outcome).where(
            batch_items.c.batch_id == batch_id,
            batch_items.c.position > after,
            batch_items.c.outcome.is_not(None),
        )
        question = question.order_by(batch_items.c.position).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(question).all())
        return [_ended(row) for row in rows]

    async def cancel(self, batch_id: str) -> None:
        now = datetime.now(UTC)
        this = and_(batches.c.id == batch_id, batches.c.ended_at.is_(None))

        def cancel(connection: Connection) -> None:
            changed = update(batches).where(this, batches.c.cancelled_at.is_(None))
            if connection.execute(changed.values(cancelled_at=now)).rowcount:
                _end_idle(connection, ItemState.CANCELLED, _CANCELLED, this, paused=True)
                _close(connection, this)

        await self._database.write(cancel)

    async def sweep(self, keep_s: float) -> None:
        now = datetime.now(UTC)

        def sweep(connection: Connection) -> None:
            _end_idle(connection, ItemState.CANCELLED, _CANCELLED, batches.c.cancelled_at.is_not(None))
            _end_idle(connection, ItemState.EXPIRED, _EXPIRED, batches.c.expires_at <= now, paused=True)
            _end_idle(connection, ItemState.FAILED, _FATAL, batch_items.c.tries >= _MOST_TRIES)
            _close(connection)
            old = select(batches.c.id).where(batches.c.ended_at < now - timedelta(seconds=keep_s))
            connection.execute(delete(batches).where(batches.c.id.in_(old.limit(_FORGOTTEN))))

        await self._database.write(sweep)


def _free(connection: Connection, most: int) -> list[tuple[str, int]]:
    """Items that nobody has, the first of each batch before the second of any. A question for each batch
    reads a few rows off an index, 0.3 ms; one for all would sort every open item, 20 ms for 20,000."""
    waiting = select(batches.c.id).where(
        batches.c.ended_at.is_(None),
        batches.c.cancelled_at.is_(None),
        batches.c.expires_at > datetime.now(UTC),
    )
    oldest = list(connection.scalars(waiting.order_by(batches.c.created_at, batches.c.id).limit(_AT_ONCE)))
    places = []
    for age, batch_id in enumerate(oldest):
        of_batch = select(batch_items.c.position).where(
            _OPEN, batch_items.c.batch_id == batch_id, *_nobodys(connection)
        )
        first = connection.scalars(of_batch.order_by(batch_items.c.position).limit(most))
        places += [(position, age, batch_id) for position in first]
    return [(batch_id, position) for position, _, batch_id in sorted(places)[:most]]


def _taken(connection: Connection, most: int) -> Sequence[Any]:
    """Some that nobody has and, until the end of the transaction, nobody can have."""
    for _ in range(_ROUNDS):
        places = _free(connection, most)
        question = (
            select(*_ITEM, batch_items.c.item, batches.c.key_id, batches.c.role)
            .join_from(batch_items, batches)
            .where(_OPEN, tuple_(*_ITEM).in_(places), *_nobodys(connection))
            .order_by(batch_items.c.position, batches.c.created_at)
            .with_for_update(of=batch_items)
        )
        found = connection.execute(question).all()
        if found or not places:
            break
    return found


def _nobodys(connection: Connection) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return batch_items.c.until_s <= clock(connection), batch_items.c.tries < _MOST_TRIES


def _end_idle(
    connection: Connection,
    state: ItemState,
    outcome: Failure,
    which: ColumnElement[bool],
    *,
    paused: bool = False,
) -> None:
    """Ends open items that nobody has; with `paused` also those that nobody may have yet."""
    nobodys = batch_items.c.until_s <= clock(connection)
    if paused:
        nobodys = or_(nobodys, batch_items.c.owner.is_(None))
    found = select(*_ITEM).join_from(batch_items, batches).where(_OPEN, nobodys, which)
    connection.execute(update(batch_items).where(tuple_(*_ITEM).in_(found)).values(_end_of(state, outcome)))


def _close(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Batches without an open item are over."""
    items = select(batch_items.c.batch_id).where(batch_items.c.batch_id == batches.c.id, _OPEN)
    over = update(batches).where(batches.c.ended_at.is_(None), ~items.exists(), *which)
    connection.execute(over.values(ended_at=datetime.now(UTC)))


def _end_of(state: ItemState, outcome: Outcome) -> dict[str, object]:
    """What was asked is forgotten when it is answered."""
    text = orjson.dumps(entry_of(outcome)).decode()
    return {"state": state.value, "outcome": text, "item": None, "owner": None}


def _ended(row: Any) -> Ended:
    try:
        return Ended(row.position, row.custom_id, outcome_of(orjson.loads(row.outcome)))
    except (orjson.JSONDecodeError, KeyError):
        raise StoreUnavailable("A kept record cannot be read by this version of the gateway.") from None
