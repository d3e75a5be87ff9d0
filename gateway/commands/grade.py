"""`gateway grade`: grade a file of submissions; killed at any moment, the same command goes on."""

import argparse
import asyncio
import functools
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import uvloop

from gateway.adapters.json_log import log_as_json
from gateway.adapters.ray import RayEngine, check_installed
from gateway.batch import progress
from gateway.batch.answering import Answering
from gateway.batch.files import assemble
from gateway.batch.journal import Journal, open_journal
from gateway.batch.patience import Patience
from gateway.batch.reading import read_rows
from gateway.batch.rows import Unusable
from gateway.batch.run import Engine, Local, Run
from gateway.commands.grade_arguments import Plan, add_arguments, planned
from gateway.errors import GatewayError, MaskingUnavailable
from gateway.pipeline import Gateway
from gateway.settings import Settings
from gateway.tasks import ended
from gateway.wiring import services

_FAILED, _UNUSABLE, _SOME_ERRORS = 1, 2, 3  # exit codes besides 0
_MASKING_STARTS_S = 90.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("grade", help="grade a file of submissions", description=__doc__)
    add_arguments(parser)
    parser.set_defaults(run=_grade)


def _grade(options: argparse.Namespace, settings: Settings) -> int:
    log_as_json("WARNING")
    try:
        if options.engine == "ray":
            check_installed()
        plan = planned(options, settings)
        fingerprint = plan.job.fingerprint(plan.seen.sha256)
        journal = open_journal(plan.paths.journal, fingerprint, fresh=options.fresh)
    except (Unusable, OSError) as error:
        progress.say(_told(error))
        return _UNUSABLE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    with closing(journal):
        try:
            return uvloop.run(_run(options, settings, plan, journal))
        except (Unusable, OSError, GatewayError) as error:
            progress.say(f"{_told(error)}. What is done is kept: the same command goes on.")
            return _FAILED


async def _run(options: argparse.Namespace, settings: Settings, plan: Plan, journal: Journal) -> int:
    signals = _Signals()
    total = plan.seen.rows
    if journal.tally.done:
        progress.say(f"going on: {journal.tally.done} of {total} rows are done")
    if journal.tally.done < total:
        shown = asyncio.create_task(progress.show(journal.tally, total), name="progress")
        try:
            async with _engine(options, settings, signals.stopping) as engine:
                with closing(read_rows(plan.paths.source, plan.job, plan.limits)) as rows:
                    finished = await Run(rows, journal, engine, signals.stopping).finished()
        finally:
            await ended(shown)
        if not finished:
            progress.say(f"stopped: {progress.line(journal.tally, total)}. The same command goes on.")
            return 128 + signals.caught
    failed = await asyncio.to_thread(assemble, plan.paths, plan.job, plan.limits, plan.seen, journal)
    journal.remove()
    progress.say(f"{progress.line(journal.tally, total)}: {plan.paths.out}")
    if failed:
        progress.say(f"{failed} of {total + plan.seen.faults} rows have no answer: {plan.paths.errors}")
    return _SOME_ERRORS if failed else 0


class _Signals:
    """The first SIGINT or SIGTERM asks for the end, the second one is it."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.caught = 0
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._first, number)

    def _first(self, caught: int) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        self.caught = caught
        progress.say("\nrows under way get 10 s to end; once more ends at once")
        self.stopping.set()


@asynccontextmanager
async def _engine(
    options: argparse.Namespace, settings: Settings, stopping: asyncio.Event
) -> AsyncIterator[Engine]:
    patience = Patience(total_s=options.retry_for)
    if options.engine == "ray":
        opening = functools.partial(answering, settings, patience)
        async with RayEngine.opened(opening, options.workers, options.concurrency) as engine:
            yield engine
        return
    async with answering(settings, patience, stopping) as here:
        yield Local(here, options.concurrency)


@asynccontextmanager
async def answering(
    settings: Settings, patience: Patience, stopping: asyncio.Event | None = None
) -> AsyncIterator[Answering]:
    """The gateway's own services in this process, masking ready: a row meets what a request meets."""
    # The queue behind REST has processes of its own.
    async with services(settings.model_copy(update={"batch_concurrency": 0})) as made:
        await _masking(made.gateway, stopping or asyncio.Event())
        yield Answering(made.gateway, patience)


async def _masking(gateway: Gateway, stopping: asyncio.Event) -> None:
    """Returns when masking works; a model server that is down is each row's own affair."""
    give_up = time.monotonic() + _MASKING_STARTS_S
    while not stopping.is_set():
        # First of all: asked before the workers have begun to start, masking is believed to be down for 2 s.
        await asyncio.sleep(0.05)
        try:
            return await gateway.check_ready()
        except MaskingUnavailable:
            if time.monotonic() > give_up:
                raise
        except GatewayError:
            return None
    return None


def _told(error: Exception) -> str:
    if isinstance(error, GatewayError):
        return error.message
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return str(error)
