"""Batches that are taken in now and graded when there is time: the facts, and what the store must do.

Nothing personal is kept: items are masked when they are taken in, and what stands behind their placeholders
is forgotten then. So their grades come back with the placeholders in them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gateway.batch.rows import Failure, Format, Outcome
from gateway.domain import Role, Rubric, Submission
from gateway.records import Once


class Status(StrEnum):
    """OpenAI's words."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"  # over, and something was graded
    FAILED = "failed"  # over, and nothing was
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class ItemState(StrEnum):
    OPEN = "open"
    GRADED = "graded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Item:
    """One masked submission."""

    custom_id: str
    grader: str
    submission: Submission = field(repr=False)  # masked, its rubric in it
    nonce: str  # that ends each of its placeholders
    stored_rubric: Rubric | None = None  # as the store has it: in the submission its texts are masked


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that failed before anything was asked."""

    custom_id: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class Batch:
    id: str  # batch_ and 32 hex digits
    key_id: str
    role: Role  # of the key when it asked
    format: Format  # of the results: grading requests (jsonl) or OpenAI's
    created_at: datetime
    expires_at: datetime
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    items: Mapping[ItemState, int] = field(default_factory=dict)  # how many there are
    begun: bool = False  # an item is under way or has ended

    @property
    def total(self) -> int:
        return sum(self.items.values())

    @property
    def status(self) -> Status:
        if self.ended_at is None:
            if self.cancelled_at is not None:
                return Status.CANCELLING
            return Status.IN_PROGRESS if self.begun else Status.QUEUED
        if self.items.get(ItemState.CANCELLED):
            return Status.CANCELLED
        if self.items.get(ItemState.EXPIRED):
            return Status.EXPIRED
        return Status.COMPLETED if self.items.get(ItemState.GRADED) else Status.FAILED


@dataclass(frozen=True, slots=True)
class Leased:
    """An item that this process is to grade."""

    batch_id: str
    position: int
    key_id: str
    role: Role
    item: Item


@dataclass(frozen=True, slots=True)
class Ended:
    """An item that has ended, in its place in the batch."""

    position: int
    custom_id: str
    outcome: Outcome


class Shelf(Protocol):
    """Where batches are kept. Fails closed with StoreUnavailable."""

    async def add(
        self, batch: Batch, items: Sequence[Item | Refused], once: Once | None, most_open: int
    ) -> Batch:
        """Keeps all of it or nothing. Under an idempotency key that was used already, the batch of then.
        Raises Conflict when it was used for another body, RateLimited when the key has `most_open` batches
        that are not over."""

    async def made(self, key_id: str, once: Once) -> Batch | None:
        """The batch under that idempotency key. Raises Conflict when it was for another body."""

    async def get(self, batch_id: str) -> Batch:
        """Raises NotFound."""

    async def find(self, key_id: str | None, after: str | None, limit: int) -> list[Batch]:
        """A page, newest first. Raises InvalidRequest for an `after` that is no batch."""


class Queue(Protocol):
    """Who grades which item. `owner` is one process; what it does not renew, others may take."""

    async def lease(self, owner: str, most: int, lease_s: float) -> list[Leased]:
        """Open items that nobody has, the first of each batch before the second of any: a small batch is not
        kept waiting by a large one."""

    async def renew(self, owner: str, lease_s: float) -> None:
        """All that the owner has."""

    async def end(self, leased: Leased, owner: str, outcome: Outcome) -> bool:
        """Whether the item ended by this: not when somebody else had taken it over."""

    async def give_back(self, leased: Leased | None, owner: str, pause_s: float) -> None:
        """To be leased again, but not before `pause_s` seconds; without an item all that the owner has."""


class Results(Protocol):
    async def ended(self, batch_id: str, after: int, limit: int) -> list[Ended]:
        """Items that have ended, by position, from behind `after` (-1: from the first)."""

    async def cancel(self, batch_id: str) -> None:
        """No further item of it is begun; those under way end."""

    async def sweep(self, keep_s: float) -> None:
        """Ends what nobody will: items of cancelled and expired batches that are not under way, and items
        over which process after process died. Forgets batches that ended `keep_s` seconds ago."""
