"""`gateway drift`: keep what the traffic should look like, and ask how it has changed since.

Over the store, as `gateway store` is; comparisons are the worker's. `run --wait` exits with 0 for no drift, 1
for drift, 3 when nothing can be said: skipped, failed, not over in time, the store is down. 2: what was given
cannot be used.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift import DatabaseDrift
from gateway.adapters.database.migration import HEAD
from gateway.adapters.reports import StoredReports
from gateway.audit import Action
from gateway.commands.audited import recorded
from gateway.domain import Caller, Role
from gateway.drift.asks import read_time
from gateway.drift.desk import DriftDesk
from gateway.drift.facts import DriftRun, ModelTraffic, Reference, RunState
from gateway.errors import Conflict, GatewayError, InvalidRequest, NotFound, StoreUnavailable
from gateway.settings import Settings

_CALLER = Caller("command", Role.ADMIN, requests_per_minute=1)
_TIMEOUT_S = 60.0  # of one transaction: drawing from a month of traffic takes a while
_POLL_S = 0.5
_WAIT_S = 600.0  # two comparisons at their longest: another's may be before this one
_LISTED = 50
_SAME, _DRIFTED, _UNUSABLE, _UNKNOWN = 0, 1, 2, 3


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    drift = commands.add_parser("drift", help="keep references, compare the live traffic with them")
    actions = drift.add_subparsers(dest="action", required=True)
    looking = actions.add_parser("models", help="what was seen of each model, and its last comparison")
    looking.set_defaults(run=_models)
    keeping = actions.add_parser("keep", help="put observations of a window aside to compare with")
    keeping.add_argument("model")
    keeping.add_argument("--days", type=_days, help="how long the window is: 7 without --since")
    keeping.add_argument("--since", type=_time, metavar="ISO", help="where it begins")
    keeping.add_argument("--until", type=_time, metavar="ISO", help="where it ends: now otherwise")
    keeping.set_defaults(run=_keep)
    listing = actions.add_parser("references", help=f"the newest {_LISTED}")
    listing.add_argument("--model")
    listing.set_defaults(run=_references)
    telling = actions.add_parser("runs", help=f"the newest {_LISTED} comparisons")
    telling.add_argument("--model")
    telling.set_defaults(run=_runs)
    running = actions.add_parser("run", help="queue a comparison; with --wait exit 1 for drift")
    running.add_argument("model")
    running.add_argument("--window-hours", type=float, metavar="H", help="of traffic that is compared")
    running.add_argument(
        "--wait", type=_seconds, nargs="?", const=_WAIT_S, metavar="S", help=f"seconds, {_WAIT_S:g}"
    )
    running.set_defaults(run=_run)
    forgetting = actions.add_parser("forget", help="delete a reference with its observations")
    forgetting.add_argument("id")
    forgetting.set_defaults(run=_forget)


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= 366:
        raise ValueError
    return days


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:
        raise ValueError
    return seconds


def _time(text: str) -> datetime:
    try:
        return read_time(text, "time")
    except InvalidRequest as error:
        raise argparse.ArgumentTypeError("a time of ISO 8601") from error


def _models(_: argparse.Namespace, settings: Settings) -> int:
    async def models(desk: DriftDesk) -> int:
        _print("model", "rows", "oldest", "newest", "reference", "last_run", "drifted")
        for one in await desk.traffic(_CALLER):
            _print(*_traffic_row(one))
        return _SAME

    return _with_desk(settings, models)


def _keep(options: argparse.Namespace, settings: Settings) -> int:
    if options.days is not None and options.since is not None:
        sys.stderr.write("--days and --since both say where the window begins\n")
        return _UNUSABLE
    since: datetime | None = options.since
    if options.days is not None:
        since = (options.until or datetime.now(UTC)) - timedelta(days=options.days)

    async def keep(desk: DriftDesk) -> int:
        _print_references([await desk.keep(_CALLER, options.model, since, options.until)])
        return _SAME

    return _with_desk(settings, keep, (Action.REFERENCE_KEEP, options.model))


def _references(options: argparse.Namespace, settings: Settings) -> int:
    async def references(desk: DriftDesk) -> int:
        _print_references(await desk.references(_CALLER, options.model, _LISTED))
        return _SAME

    return _with_desk(settings, references)


def _runs(options: argparse.Namespace, settings: Settings) -> int:
    async def runs(desk: DriftDesk) -> int:
        _print("id", "model", "created_at", "status", "drifted", "rows", "columns")
        for run in await desk.find(_CALLER, options.model, None, _LISTED):
            columns = ",".join(column.column for column in run.columns if column.drifted)
            _print(run.id, run.model, run.created_at, run.state.value, run.drifted, run.rows, columns or None)
        return _SAME

    return _with_desk(settings, runs)


def _run(options: argparse.Namespace, settings: Settings) -> int:
    async def run(desk: DriftDesk) -> int:
        asked = await desk.ask(_CALLER, options.model, options.window_hours)
        if options.wait is None:
            _print(asked.id, asked.state.value)
            return _SAME
        over = await _waited(desk, asked, time.monotonic() + options.wait)
        _print(over.id, over.state.value, over.error)
        for column in over.columns:
            says = "drifted" if column.drifted else "same"
            _print(column.column, says, column.method, f"{column.score:.6g}", f"{column.threshold:.6g}")
        if over.state is not RunState.SUCCEEDED or over.drifted is None:
            return _UNKNOWN
        return _DRIFTED if over.drifted else _SAME

    return _with_desk(settings, run)


def _forget(options: argparse.Namespace, settings: Settings) -> int:
    async def forget(desk: DriftDesk) -> int:
        await desk.forget(_CALLER, options.id)
        return _SAME

    return _with_desk(settings, forget, (Action.REFERENCE_FORGET, options.id))


async def _waited(desk: DriftDesk, run: DriftRun, until: float) -> DriftRun:
    """The run when it is over, or as it is by then."""
    while not run.state.over and (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(_POLL_S, left))
        run = await desk.get(_CALLER, run.id)
    return run


def _traffic_row(one: ModelTraffic) -> Iterable[object]:
    run = one.last_run
    return (
        one.model,
        one.rows,
        one.oldest,
        one.newest,
        one.reference.id if one.reference else None,
        f"{run.id} {run.state.value}" if run else None,
        run.drifted if run else None,
    )


def _print_references(references: Iterable[Reference]) -> None:
    _print("id", "model", "since", "until", "rows", "created_by")
    for one in references:
        _print(one.id, one.model, one.window.since, one.window.until, one.rows, one.key_id)


def _print(*cells: object) -> None:
    """A row with tabs between; times to the second, `-` for what is not known."""
    sys.stdout.write("\t".join(map(_cell, cells)) + "\n")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _with_desk(
    settings: Settings, action: Callable[[DriftDesk], Awaitable[int]], told: tuple[Action, str] | None = None
) -> int:
    """`told`: what the audit is told of it, and what it is done to."""

    async def act() -> int:
        database = Database(settings.database_url.get_secret_value(), timeout_s=_TIMEOUT_S)
        try:
            if await database.open() != HEAD:  # migrates nothing: an older gateway may be running on it
                raise StoreUnavailable(
                    "The database is of another revision: run `gateway store upgrade` first."
                )
            reports = StoredReports(settings.reports_url, settings.s3)
            desk = DriftDesk(DatabaseDrift(database), reports, settings.drift_window_h)
            if told is None:
                return await action(desk)
            async with recorded(database, *told):
                return await action(desk)
        finally:
            await database.close()

    try:
        return asyncio.run(act())
    except (InvalidRequest, NotFound, Conflict) as error:
        sys.stderr.write(f"{error}\n")
        return _UNUSABLE
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return _UNKNOWN
