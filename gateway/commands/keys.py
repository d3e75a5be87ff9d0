"""`gateway keys`: add, list and revoke API keys."""

import argparse
import sys

from gateway.adapters.keyring import add_key, read_keys, revoke_key
from gateway.domain import Role
from gateway.settings import Settings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keys = commands.add_parser("keys", help="add, list and revoke API keys")
    keys.set_defaults(run=_keys)
    actions = keys.add_subparsers(dest="action", required=True)
    adding = actions.add_parser("add", help="make a key and show it once")
    adding.add_argument("name")
    adding.add_argument("--role", choices=[role.value for role in Role], default=Role.GRADER.value)
    adding.add_argument("--requests-per-minute", type=int, default=None)
    actions.add_parser("list", help="names, roles and states")
    actions.add_parser("revoke", help="refuse a key from now on").add_argument("name")


def _keys(options: argparse.Namespace, settings: Settings) -> int:
    path = settings.api_keys_file
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
