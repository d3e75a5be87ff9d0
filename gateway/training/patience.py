"""A step that may fail today and not tomorrow: tried again, with pauses, for a time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.training.ports import StepFailed

log = logging.getLogger(__name__)
T = TypeVar("T")

_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


async def patiently(step: Callable[[], Awaitable[T]], patience_s: float) -> T:
    """What the step gives at last. Raises its last StepFailed when another pause would take it past
    `patience_s`."""
    give_up = time.monotonic() + patience_s
    tries = 0
    while True:
        try:
            return await step()
        except StepFailed as error:
            pause = _PAUSES_S[min(tries, len(_PAUSES_S) - 1)]
            if time.monotonic() + pause > give_up:
                raise
            log.warning("a training waits: %s", error)
        tries += 1
        await asyncio.sleep(pause)
