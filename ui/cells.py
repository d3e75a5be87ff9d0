"""Values as cells of the dashboard's tables. Pure."""

import json
import math
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_KILO = 1024
_UNITS = ("KiB", "MiB", "GiB")
_MINUTE = 60


def when(epoch: float | None, zone: str | None) -> str:
    """Seconds since the epoch as a time in the reader's zone; texts of it sort as times do."""
    return "" if epoch is None else in_zone(epoch, zone).strftime("%Y-%m-%d %H:%M:%S")


def in_zone(epoch: float, zone: str | None) -> datetime:
    """Seconds since the epoch in the reader's zone; in UTC where nobody knows it."""
    try:
        place = ZoneInfo(zone) if zone else UTC
    except (ZoneInfoNotFoundError, ValueError):
        place = UTC
    return datetime.fromtimestamp(epoch, place)


def size(count: float) -> str:
    """Bytes with a unit: 25854 -> 25.2 KiB."""
    if count < _KILO:
        return f"{count:.0f} B"
    power = min(int(math.log(count, _KILO)), len(_UNITS))
    return f"{count / _KILO**power:.1f} {_UNITS[power - 1]}"


def duration(began: float | None, ended: float | None) -> str:
    """From second to second: 8 s, 1 min 5 s."""
    if began is None or ended is None:
        return ""
    minutes, seconds = divmod(round(ended - began), _MINUTE)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def said(value: Any) -> str:
    """A value of JSON in one line: a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
