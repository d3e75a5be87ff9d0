"""How urgent the request under way is: until when its caller waits, and who goes first.

A context variable, because what it is about runs across every port: whoever calls a server tells it how long
is left (adapters/http.py), whoever gives out places knows who goes first (guards.py). The two doors and the
runner of batches set it, nobody else.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from gateway.domain import Priority


@dataclass(frozen=True, slots=True)
class Urgency:
    priority: Priority = Priority.LIVE
    deadline: float | None = None  # by the running loop's clock; None: the caller did not say

    @property
    def remaining_s(self) -> float | None:
        """Seconds that are left, 0 when it is over; None where there is no deadline."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - asyncio.get_running_loop().time())


USUAL = Urgency()
_now: ContextVar[Urgency] = ContextVar("urgency", default=USUAL)


def urgency() -> Urgency:
    """Of the request under way."""
    return _now.get()


@contextmanager
def urgent(how: Urgency) -> Iterator[None]:
    """For what is done inside, and the tasks that it begins."""
    before = _now.set(how)
    try:
        yield
    finally:
        _now.reset(before)
