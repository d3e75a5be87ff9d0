"""API keys: only their SHA-256 is kept, in one JSON file that is re-read when it changes.

The file can be a mounted secret; removing or marking an entry revokes the key within a second, without a
restart. An unreadable file means that no key in it is accepted.
"""

import hashlib
import json
import logging
import os
import secrets
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.domain import Caller, Role
from gateway.errors import Unauthenticated

log = logging.getLogger(__name__)
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One line of the key file. `sha256` in hex; `requests_per_minute` None means the service's default."""

    key_id: str
    role: Role
    sha256: str
    requests_per_minute: int | None = None
    revoked: bool = False


class Keyring:
    """Implements Keys over a file and keys given by settings (`fixed`: key -> caller)."""

    def __init__(self, path: Path, fixed: dict[str, Caller], requests_per_minute: int) -> None:
        self._path = path
        self._default_rate = requests_per_minute
        self._fixed = {_digest(key.encode()): caller for key, caller in fixed.items()}
        self._callers: dict[str, Caller] = {}
        self._seen: tuple[int, int, int] | None = None
        self._look_at = 0.0

    def caller_for(self, key: bytes) -> Caller:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN_S
            self._reload_if_changed()
        digest = _digest(key)
        # The look-up is by hash, which tells a timing attacker nothing about the key.
        caller = self._callers.get(digest)
        if caller is None:
            raise Unauthenticated("Incorrect API key provided.")
        return caller

    def _reload_if_changed(self) -> None:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            seen = None
        if seen == self._seen and self._callers:
            return
        self._seen = seen
        try:
            records = read_keys(self._path) if seen else []
        except (OSError, ValueError, TypeError, KeyError):
            log.error("the API key file cannot be read: no key in it is accepted")
            records = []
        self._callers = self._fixed | {
            record.sha256: Caller(
                record.key_id, record.role, record.requests_per_minute or self._default_rate
            )
            for record in records
            if not record.revoked
        }


def _digest(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()


def read_keys(path: Path) -> list[KeyRecord]:
    """The records of a key file; none when there is no file. Raises ValueError, TypeError or KeyError on a
    file that is not one of ours."""
    if not path.exists():
        return []
    return [
        KeyRecord(**{**entry, "role": Role(entry["role"])})
        for entry in json.loads(path.read_text("utf-8"))["keys"]
    ]


def add_key(path: Path, key_id: str, role: Role, requests_per_minute: int | None) -> str:
    """Writes a new key's hash and returns the key, which is not kept anywhere. Raises ValueError when the
    name is taken."""
    records = read_keys(path)
    if any(record.key_id == key_id for record in records):
        raise ValueError(f"there is a key named {key_id} already")
    key = f"gg_{secrets.token_urlsafe(32)}"
    _write(path, [*records, KeyRecord(key_id, role, _digest(key.encode()), requests_per_minute)])
    return key


def revoke_key(path: Path, key_id: str) -> None:
    """Marks a key as revoked. Raises ValueError when there is none of that name."""
    records = read_keys(path)
    if all(record.key_id != key_id for record in records):
        raise ValueError(f"there is no key named {key_id}")
    _write(
        path,
        [
            KeyRecord(r.key_id, r.role, r.sha256, r.requests_per_minute, revoked=True)
            if r.key_id == key_id
            else r
            for r in records
        ],
    )


def _write(path: Path, records: list[KeyRecord]) -> None:
    """Whole or not at all: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"keys": [asdict(record) for record in records]}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
