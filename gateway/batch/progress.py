"""How far a run is, for the person at the terminal: a bar, or a line now and then where no terminal is."""

import asyncio
import sys
import time
from typing import TextIO

from tqdm import tqdm

from gateway.batch.journal import Tally

_LOOK_S = 0.25
_LINE_S = 10.0


async def show(tally: Tally, total: int, out: TextIO = sys.stderr, line_s: float = _LINE_S) -> None:
    """Until cancelled."""
    await (_bar(tally, total, out) if out.isatty() else _lines(tally, total, out, line_s))


async def _bar(tally: Tally, total: int, out: TextIO) -> None:
    with tqdm(total=total, initial=tally.done, unit="row", file=out, dynamic_ncols=True) as bar:
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                _turn(bar, tally)
        finally:
            _turn(bar, tally)


def _turn(bar: "tqdm[None]", tally: Tally) -> None:
    bar.set_postfix(errors=tally.failed, review=tally.needs_review, cached=tally.cached, refresh=False)
    bar.update(tally.done - bar.n)
    bar.refresh()


async def _lines(tally: Tally, total: int, out: TextIO, line_s: float) -> None:
    began, before = time.monotonic(), tally.done
    while True:
        await asyncio.sleep(line_s)
        rate = (tally.done - before) / (time.monotonic() - began)
        left = f"{(total - tally.done) / rate:.0f} s left" if rate else "no end in sight"
        out.write(f"{line(tally, total)}, {rate:.2g} rows/s, {left}\n")
        out.flush()


def line(tally: Tally, total: int) -> str:
    return (
        f"{tally.done} of {total} rows: {tally.failed} errors, {tally.needs_review} need review, "
        f"{tally.cached} graded before"
    )


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
