"""`gateway keys`: make, list, change, rotate and revoke API keys.

Every change is told to the audit (docs/keys.md). Unlike elsewhere it does not wait for the store: the first
key is made before there is one, and a leaked key must be revoked while it is down.
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.adapters.key_file import LIMITS, KeyRecord, State, read_keys
from gateway.adapters.keyring import add_key, key_of, revoke_key, rotate_key, set_key
from gateway.audit import Action
from gateway.commands.audited import tell
from gateway.domain import Role
from gateway.settings import Settings

_SPAN = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_GRACE = timedelta(hours=24)
_MOST = 2**31 - 1
_LONGEST_KEY = 1024  # bytes that `check` reads
_HEADS = ("name", "key", "role", "state", "created", "expires", "requests/min", "tokens/min", "parallel")
_NO_END = {"expires_at": None}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keys = commands.add_parser("keys", help="make, list, change, rotate and revoke API keys")
    actions = keys.add_subparsers(dest="action", required=True)
    adding = _action(actions, "add", "make a key and show it once", _add)
    _limits(adding, "the service's default otherwise")
    adding.add_argument("--role", type=Role, choices=[*Role], default=Role.GRADER)
    adding.add_argument("--expires", type=_end, metavar="90d|ISO", default=_NO_END, help="never otherwise")
    listing = actions.add_parser("list", help="every key: what it is known by, its state and limits")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    _action(actions, "revoke", "refuse the keys of that name from now on", _revoke)
    rotating = _action(actions, "rotate", "a new key for the same name; the old one goes on a while", _rotate)
    rotating.add_argument("--grace", type=_span, metavar="24h", default=_GRACE, help="24h; 0s: none")
    rotating.add_argument("--expires", type=_end, metavar="90d|ISO", default=_NO_END)
    setting = _action(actions, "set", "change the role, limits or end of a key", _set)
    _limits(setting, "'default' for the service's")
    setting.add_argument("--role", type=Role, choices=[*Role], default=argparse.SUPPRESS)
    setting.add_argument(
        "--expires", type=_end, metavar="90d|ISO|never", dest="end", default=argparse.SUPPRESS
    )
    checking = actions.add_parser("check", help="say whose the key is that stands on stdin; 1: it is refused")
    checking.set_defaults(run=_check)


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    says: str,
    act: Callable[[argparse.Namespace, Path], None],
) -> argparse.ArgumentParser:
    """A command that changes the key of a name."""
    parser = actions.add_parser(name, help=says)
    parser.add_argument("name")
    parser.set_defaults(run=lambda options, settings: _changed(options, settings, act))
    return parser


def _limits(parser: argparse.ArgumentParser, says: str) -> None:
    for name, least in LIMITS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_limit_from(least),
            metavar="N",
            default=argparse.SUPPRESS,
            help=f"{says}{'' if least else '; 0: no limit'}",
        )


def _limit_from(least: int) -> Callable[[str], int | None]:
    def number(text: str) -> int | None:
        if text == "default":
            return None
        if not text.isdecimal() or not least <= int(text) <= _MOST:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {_MOST}, or default")
        return int(text)

    return number


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("a number and one of s, m, h, d: 24h")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _end(text: str) -> Mapping[str, datetime | None]:
    """When a key expires; a mapping, because `never` is something to say."""
    now = datetime.now(UTC).replace(microsecond=0)
    if text == "never":
        return _NO_END
    try:
        end = now + _span(text) if _SPAN.fullmatch(text) else datetime.fromisoformat(text)
        end = end.replace(tzinfo=UTC) if end.tzinfo is None else end.astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("90d, or a time of ISO 8601") from None
    if end <= now:
        raise argparse.ArgumentTypeError("that is over")
    return {"expires_at": end}


def _changed(
    options: argparse.Namespace, settings: Settings, act: Callable[[argparse.Namespace, Path], None]
) -> int:
    try:
        act(options, settings.api_keys_file)
    except (ValueError, OSError) as error:
        return _unusable(error)
    asyncio.run(tell(settings, Action(f"key.{options.action}"), options.name))
    return 0


def _add(options: argparse.Namespace, path: Path) -> None:
    _show(add_key(path, options.name, options.role, **_given(options), **options.expires))


def _revoke(options: argparse.Namespace, path: Path) -> None:
    revoke_key(path, options.name)


def _rotate(options: argparse.Namespace, path: Path) -> None:
    _show(rotate_key(path, options.name, options.grace, **options.expires))


def _set(options: argparse.Namespace, path: Path) -> None:
    changes = {**_given(options), **getattr(options, "end", {})}
    if "role" in options:
        changes["role"] = options.role
    if not changes:
        raise ValueError("say what to change: --role, --expires, or a limit")
    set_key(path, options.name, changes)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The limits that were said."""
    return {name: getattr(options, name) for name in LIMITS if name in options}


def _show(key: str) -> None:
    sys.stdout.write(f"{key}\n")
    sys.stderr.write("The key is shown this once; only its hash is kept.\n")


def _list(options: argparse.Namespace, settings: Settings) -> int:
    try:
        records = read_keys(settings.api_keys_file)
    except (ValueError, OSError) as error:
        return _unusable(error)
    now = datetime.now(UTC)
    if options.json:
        sys.stdout.write(json.dumps([_told(record, now) for record in records], indent=1) + "\n")
        return 0
    rows = [_HEADS, *(_row(record, now) for record in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    return 0


def _row(record: KeyRecord, now: datetime) -> tuple[str, ...]:
    return (
        record.key_id,
        f"{record.shown}..." if record.shown else "-",
        record.role.value,
        record.state(now).value,
        *(
            time.strftime("%Y-%m-%d %H:%M") if time else "-"
            for time in (record.created_at, record.expires_at)
        ),
        *("-" if getattr(record, name) is None else str(getattr(record, name)) for name in LIMITS),
    )


def _told(record: KeyRecord, now: datetime) -> dict[str, object]:
    """Everything but the hash."""
    told = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "sha256"}
    times = {name: one.isoformat() for name, one in told.items() if isinstance(one, datetime)}
    return {**told, **times, "state": record.state(now).value}


def _check(_: argparse.Namespace, settings: Settings) -> int:
    """The key is read from stdin: arguments stand in the list of processes and in a shell's history."""
    key = sys.stdin.readline(_LONGEST_KEY).strip().encode()
    try:
        record = key_of(settings.api_keys_file, key)
    except (ValueError, OSError) as error:
        return _unusable(error)
    if record is None:
        sys.stdout.write("unknown: no key of this file\n")
        return 1
    state = record.state(datetime.now(UTC))
    sys.stdout.write(f"{record.key_id}\t{record.role.value}\t{state.value}\n")
    return 0 if state in (State.ACTIVE, State.EXPIRING) else 1


def _unusable(error: Exception) -> int:
    sys.stderr.write(f"{error}\n")
    return 2
