"""What crosses the pipe between the engine and its process: JSON, with vectors as half floats."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gateway.drift.facts import ColumnDrift, Compared, Comparison, Observation
from gateway.drift.features import keepable

COLUMNS = ("text_length", "language", "label", "score", "confidence")


def question(comparison: Comparison, url: str, project: str) -> dict[str, Any]:
    return {
        "model": comparison.model,
        "reference": _side(comparison.reference),
        "current": _side(comparison.current),
        "url": url,
        "project": project,
    }


def compared_json(compared: Compared) -> dict[str, Any]:
    return {
        "columns": [asdict(one) for one in compared.columns],
        "html": base64.b64encode(compared.html).decode("ascii"),
        "notes": dict(compared.notes),
    }


def read_compared(told: Any) -> Compared:
    columns = tuple(ColumnDrift(**one) for one in told["columns"])
    drifted = any(one.drifted for one in columns)
    return Compared(columns, drifted, base64.b64decode(told["html"]), told["notes"])


def _side(observations: Sequence[Observation]) -> dict[str, list[Any]]:
    side: dict[str, list[Any]] = {name: [getattr(one, name) for one in observations] for name in COLUMNS}
    side["embedding"] = [_halves(one.embedding) for one in observations]
    return side


def _halves(embedding: Sequence[float] | None) -> str | None:
    """Little endian: 1.5 kB for 768 figures where decimals take 8, and a fifth of the time. One that is none
    costs its own row a value, not the column."""
    if embedding is None or not keepable(embedding):
        return None
    return base64.b64encode(struct.pack(f"<{len(embedding)}e", *embedding)).decode("ascii")
