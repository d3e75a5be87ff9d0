"""Who changed what others use: written down before it is done, and closed with what came of it.

The table of actions is whole: what is not in it is the caller's own business (their grades, their batches) or
changes nothing. Doors and commands record, services do not: they are asked by both.
"""

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from gateway.domain import Caller, Role
from gateway.errors import Code, Forbidden, GatewayError, StoreUnavailable
from gateway.tasks import ended

log = logging.getLogger(__name__)

DONE = "done"
CANCELLED = "cancelled"  # the caller left, or did not wait longer: it may be done
_SWEEP_S = 3600.0
# Names of resources are of patterns as strict; a path that is none of them may spell anything.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,199}")


class Action(StrEnum):
    DATASET_UPLOAD = "dataset.upload"
    DATASET_DELETE = "dataset.delete"
    TRAINING_START = "training.start"
    TRAINING_CANCEL = "training.cancel"
    TRAINING_DELETE = "training.delete"
    MODEL_RETRAIN = "model.retrain"
    MODEL_PROMOTE = "model.promote"
    MODEL_DELETE = "model.delete"
    RUBRIC_ADD = "rubric.add"
    RUBRIC_REPLACE = "rubric.replace"
    RUBRIC_RESCORE = "rubric.rescore"
    GRADE_CORRECT = "grade.correct"
    REFERENCE_KEEP = "drift_reference.keep"
    REFERENCE_FORGET = "drift_reference.forget"
    KEY_ADD = "key.add"
    KEY_REVOKE = "key.revoke"
    KEY_ROTATE = "key.rotate"
    KEY_SET = "key.set"
    STORE_UPGRADE = "store.upgrade"
    STORE_PRUNE = "store.prune"


@dataclass(frozen=True, slots=True)
class Entry:
    """One action."""

    id: str  # audit_ and 32 hex digits
    created_at: datetime  # when it was begun
    key_id: str  # whose key; cli:USER at a command line
    action: Action
    object: str | None  # what it is done to; None: not known
    request_id: str | None  # of the request; None: a command
    ended_at: datetime | None = None
    outcome: str | None = None  # DONE, CANCELLED, a Code; None: begun, and how it ended nobody wrote down


def entry_answer(entry: Entry) -> dict[str, str | None]:
    """An entry as JSON, alike over HTTP and at the terminal; times of ISO 8601."""
    return {
        "id": entry.id,
        "created_at": entry.created_at.isoformat(),
        "key_id": entry.key_id,
        "action": entry.action.value,
        "object": entry.object,
        "request_id": entry.request_id,
        "ended_at": entry.ended_at.isoformat() if entry.ended_at else None,
        "outcome": entry.outcome,
    }


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A page of entries, newest first."""

    action: Action | None = None
    key_id: str | None = None
    since: datetime | None = None
    after: str | None = None  # the last id of the page before
    limit: int = 50


class Trail(Protocol):
    """Where entries are kept: added to and never changed. Fails closed with StoreUnavailable: what cannot be
    written down is not done."""

    async def begin(self, entry: Entry) -> None: ...

    async def end(self, entry_id: str, ended_at: datetime, outcome: str, what: str | None) -> None:
        """Once for each entry; `what` is the object where it is known better than at first."""

    async def find(self, query: AuditQuery) -> list[Entry]:
        """Raises InvalidRequest for an `after` that is no entry."""

    async def forget(self, before: datetime) -> int:
        """Deletes what was begun before; how many entries."""


class Deed:
    """An action under way, and what becomes known of it."""

    __slots__ = ("object", "outcome")

    def __init__(self, what: str | None) -> None:
        self.object = what
        self.outcome = DONE

    def made(self, what: str) -> None:
        """What came of it, where that says more: a name gets its version, what had no name one."""
        if self.object is None or what.startswith(f"{self.object}@"):
            self.object = what


class Audit:
    def __init__(self, trail: Trail, keep_days: int = 365) -> None:
        self._trail = trail
        self._keep = timedelta(days=keep_days)
        self._sweeping: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def recorded(
        self, key_id: str, action: Action, what: str | None = None, request_id: str | None = None
    ) -> AsyncIterator[Deed]:
        """For as long as an action lasts. Raises StoreUnavailable, before it begins, where it cannot be
        written down. Then nothing of the audit stops it: an entry that could not be closed stays begun."""
        entry = Entry(
            f"audit_{uuid.uuid4().hex}", datetime.now(UTC), key_id, action, spelled(what), request_id
        )
        await self._trail.begin(entry)
        deed = Deed(what)
        try:
            yield deed
        except asyncio.CancelledError:
            deed.outcome = CANCELLED
            raise
        except GatewayError as error:
            deed.outcome = error.code.value
            raise
        except BaseException:
            deed.outcome = Code.INTERNAL.value
            raise
        finally:
            try:
                told = spelled(deed.object)
                better = told if told != entry.object else None
                await self._trail.end(entry.id, datetime.now(UTC), deed.outcome, better)
            except StoreUnavailable:
                log.error("an entry of the audit stays begun: %s", entry.id)

    async def find(self, caller: Caller, query: AuditQuery) -> list[Entry]:
        """Raises Forbidden but for admins: it tells of everybody."""
        if caller.role is not Role.ADMIN:
            raise Forbidden("The audit is read with a key of the role admin.")
        return await self._trail.find(query)

    def start(self) -> None:
        """Forgets what is old, once an hour. Inside the running loop."""
        self._sweeping = asyncio.create_task(self._sweep(), name="audit sweep")

    async def close(self) -> None:
        if self._sweeping is not None:
            await ended(self._sweeping)

    async def _sweep(self) -> None:
        while True:
            try:
                await self._trail.forget(datetime.now(UTC) - self._keep)
            except StoreUnavailable as error:
                log.warning("the audit waits for the store: %s", error.code.value)
            await asyncio.sleep(_SWEEP_S)


def spelled(what: str | None) -> str | None:
    """An object as it may be written down: a name, or the hash of what somebody typed instead of one."""
    if not what or _NAME.fullmatch(what):
        return what or None
    return f"sha256:{sha256(what.encode(errors='surrogatepass')).hexdigest()[:16]}"
