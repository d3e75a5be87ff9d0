"""Threads that drivers may block."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from gateway.errors import StoreUnavailable

T = TypeVar("T")
_WAITING = 1000


class Workers:
    """Runs what it is given, first come first served, `threads` at a time.

    They die with the process: `concurrent.futures` waits for its threads at the exit, and one that is stuck
    in a driver would keep the gateway from ending."""

    def __init__(self, threads: int) -> None:
        self._jobs: queue.Queue[tuple[Future[Any], Callable[[], Any]] | None] = queue.Queue(_WAITING)
        self._threads = [
            threading.Thread(target=self._work, name="store", daemon=True) for _ in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            if not thread.is_alive():
                thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """What is cancelled before its turn is not run. Raises StoreUnavailable when too much waits."""
        future: Future[T] = Future()
        try:
            self._jobs.put_nowait((future, work))
        except queue.Full:
            raise StoreUnavailable("The store has too much to do.", retry_after=1.0) from None
        return future

    def stop(self, give_up: float) -> None:
        """Ends each thread after what it was given before. Blocks, until `give_up` (monotonic) at most."""
        alive = [thread for thread in self._threads if thread.is_alive()]
        with suppress(queue.Full):
            for _ in alive:
                self._jobs.put(None, timeout=_left(give_up))
        for thread in alive:
            thread.join(_left(give_up))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, work, job  # the last record is not kept until the next one comes


def _left(give_up: float) -> float:
    return max(0.0, give_up - time.monotonic())
