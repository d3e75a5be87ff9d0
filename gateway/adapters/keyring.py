"""API keys: who holds which, by a file that is re-read when it changes, and how that file is changed.

The file can be a mounted secret; removing or marking an entry revokes the key within a second, without a
restart, and so does the time at which it expires. An unreadable file means that no key in it is accepted.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.adapters.key_file import KeyRecord, changing, checked_name, digest_of, read_keys
from gateway.adapters.key_text import mistyped, new_key, shown
from gateway.domain import Caller, Role
from gateway.errors import Unauthenticated

log = logging.getLogger(__name__)
_LOOK_AGAIN_S = 1.0


class Keyring:
    """Implements Keys over a file and keys given by settings (`fixed`: key -> caller)."""

    def __init__(
        self,
        path: Path,
        fixed: Mapping[str, Caller],
        requests_per_minute: int,
        tokens_per_minute: int = 0,
        max_parallel: int = 0,
    ) -> None:
        """The limits are of keys that do not say their own."""
        self._path = path
        self._defaults = requests_per_minute, tokens_per_minute, max_parallel
        self._fixed = {digest_of(key.encode()): caller for key, caller in fixed.items()}
        self._callers: dict[str, Caller] = {}
        self._seen: tuple[int, int, int] | None = None
        self._look_at = 0.0
        self._next_expiry = float("inf")  # epoch

    def caller_for(self, key: bytes) -> Caller:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN_S
            self._reload_if_changed()
        # The look-up is by hash, which tells a timing attacker nothing about the key. It is first: a set in
        # memory answers in a fifth of the time that the checksum takes, which only a refusal then pays.
        caller = self._callers.get(digest_of(key))
        if caller is None:
            if mistyped(key):
                raise Unauthenticated(
                    "Incorrect API key provided: its checksum is wrong, so it was mistyped."
                )
            raise Unauthenticated("Incorrect API key provided.")
        return caller

    def _reload_if_changed(self) -> None:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            seen = None
        if seen == self._seen and self._callers and time.time() < self._next_expiry:
            return
        self._seen = seen
        try:
            records = read_keys(self._path) if seen else []
        except (OSError, ValueError) as error:
            reason = error if isinstance(error, ValueError) else type(error).__name__
            log.error("the API key file cannot be used, no key in it is accepted: %s", reason)
            records = []
        now = datetime.now(UTC)
        working = [record for record in records if record.works(now)]
        self._callers = self._fixed | {record.sha256: self._caller(record) for record in working}
        self._next_expiry = min(
            (record.expires_at.timestamp() for record in working if record.expires_at), default=float("inf")
        )

    def _caller(self, record: KeyRecord) -> Caller:
        requests, tokens, parallel = self._defaults
        return Caller(
            record.key_id,
            record.role,
            record.requests_per_minute or requests,
            tokens if record.tokens_per_minute is None else record.tokens_per_minute,
            parallel if record.max_parallel is None else record.max_parallel,
        )


# What changes the file. Each raises ValueError, one sentence, for what cannot be done, and OSError.


def add_key(
    path: Path,
    key_id: str,
    role: Role,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    max_parallel: int | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Writes a new key's hash and returns the key, which is not kept anywhere. A name is taken once, also by
    a key that is over: in logs and in the audit it means one holder."""
    checked_name(key_id)
    with changing(path) as write:
        records = read_keys(path)
        if any(record.key_id == key_id for record in records):
            raise ValueError(f"there is a key named {key_id} already")
        key = new_key()
        limits = requests_per_minute, tokens_per_minute, max_parallel
        made = KeyRecord(
            key_id,
            role,
            digest_of(key.encode()),
            *limits,
            shown=shown(key),
            created_at=_now(),
            expires_at=expires_at,
        )
        write([*records, made])
    return key


def revoke_key(path: Path, key_id: str) -> None:
    """Marks the keys of that name as revoked."""
    with changing(path) as write:
        records = read_keys(path)
        _named(records, key_id)
        now = _now()
        write([_revoked(one, now) if one.key_id == key_id else one for one in records])


def rotate_key(path: Path, key_id: str, grace: timedelta, expires_at: datetime | None = None) -> str:
    """A new key with the name, role and limits of an old one, which goes on for `grace`. Without `expires_at`
    it lasts as long as the old one was to last, from now on."""
    with changing(path) as write:
        records = read_keys(path)
        old = _named(records, key_id)[-1]
        if old.revoked_at is not None:
            raise ValueError(f"the key named {key_id} is revoked; add another one")
        now = _now()
        if expires_at is None and old.expires_at is not None:
            expires_at = now + (old.expires_at - (old.created_at or now))
            if expires_at <= now:
                raise ValueError("say when the new key expires: the old one has, and not when it was made")
        key = new_key()
        made = replace(
            old, sha256=digest_of(key.encode()), shown=shown(key), created_at=now, expires_at=expires_at
        )
        ends = now + grace
        kept = []
        for record in records:
            if record.key_id == key_id:
                # What is over already would be kept for ever: nothing but this removes an entry.
                until = min(ends, record.expires_at or ends)
                if until <= now:
                    continue
                record = replace(record, expires_at=until)  # noqa: PLW2901 - the same key, shorter
            kept.append(record)
        write([*kept, made])
    return key


def set_key(path: Path, key_id: str, changes: Mapping[str, Any]) -> KeyRecord:
    """Other limits, another role or end of the newest key of that name; its grace after a rotation keeps what
    it had. `changes`: fields of KeyRecord."""
    with changing(path) as write:
        records = read_keys(path)
        old = _named(records, key_id)[-1]
        if old.revoked_at is not None:
            raise ValueError(f"the key named {key_id} is revoked, for good")
        changed = replace(old, **changes)
        write([changed if one is old else one for one in records])
    return changed


def key_of(path: Path, key: bytes) -> KeyRecord | None:
    """Whose key that is, working or not; None: nobody's. Raises ValueError for one that was mistyped."""
    if mistyped(key):
        raise ValueError("this is no key: it was mistyped or cut, its checksum is wrong")
    digest = digest_of(key)
    return next((record for record in read_keys(path) if record.sha256 == digest), None)


def _named(records: list[KeyRecord], key_id: str) -> list[KeyRecord]:
    found = [record for record in records if record.key_id == key_id]
    if not found:
        raise ValueError(f"there is no key named {key_id}")
    return found


def _revoked(record: KeyRecord, now: datetime) -> KeyRecord:
    return record if record.revoked_at else replace(record, revoked_at=now)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
