"""What callers ask of drift, read and checked: nothing in it is believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from gateway.errors import InvalidRequest

_LONGEST_NAME = 200  # characters of a model's name
_FIRST, _LAST = 1970, 9998  # years; the days around the others are none


@dataclass(frozen=True, slots=True)
class ReferenceAsk:
    model: str
    since: datetime | None = None  # None: as the desk thinks best
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunAsk:
    model: str
    window_h: float | None = None


def read_reference_ask(payload: Mapping[str, Any]) -> ReferenceAsk:
    """Of `{"model", "since"?, "until"?}`. Raises InvalidRequest."""
    _only(payload, "model", "since", "until")
    times = {
        name: None if payload.get(name) is None else read_time(payload[name], name)
        for name in ("since", "until")
    }
    return ReferenceAsk(checked_model(payload.get("model")), times["since"], times["until"])


def read_run_ask(payload: Mapping[str, Any]) -> RunAsk:
    """Of `{"model", "window_hours"?}`. Raises InvalidRequest."""
    _only(payload, "model", "window_hours")
    hours = payload.get("window_hours")
    if hours is not None and (isinstance(hours, bool) or not isinstance(hours, int | float)):
        raise InvalidRequest("'window_hours' must be a number.", param="window_hours")
    return RunAsk(checked_model(payload.get("model")), None if hours is None else float(hours))


def read_time(value: object, param: str) -> datetime:
    """ISO 8601 as a text, without a time zone in UTC; or a number, seconds since 1970. Raises
    InvalidRequest."""
    time = None
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            time = (time.replace(tzinfo=UTC) if time.tzinfo is None else time).astimezone(UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            time = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        time = None
    if time is None or not _FIRST <= time.year <= _LAST:
        raise InvalidRequest(f"'{param}' must be a time of ISO 8601 or seconds since 1970.", param=param)
    return time


def checked_model(name: object) -> str:
    """Raises InvalidRequest."""
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(
            f"'model' must be a model's name: 1 to {_LONGEST_NAME} printable characters.", param="model"
        )
    return name


def _only(payload: Mapping[str, Any], *known: str) -> None:
    if payload.keys() - set(known):
        raise InvalidRequest(f"Only {', '.join(known)} are read.", param="request")
