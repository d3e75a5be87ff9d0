"""The log of the traffic: live observations, and those that references have put aside."""

import struct
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select

from gateway.adapters.database.database import Database
from gateway.adapters.database.drawing import LIVE, drawn, live
from gateway.adapters.database.drift_rows import no_reference
from gateway.adapters.database.drift_tables import drift_references, traffic
from gateway.drift.facts import Observation, Window

_BATCH = 1_000  # observations in one transaction of prune: 17 ms with SQLite, 34 with PostgreSQL
_ASKED = 5_000  # rows by their numbers in one question; SQLite takes 32,766


class DatabaseTraffic:
    """Implements TrafficLog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, observations: Sequence[Observation]) -> None:
        rows = [_row(one) for one in observations]

        def add(connection: Connection) -> None:
            connection.execute(insert(traffic), rows)

        if rows:
            await self._database.write(add)

    async def read(self, model: str, window: Window, most: int) -> tuple[int, list[Observation]]:
        """How many observations lie in the window; and of them all, or `most` drawn evenly over it, oldest
        first. The same ones each time."""

        def read(connection: Connection) -> tuple[int, list[Row[Any]]]:
            there, numbers = drawn(connection, live(model, window), most)
            rows: list[Row[Any]] = []
            for first in range(0, len(numbers), _ASKED):
                rows += _rows(connection, traffic.c.number.in_(numbers[first : first + _ASKED]))
            return there, rows

        there, rows = await self._database.read(read)
        return there, [_observation(row) for row in rows]

    async def read_reference(self, reference_id: str) -> list[Observation]:
        """Raises NotFound."""
        known = select(drift_references.c.id).where(drift_references.c.id == reference_id)

        def read(connection: Connection) -> Sequence[Row[Any]]:
            if connection.scalar(known) is None:
                raise no_reference()
            return _rows(connection, traffic.c.reference_id == reference_id)

        return [_observation(row) for row in await self._database.read(read)]

    async def prune(self, before: datetime) -> int:
        """Deletes live observations older than that, a thousand at a time; references stay. Returns how
        many."""
        total = 0
        while deleted := await self._database.write(partial(prune_some, before=before)):
            total += deleted
        return total


def older(before: datetime) -> ColumnElement[bool]:
    """The live observations that prune deletes."""
    return and_(LIVE, traffic.c.at < before)


def prune_some(connection: Connection, before: datetime) -> int:
    """Deletes a thousand of them at most. Returns how many."""
    oldest = select(traffic.c.number).where(older(before)).order_by(traffic.c.at).limit(_BATCH)
    return connection.execute(delete(traffic).where(traffic.c.number.in_(oldest))).rowcount


def _rows(connection: Connection, which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    return connection.execute(select(traffic).where(which).order_by(traffic.c.at, traffic.c.number)).all()


def _row(observation: Observation) -> dict[str, object]:
    return {
        "at": observation.at,
        "model": observation.model,
        "version": observation.version,
        "text_length": observation.text_length,
        "language": observation.language,
        "label": observation.label,
        "score": observation.score,
        "confidence": observation.confidence,
        "embedding": None if observation.embedding is None else halves(observation.embedding),
    }


def _observation(row: Any) -> Observation:
    return Observation(
        at=row.at,
        model=row.model,
        version=row.version,
        text_length=row.text_length,
        language=row.language,
        label=row.label,
        score=row.score,
        confidence=row.confidence,
        embedding=None if row.embedding is None else _numbers(row.embedding),
    )


def halves(vector: Sequence[float]) -> bytes:
    """Half floats, little endian: half the bytes of single ones, and no number of a unit vector is off by
    more than 0.00025."""
    return struct.pack(f"<{len(vector)}e", *vector)


def _numbers(packed: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(packed) // 2}e", packed)
