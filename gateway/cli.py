"""`python -m gateway serve | keys`."""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from gateway.adapters.keyring import add_key, read_keys, revoke_key
from gateway.app import serve
from gateway.domain import Role
from gateway.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code, 2 for settings or arguments that cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            where = ".".join(str(part) for part in fault["loc"]).upper()
            what = fault["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"setting {where}: {what}\n" if where else f"{what}\n")
        return 2
    if options.command == "serve":
        serve(settings, announce=options.announce)
        return 0
    return _keys(options, settings.api_keys_file)


def _keys(options: argparse.Namespace, path: Path) -> int:
    try:
        if options.action == "add":
            key = add_key(path, options.name, Role(options.role), options.requests_per_minute)
            sys.stdout.write(f"{key}\n")
            sys.stderr.write("The key is shown this once; only its hash is kept.\n")
        elif options.action == "revoke":
            revoke_key(path, options.name)
        else:
            for record in read_keys(path):
                state = "revoked" if record.revoked else "active"
                sys.stdout.write(f"{record.key_id}\t{record.role}\t{state}\n")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="open the door")
    serving.add_argument("--announce", action="store_true", help="say on stderr when the model is ready")
    keys = commands.add_parser("keys", help="add, list and revoke API keys")
    actions = keys.add_subparsers(dest="action", required=True)
    adding = actions.add_parser("add", help="make a key and show it once")
    adding.add_argument("name")
    adding.add_argument("--role", choices=[role.value for role in Role], default=Role.GRADER.value)
    adding.add_argument("--requests-per-minute", type=int, default=None)
    actions.add_parser("list", help="names, roles and states")
    actions.add_parser("revoke", help="refuse a key from now on").add_argument("name")
    return parser
