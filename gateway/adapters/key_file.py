"""The file of API keys: JSON, only their SHA-256, read by each gateway process, written by `gateway keys`.

A change is made under a lock that lies beside it and takes the file's name whole: two commands at once lose
nothing, and a reader never sees half a file.
"""

import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.domain import Role

_LOCK_S = 10.0  # how long another command may hold the lock
_LOOK_AGAIN_S = 0.02
_SOON = timedelta(days=14)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST = 2**31 - 1
_LONGEST_NAME = 64
_TIMES = ("created_at", "expires_at", "revoked_at")
# Fewest that each may say. Of requests none would be no key, of the others 0 is no limit.
LIMITS = {"requests_per_minute": 1, "tokens_per_minute": 0, "max_parallel": 0}
_BEFORE_TIMES = datetime.fromtimestamp(0, UTC)  # of a key that was revoked before it was written when
_OURS = frozenset({"settings", "command", "schedule"})  # who else acts, in logs and in the audit


class State(StrEnum):
    ACTIVE = "active"
    EXPIRING = "expiring"  # within two weeks
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key. Several may have one name: after a rotation the old one goes on until its grace is over. Of
    limits None means the service's default."""

    key_id: str
    role: Role
    sha256: str  # hex
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_parallel: int | None = None
    shown: str = ""  # its first characters
    created_at: datetime | None = None  # None: made before it was written down
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> State:
        if self.revoked_at is not None:
            return State.REVOKED
        if self.expires_at is None or now + _SOON < self.expires_at:
            return State.ACTIVE
        return State.EXPIRING if now < self.expires_at else State.EXPIRED

    def works(self, now: datetime) -> bool:
        return self.state(now) in (State.ACTIVE, State.EXPIRING)


_FIELDS = frozenset(field.name for field in fields(KeyRecord)) | {"revoked"}


def digest_of(key: bytes) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key).hexdigest()


def checked_name(name: str) -> str:
    """A new key's name. It is written into logs, metrics and the audit. Raises ValueError."""
    # Unprintable are control characters, and those that turn the direction of a line. `cli:` is a person's.
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip() or ":" in name:
        raise ValueError(f"a key's name has 1 to {_LONGEST_NAME} printable characters and no ':'")
    if name in _OURS:
        raise ValueError("that name is the gateway's own")
    return name


def read_keys(path: Path) -> list[KeyRecord]:
    """The records of a key file; none when there is no file. Raises ValueError, which says what is wrong by
    place and field and quotes nothing, and OSError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: not JSON") from None
    except (UnicodeDecodeError, RecursionError):
        raise ValueError("not JSON in UTF-8") from None
    if not isinstance(content, dict) or not isinstance(content.get("keys"), list):
        raise ValueError('not {"keys": [...]}')
    return [_record(entry, f"key {number}") for number, entry in enumerate(content["keys"], 1)]


@contextmanager
def changing(path: Path) -> Iterator[Callable[[Sequence[KeyRecord]], None]]:
    """Within it nobody else changes the file; what it yields writes the records. Raises ValueError when
    another command holds the lock, and OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(_beside(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)) as lock:
        give_up = time.monotonic() + _LOCK_S
        while not _locked(lock.fileno()):
            if time.monotonic() > give_up:
                raise ValueError("another command has been changing the key file for too long")
            time.sleep(_LOOK_AGAIN_S)
        yield lambda records: _write(path, records)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: Path, records: Sequence[KeyRecord]) -> None:
    """Whole or not at all, and for its owner alone (mkstemp's mode is 0600)."""
    content = json.dumps({"keys": [_entry(record) for record in records]}, indent=1)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _entry(record: KeyRecord) -> dict[str, object]:
    """What is not said is left out."""
    entry = {field.name: getattr(record, field.name) for field in fields(record)}
    entry |= {name: entry[name].isoformat() for name in _TIMES if entry[name]}
    return {name: value for name, value in entry.items() if value not in (None, "")}


def _record(entry: object, where: str) -> KeyRecord:
    """Raises ValueError."""
    if not isinstance(entry, dict) or not entry.keys() <= _FIELDS:
        raise ValueError(f"{where} is no object, or has a field that no key has")
    for name in ("key_id", "sha256", "role"):
        if not isinstance(entry.get(name), str) or not entry[name]:
            raise ValueError(f"{where} needs '{name}'")
    if not _SHA256.fullmatch(entry["sha256"]):
        raise ValueError(f"'sha256' of {where} must be 64 hex digits")
    if entry["role"] not in tuple(Role):
        raise ValueError(f"'role' of {where} must be one of {', '.join(Role)}")
    times: dict[str, Any] = {name: _time(entry.get(name), name, where) for name in _TIMES}
    # How revoking was written before it was written when.
    revoked = entry.get("revoked", False)
    if not isinstance(revoked, bool) or not isinstance(entry.get("shown", ""), str):
        raise ValueError(f"'revoked' or 'shown' of {where} is not what it should be")
    if revoked and times["revoked_at"] is None:
        times["revoked_at"] = _BEFORE_TIMES
    limits: dict[str, Any] = {
        name: _number(entry.get(name), name, least, where) for name, least in LIMITS.items()
    }
    shown = entry.get("shown", "")
    return KeyRecord(entry["key_id"], Role(entry["role"]), entry["sha256"], **limits, shown=shown, **times)


def _number(value: Any, name: str, least: int, where: str) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not least <= value <= _MOST:
        raise ValueError(f"'{name}' of {where} must be a whole number, {least} or more")
    return value


def _time(value: Any, name: str, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        time_of = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"'{name}' of {where} must be a time of ISO 8601") from None
    return time_of if time_of.tzinfo else time_of.replace(tzinfo=UTC)
