"""`gateway worker`: train the models and keep the data sets. Needs the worker's environment."""

import argparse
import asyncio
import importlib.util
import signal
import sys
from contextlib import AsyncExitStack, suppress
from importlib import import_module

from gateway.adapters.crashes import log_uncaught
from gateway.settings import Settings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("worker", help="train models and keep data sets")
    parser.set_defaults(run=_work)


def _work(_: argparse.Namespace, settings: Settings) -> int:
    if importlib.util.find_spec("sklearn") is None:
        sys.stderr.write(
            "This environment cannot train: `python3 -m scripts.bootstrap worker` makes .venv-worker.\n"
        )
        return 2
    log_uncaught()
    asyncio.run(_until_told(settings))
    return 0


async def _until_told(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # SQLAlchemy and its like take a moment, which asking for `--help` need not wait for.
    wiring = import_module("gateway.worker_wiring")

    stopped = asyncio.create_task(stop.wait(), name="stop")
    async with AsyncExitStack() as stack:
        opening = asyncio.create_task(stack.enter_async_context(wiring.worker(settings)), name="opening")
        # A store that does not open is waited for in there; a signal ends that too.
        await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            opening.cancel()
        with suppress(asyncio.CancelledError):
            await opening
        await stopped
