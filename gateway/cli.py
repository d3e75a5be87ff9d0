"""`python -m gateway COMMAND`: serve, worker, keys, audit, grade, golden, store, drift, mask."""

import argparse
import sys
from importlib import import_module

from pydantic import ValidationError

from gateway.adapters.crashes import leave_no_dump
from gateway.settings import Settings

_COMMANDS = ("serve", "worker", "keys", "audit", "grade", "golden", "store", "drift", "mask")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code, 2 for settings or arguments that cannot be used."""
    leave_no_dump()
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(given[0] if given else "").parse_args(given)
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            where = ".".join(str(part) for part in fault["loc"]).upper()
            what = fault["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"setting {where}: {what}\n" if where else f"{what}\n")
        return 2
    code: int = options.run(options, settings)
    return code


def _parser(first: str) -> argparse.ArgumentParser:
    """Only the command that is run is loaded: the door need not wait for what draws progress bars."""
    parser = argparse.ArgumentParser(prog="gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in (first,) if first in _COMMANDS else _COMMANDS:
        import_module(f"gateway.commands.{name}").add(commands)
    return parser
