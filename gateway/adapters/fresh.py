"""An answer that is believed for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """What `ask` answered last, for `seconds`; then one caller asks again and the others wait for it. A
    failure is raised and not remembered. Make it inside the running loop."""

    def __init__(self, ask: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._answer: tuple[T, float] | None = None  # and until when it is believed

    async def get(self) -> T:
        if self._answer is None or time.monotonic() >= self._answer[1]:
            async with self._lock:
                if self._answer is None or time.monotonic() >= self._answer[1]:
                    answer = await self._ask()
                    self._answer = answer, time.monotonic() + self._seconds
        return self._answer[0]

    @property
    def known(self) -> T | None:
        """What is still believed, without asking."""
        if self._answer is None or time.monotonic() >= self._answer[1]:
            return None
        return self._answer[0]

    def forget(self) -> None:
        """The next one asks again."""
        self._answer = None
