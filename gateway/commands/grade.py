"""`gateway grade`: grade a file of submissions; killed at any moment, the same command goes on."""

import argparse
import asyncio
import functools
import math
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvloop

from gateway.adapters.ray import RayEngine
from gateway.batch import progress
from gateway.batch.answering import Answering
from gateway.batch.files import Paths, Survey, assemble, survey
from gateway.batch.journal import Journal, open_journal
from gateway.batch.patience import Patience
from gateway.batch.reading import Limits, json_format, read_rows
from gateway.batch.requests import COLUMNS
from gateway.batch.rows import Format, Job, Unusable
from gateway.batch.run import Engine, Local, Run
from gateway.chat.request import Bounds
from gateway.contracts.rubric import read_rubric
from gateway.errors import GatewayError, InvalidRequest, MaskingUnavailable
from gateway.pipeline import Gateway
from gateway.settings import Settings
from gateway.wiring import ended, log_as_json, services

_FAILED, _UNUSABLE, _SOME_ERRORS = 1, 2, 3  # exit codes besides 0
_MASKING_STARTS_S = 90.0
_ENDINGS = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}
_RUBRIC_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}(@\d+\.\d+\.\d+)?")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("grade", help="grade a file of submissions", description=__doc__)
    option = parser.add_argument
    option("file", type=Path, help="CSV with a header, JSON lines, or OpenAI's batch format")
    option("--out", type=Path, required=True, help="answers in the file's order")
    option("--errors", type=Path, help="rows without an answer; default: beside --out")
    option("--format", choices=[one.value for one in Format], help="of the file; default: by its ending")
    option("--rubric", help="for rows without one: a JSON file, or name@1.0.0 of the store")
    option("--question", help="for rows without one")
    option("--max-score", type=float, help="for rows without one; 10 where nothing says")
    option("--grader", choices=("auto", "llm", "embedding"), default="auto")
    option("--concurrency", type=int, default=8, help="rows at once; with ray: in each worker")
    option("--retry-for", type=float, default=300.0, help="seconds for a row while a server is down")
    option("--engine", choices=("local", "ray"), default="local")
    option("--workers", type=int, help="with ray; default: one for each CPU")
    option("--fresh", action="store_true", help="start over, and replace --out where it is there already")
    columns = parser.add_argument_group("columns of a CSV file that have other names")
    for field in COLUMNS:
        columns.add_argument(_column_option(field), metavar="NAME")
    parser.set_defaults(run=_grade)


@dataclass(frozen=True, slots=True)
class _Plan:
    paths: Paths
    job: Job
    limits: Limits
    seen: Survey


def _grade(options: argparse.Namespace, settings: Settings) -> int:
    log_as_json("WARNING")
    try:
        plan = _plan(options, settings)
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


async def _run(options: argparse.Namespace, settings: Settings, plan: _Plan, journal: Journal) -> int:
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
    async with services(settings) as made:
        await _masking(made.gateway, stopping or asyncio.Event())
        yield Answering(made.gateway, patience)


async def _masking(gateway: Gateway, stopping: asyncio.Event) -> None:
    """Returns when masking works; a model server that is down is each row's own affair."""
    give_up = time.monotonic() + _MASKING_STARTS_S
    while not stopping.is_set():
        try:
            return await gateway.check_ready()
        except MaskingUnavailable:
            if time.monotonic() > give_up:
                raise
        except GatewayError:
            return None
        await asyncio.sleep(0.2)
    return None


def _plan(options: argparse.Namespace, settings: Settings) -> _Plan:
    """What the arguments ask for, and a first look at the whole file. Raises Unusable, OSError."""
    _check_numbers(options)
    paths = _paths(options)
    kind = _format(options)
    if kind is Format.OPENAI and paths.out.suffix.lower() == ".csv":
        raise Unusable("OpenAI's batch format is answered in JSON lines: give --out another ending")
    columns = {field: name for field in COLUMNS if (name := getattr(options, f"column_{field}")) is not None}
    if columns and kind is not Format.CSV:
        raise Unusable("only CSV files have columns")
    rubric, rubric_id = _rubric(options.rubric)
    job = Job(
        *(kind, columns, options.question, options.max_score),
        *(rubric, rubric_id, options.grader),
    )
    limits = Limits(settings.max_body_bytes, Bounds(max_json_depth=settings.max_json_depth))
    return _Plan(paths, job, limits, survey(paths.source, job, limits))


def _check_numbers(options: argparse.Namespace) -> None:
    bounds = {
        "max_score": (0.001, 1000),
        "concurrency": (1, 1024),
        "retry_for": (0, 86_400),
        "workers": (1, 10_000),
    }
    for name, (least, most) in bounds.items():
        value = getattr(options, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            raise Unusable(f"--{name.replace('_', '-')} must be within {least} and {most}")


def _paths(options: argparse.Namespace) -> Paths:
    source, out = options.file, options.out
    errors = options.errors or out.with_name(f"{out.stem}.errors{out.suffix}")
    paths = Paths(source, out, errors, options.errors is not None)
    if not source.is_file():
        raise Unusable(f"{source} is no file")
    if len({path.resolve() for path in (source, out, errors, paths.journal)}) < 4:
        raise Unusable("the file, --out and --errors must be different")
    for path in (out, errors):
        if not path.parent.is_dir():
            raise Unusable(f"{path.parent} is no folder")
    if out.exists() and not paths.journal.exists() and not options.fresh:
        raise Unusable(f"{out} is there already: --fresh replaces it")
    return paths


def _format(options: argparse.Namespace) -> Format:
    if options.format is not None:
        return Format(options.format)
    kind = _ENDINGS.get(options.file.suffix.lower())
    if kind is None:
        raise Unusable("the file's ending does not tell its format: give --format")
    return json_format(options.file) if kind is Format.JSONL else kind


def _rubric(given: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """An inline rubric, or the name of one in the store."""
    if given is None:
        return None, None
    if given.endswith(".json"):
        try:
            rubric: dict[str, Any] = orjson.loads(Path(given).read_bytes())
            read_rubric(rubric)
        except orjson.JSONDecodeError:
            raise Unusable(f"{given} is not JSON") from None
        except InvalidRequest as error:
            raise Unusable(f"{given}: {error.message}") from None
        return rubric, None
    if not _RUBRIC_ID.fullmatch(given):
        raise Unusable("--rubric must be a file that ends in .json, or name@1.0.0")
    return None, given


def _column_option(field: str) -> str:
    return f"--column-{field.replace('_', '-')}"


def _told(error: Exception) -> str:
    if isinstance(error, GatewayError):
        return error.message
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return str(error)
