"""What the person at the terminal sees."""

import asyncio
import io
from contextlib import suppress

import pytest

from gateway.batch.journal import Tally
from gateway.batch.progress import show


class Screen(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal
        self.written = asyncio.Event()

    def isatty(self) -> bool:
        return self.terminal

    def flush(self) -> None:
        if self.getvalue():
            self.written.set()


@pytest.mark.parametrize(
    ("terminal", "told"),
    [
        (False, ["7 of 10 rows: 1 errors, 2 need review, 3 graded before", "rows/s", "left"]),
        (True, ["7/10", "row", "errors=1", "review=2", "cached=3"]),
    ],
)
async def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(terminal: bool, told: list[str]) -> None:
    screen, tally = Screen(terminal=terminal), Tally(answered=2)
    shown = asyncio.create_task(show(tally, 10, screen, line_s=0.01))
    await asyncio.sleep(0)
    tally.answered, tally.failed, tally.needs_review, tally.cached = 6, 1, 2, 3
    await asyncio.wait_for(screen.written.wait(), 5)
    shown.cancel()
    with suppress(asyncio.CancelledError):
        await shown
    assert all(one in screen.getvalue() for one in told), screen.getvalue()
