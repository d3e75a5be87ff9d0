"""`gateway store`: migrate, look at, prune and export the database."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from gateway.adapters.database.database import Database
from gateway.adapters.database.export import export, export_jobs
from gateway.adapters.database.migration import HEAD
from gateway.adapters.database.retention import counts, prunable, prune
from gateway.audit import Action
from gateway.commands.audited import recorded
from gateway.errors import GatewayError, StoreUnavailable
from gateway.settings import Settings

_TIMEOUT_S = 60.0  # of one transaction: counting everything takes a while


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    store = commands.add_parser("store", help="migrate, look at, prune and export the database")
    actions = store.add_subparsers(dest="action", required=True)
    upgrading = actions.add_parser("upgrade", help="make or migrate the tables (a start does so too)")
    upgrading.set_defaults(run=_upgrade)
    looking = actions.add_parser("status", help="which engine, which revision, how much is kept")
    looking.set_defaults(run=_status)
    pruning = actions.add_parser("prune", help="delete grades, trainings and observations older than that")
    pruning.add_argument("--days", type=_days, required=True)
    pruning.add_argument("--dry-run", action="store_true", help="only count")
    pruning.set_defaults(run=_prune)
    exporting = actions.add_parser("export", help="every grade with audit and corrections, as JSON lines")
    exporting.add_argument("--jobs", action="store_true", help="every training job with its log instead")
    exporting.add_argument("--out", type=Path, required=True)
    exporting.add_argument("--force", action="store_true", help="replace a file that is there")
    exporting.set_defaults(run=_export)


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= 36_500:
        raise ValueError
    return days


def _upgrade(_: argparse.Namespace, settings: Settings) -> int:
    async def upgrade(database: Database) -> int:
        await database.start()
        async with recorded(database, Action.STORE_UPGRADE, HEAD):  # there was no place for it before
            sys.stdout.write(f"{database.engine} is at revision {HEAD}\n")
        return 0

    return _with_database(settings, upgrade)


def _status(_: argparse.Namespace, settings: Settings) -> int:
    async def status(database: Database) -> int:
        revision = await database.open()
        rows: dict[str, object] = {"engine": database.engine, "revision": revision or "none"}
        if revision == HEAD:
            rows |= await counts(database)
        sys.stdout.writelines(f"{name}\t{value}\n" for name, value in rows.items())
        return 0

    return _with_database(settings, status)


def _prune(options: argparse.Namespace, settings: Settings) -> int:
    before = datetime.now(UTC) - timedelta(days=options.days)

    async def pruned(database: Database) -> int:
        await _current(database)
        if options.dry_run:
            found = await prunable(database, before)
        else:
            async with recorded(database, Action.STORE_PRUNE, f"before-{before.date()}"):
                found = await prune(database, before)
        said = "would delete" if options.dry_run else "deleted"
        sys.stdout.write(
            f"{said} {found.grades} grades, {found.calls} model calls, {found.corrections} corrections, "
            f"{found.answers} remembered answers, {found.jobs} training jobs, {found.events} lines of their "
            f"logs, {found.observations} observations of the traffic, {found.runs} comparisons of it\n"
        )
        return 0

    return _with_database(settings, pruned)


def _export(options: argparse.Namespace, settings: Settings) -> int:
    out: Path = options.out
    if out.exists() and not options.force:
        sys.stderr.write(f"{out} is there already; --force replaces it\n")
        return 2

    async def exported(database: Database) -> int:
        await _current(database)
        with _whole(out) as file:
            written = await _written(export_jobs(database) if options.jobs else export(database), file)
        sys.stdout.write(f"{written} {'training jobs' if options.jobs else 'grades'} in {out}\n")
        return 0

    return _with_database(settings, exported)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its name when it is whole and on the disk, and is gone otherwise."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


async def _written(lines: AsyncIterator[bytes], file: BinaryIO) -> int:
    written = 0
    async for line in lines:
        file.write(line)
        written += 1
    return written


async def _current(database: Database) -> None:
    """Opens it and migrates nothing: an older gateway may be running on it."""
    if await database.open() != HEAD:
        raise StoreUnavailable("The database is of another revision: run `gateway store upgrade` first.")


def _with_database(settings: Settings, action: Callable[[Database], Awaitable[int]]) -> int:
    async def run() -> int:
        database = Database(settings.database_url.get_secret_value(), timeout_s=_TIMEOUT_S)
        try:
            return await action(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
