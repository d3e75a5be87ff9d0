"""Threads that drivers may block: what is not wanted any more is not begun, and too much is refused."""

import threading
import time
from concurrent.futures import CancelledError

import pytest

from gateway.adapters.database import workers as module
from gateway.adapters.database.workers import Workers
from gateway.errors import StoreUnavailable


def test_what_fails_fails_where_it_was_asked_for_and_nowhere_else() -> None:
    workers = Workers(1)
    workers.start()
    with pytest.raises(SystemExit):
        workers.submit(lambda: exit(3)).result(5)
    assert workers.submit(lambda: 3).result(5) == 3
    workers.stop(time.monotonic() + 5)


def test_what_was_cancelled_before_its_turn_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 2)
    done: list[str] = []
    held, began = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        held.wait(5)
        done.append("first")

    workers = Workers(1)
    workers.start()
    workers.submit(hold)
    assert began.wait(5)
    second, third = (workers.submit(lambda name=name: done.append(name)) for name in ("second", "third"))
    with pytest.raises(StoreUnavailable):
        workers.submit(lambda: done.append("too much"))
    assert second.cancel()
    held.set()
    third.result(5)
    with pytest.raises(CancelledError):
        second.result(5)
    workers.stop(time.monotonic() + 5)
    assert done == ["first", "third"]


def test_a_thread_that_is_stuck_is_not_waited_for() -> None:
    held = threading.Event()
    workers = Workers(1)
    workers.start()
    stuck = workers.submit(lambda: held.wait(5))
    workers.stop(0.0)
    assert not stuck.done()
    held.set()
    assert stuck.result(5)
