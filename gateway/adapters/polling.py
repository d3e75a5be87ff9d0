"""A look again and again, by a task that has an owner."""

import asyncio
import contextlib
import logging

from gateway.tasks import ended

log = logging.getLogger(__name__)


class Watch:
    """A look every `poll_s`, and at once when woken."""

    def __init__(self, poll_s: float, what: str) -> None:
        """`what` is looked for, in words for the log."""
        self._poll_s = poll_s
        self._what = what
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name=f"watch: {self._what}")

    async def close(self) -> None:
        if self._task is not None:
            await ended(self._task)

    def wake(self) -> None:
        self._woken.set()

    async def look(self) -> None:
        raise NotImplementedError

    async def _watch(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self.look()
            except Exception:  # the task's edge: whatever it is, the next look may go well
                log.exception("looking for %s failed", self._what)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._poll_s)
