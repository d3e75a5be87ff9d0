"""`gateway audit`: who changed what others use, newest first."""

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime

from gateway.adapters.database.audit import DatabaseTrail
from gateway.adapters.database.database import Database
from gateway.adapters.database.migration import HEAD
from gateway.audit import Action, AuditQuery, Entry, entry_answer
from gateway.errors import GatewayError, StoreUnavailable
from gateway.settings import Settings

_TIMEOUT_S = 60.0
_PAGE = 200


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("audit", help="who changed what others use, newest first")
    parser.add_argument("--since", type=_time, metavar="ISO", help="begun then or later")
    parser.add_argument("--action", type=Action, choices=[*Action], metavar="ACTION", help=", ".join(Action))
    parser.add_argument("--key-id", help="a key's name, or cli:USER")
    parser.add_argument("--limit", type=_limit, help="all otherwise")
    parser.add_argument("--json", action="store_true", help="an object a line")
    parser.set_defaults(run=_audit)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a time of ISO 8601: 2026-05-01") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number above zero")
    return int(text)


def _audit(options: argparse.Namespace, settings: Settings) -> int:
    query = AuditQuery(options.action, options.key_id, options.since)
    try:
        asyncio.run(_written(settings, query, options.limit, as_json=options.json))
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _written(settings: Settings, query: AuditQuery, most: int | None, *, as_json: bool) -> None:
    """A page at a time: a year of them need not fit into memory."""
    database = Database(settings.database_url.get_secret_value(), timeout_s=_TIMEOUT_S)
    try:
        if await database.open() != HEAD:  # migrates nothing: an older gateway may be running on it
            raise StoreUnavailable("The database is of another revision: run `gateway store upgrade` first.")
        trail = DatabaseTrail(database)
        while most is None or most > 0:
            size = _PAGE if most is None else min(_PAGE, most)
            page = await trail.find(replace(query, limit=size))
            sys.stdout.writelines(_json(entry) if as_json else _line(entry) for entry in page)
            if len(page) < size:
                return
            query = replace(query, after=page[-1].id)
            most = most and most - len(page)
    finally:
        await database.close()


def _line(entry: Entry) -> str:
    began = entry.created_at.isoformat(timespec="seconds")
    cells = (
        began,
        entry.key_id,
        entry.action.value,
        entry.object,
        entry.outcome or "begun",
        entry.request_id,
    )
    return "\t".join(cell or "-" for cell in cells) + "\n"


def _json(entry: Entry) -> str:
    return json.dumps(entry_answer(entry)) + "\n"
