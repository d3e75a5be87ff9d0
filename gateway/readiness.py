"""A check that anybody may ask for, and that is made seldom."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.errors import GatewayError

_FRESH_S = 2.0


class Readiness:
    """Only one check runs at a time, and its outcome, good or bad, is believed for a few seconds."""

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self._check = check
        self._checked_until = 0.0
        self._fault: GatewayError | None = None
        self._lock = asyncio.Lock()

    async def confirm(self) -> None:
        """Returns when the check passed just now or a moment ago; raises what it raised."""
        async with self._lock:
            if time.monotonic() >= self._checked_until:
                self._fault = await self._outcome()
                self._checked_until = time.monotonic() + _FRESH_S
            if self._fault:
                raise self._fault.with_traceback(None)  # raised again and again, it would grow

    async def _outcome(self) -> GatewayError | None:
        try:
            await self._check()
        except GatewayError as fault:
            return fault
        return None
