"""Threads for what may never come back, as a file of a server that is gone."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreads:
    """So many at once. Those of an executor are waited for as the process ends; these are not."""

    def __init__(self, most: int, name: str) -> None:
        self._free = asyncio.Semaphore(most)
        self._name = name

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """What `work` gives. Who stops waiting does not stop it, and its place is free when it is over."""
        loop = asyncio.get_running_loop()
        await self._free.acquire()
        done: asyncio.Future[T] = loop.create_future()

        def over(told: T | None, error: Exception | None) -> None:
            self._free.release()
            if done.done():
                return
            if error is None:
                done.set_result(told)  # type: ignore[arg-type]  # T itself may be None
            else:
                done.set_exception(error)

        def runs() -> None:
            told, fault = None, None
            try:
                told = work(*given)
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                fault = error
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(over, told, fault)

        try:
            threading.Thread(target=runs, daemon=True, name=self._name).start()
        except RuntimeError:
            self._free.release()
            raise
        return await done
