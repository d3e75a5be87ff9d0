"""Facts of drift to keep."""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift_tables import traffic
from gateway.drift.facts import DriftRun, Reference, Window

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


async def noted(database: Database, model: str, minutes: Iterable[float], **cells: Any) -> None:
    """Live observations so many minutes after noon; each minute is the text's length too."""
    rows = [
        {
            "at": at(minute), "model": model, "version": "1", "reference_id": None,
            "text_length": int(minute), "language": "ru", "label": None, "score": 0.5, "confidence": None,
            "embedding": b"half", **cells,
        }
        for minute in minutes
    ]  # fmt: skip
    await database.write(lambda connection: connection.execute(insert(traffic), rows))


def reference(model: str = "spam", window: Window = DAY, minutes: float = 0, **changes: Any) -> Reference:
    """Kept so many minutes after noon."""
    made = {"id": f"ref_{uuid.uuid4().hex}", "key_id": "ann", "rows": 0, **changes}
    return Reference(model=model, window=window, created_at=at(minutes), **made)


def run(of: Reference, minutes: float = 0, **changes: Any) -> DriftRun:
    """Asked for so many minutes after noon."""
    made = {"id": f"drift_{uuid.uuid4().hex}", "key_id": "ann", **changes}
    return DriftRun(model=of.model, reference_id=of.id, window=DAY, created_at=at(minutes), **made)
