"""Where batches are handed in and asked for."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.batch.patience import PASSING, Patience, patiently
from gateway.batch.queue import Batch, Item, Refused, Results, Shelf
from gateway.batch.rows import Failure, Format
from gateway.batch.submitted import Asked, broken_line, result_lines
from gateway.contracts.submission import read_submission
from gateway.domain import Caller, Role, Submission
from gateway.errors import GatewayError, InvalidRequest, NotFound
from gateway.ledger import Sheet
from gateway.records import Once
from gateway.tasks import all_of

_MASKED_AT_ONCE = 4
_PAGE = 100  # results read at once


class Masks(Protocol):
    """The gateway's line up to the grader."""

    async def sheet(self, caller: Caller, submission: Submission) -> Sheet:
        """The submission fit to be kept: masked, the rubric of its `rubric_id` in it."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    most_items: int = 1000
    most_open: int = 10  # batches of one key
    expire_s: float = 86_400.0
    patience: Patience = field(default_factory=lambda: Patience(10.0, 0.2, 1.0))  # of masking


class BatchDesk:
    def __init__(
        self, shelf: Shelf, results: Results, masks: Masks, limits: BatchLimits, wake: Callable[[], None]
    ) -> None:
        """`wake` tells the runner of this process that there is work."""
        self._shelf = shelf
        self._results = results
        self._masks = masks
        self._limits = limits
        self._wake = wake

    @property
    def most_items(self) -> int:
        return self._limits.most_items

    async def accept(self, caller: Caller, asked: Sequence[Asked], form: Format, once: Once | None) -> Batch:
        """Keeps the batch, masked, and returns at once. A request that breaks its contract fails alone, as an
        item. Raises Conflict and RateLimited as the shelf does, MaskingUnavailable, StoreUnavailable."""
        if once is not None and (made := await self._shelf.made(caller.key_id, once)) is not None:
            return made
        now = datetime.now(UTC)
        batch = Batch(
            id=f"batch_{uuid.uuid4().hex}",
            key_id=caller.key_id,
            role=caller.role,
            format=form,
            created_at=now,
            expires_at=now + timedelta(seconds=self._limits.expire_s),
        )
        items = await self._items(caller, asked)
        kept = await self._shelf.add(batch, items, once, self._limits.most_open)
        self._wake()
        return kept

    async def get(self, caller: Caller, batch_id: str) -> Batch:
        """Raises NotFound, also for a batch of another key."""
        batch = await self._shelf.get(batch_id)
        if batch.key_id != caller.key_id and caller.role is not Role.ADMIN:
            raise NotFound("There is no batch of that id.", param="id")
        return batch

    async def find(self, caller: Caller, after: str | None, limit: int) -> list[Batch]:
        """The newest first; of the caller's key, or of every key for an admin."""
        if after is not None:
            await self.get(caller, after)
        whose = None if caller.role is Role.ADMIN else caller.key_id
        return await self._shelf.find(whose, after, limit)

    async def cancel(self, caller: Caller, batch_id: str) -> Batch:
        """What is under way ends, nothing more is begun. A batch that is over stays as it is."""
        await self.get(caller, batch_id)
        await self._results.cancel(batch_id)
        return await self._shelf.get(batch_id)

    async def results(self, caller: Caller, batch_id: str) -> AsyncIterator[bytes]:
        """JSON lines of the items that have ended, in the order of the requests. What breaks off ends with a
        line that has only an `error`."""
        batch = await self.get(caller, batch_id)
        return self._lines(batch)

    async def _lines(self, batch: Batch) -> AsyncIterator[bytes]:
        after = -1
        try:
            while page := await self._results.ended(batch.id, after, _PAGE):
                # A thread: a hundred answers take longer than the event loop may wait.
                yield await asyncio.to_thread(result_lines, batch, page)
                after = page[-1].position
        except GatewayError as error:
            # The head was sent long ago; without a word the results would look whole.
            yield broken_line(Failure(error.code.value, error.message))

    async def _items(self, caller: Caller, asked: Sequence[Asked]) -> list[Item | Refused]:
        turns = asyncio.Semaphore(_MASKED_AT_ONCE)

        async def item(one: Asked) -> Item | Refused:
            async with turns:
                return await self._item(caller, one)

        return await all_of([item(one) for one in asked])

    async def _item(self, caller: Caller, asked: Asked) -> Item | Refused:
        try:
            submission = read_submission(asked.payload)
            if submission.artifact is not None:
                raise InvalidRequest("'artifact' has no place in a batch.", param="artifact")
            sheet = await patiently(lambda: self._masks.sheet(caller, submission), self._limits.patience)
        except GatewayError as error:
            if error.code.value in PASSING:
                raise
            return Refused(asked.custom_id, Failure(error.code.value, error.message))
        return Item(asked.custom_id, asked.grader, sheet.submission, sheet.nonce, sheet.stored_rubric)
