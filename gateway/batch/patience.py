"""Trying again while a server is down or busy, within a limit."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.errors import (
    ArtifactUnavailable,
    BackendUnavailable,
    GatewayError,
    MaskingUnavailable,
    Overloaded,
    RateLimited,
    StoreUnavailable,
)

T = TypeVar("T")

# These pass by themselves: what the door answers with 429 or "again later".
_PASSING = (
    *(Overloaded, RateLimited, BackendUnavailable, MaskingUnavailable, StoreUnavailable),
    ArtifactUnavailable,
)
PASSING = frozenset(error.code.value for error in _PASSING)


@dataclass(frozen=True, slots=True)
class Patience:
    total_s: float = 300.0  # from the first try to the last one's beginning
    first_s: float = 0.5  # the first pause's most, doubled by each further one
    longest_s: float = 30.0


async def patiently(
    work: Callable[[], Awaitable[T]], patience: Patience, again: Callable[[], None] = lambda: None
) -> T:
    """What `work` returns in the end; `again` is called before each further try. Raises its error when that
    does not pass, or not soon enough."""
    give_up = time.monotonic() + patience.total_s
    most = patience.first_s
    while True:
        try:
            return await work()
        except _PASSING as error:
            pause = _pause(error, most)
            if time.monotonic() + pause > give_up:
                raise
        await asyncio.sleep(pause)
        again()
        most = min(2 * most, patience.longest_s)


def _pause(error: GatewayError, most: float) -> float:
    """Anywhere up to `most`, so that many do not come back at once, behind the time that was asked for."""
    return (error.retry_after or 0.0) + random.uniform(0.0, most)  # noqa: S311 - no secret hangs on it
