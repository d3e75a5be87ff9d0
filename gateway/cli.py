"""`python -m gateway COMMAND`: serve, keys, ..."""

import argparse
import sys

from pydantic import ValidationError

from gateway.commands import keys, serve
from gateway.settings import Settings

_COMMANDS = (serve, keys)


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
    code: int = options.run(options, settings)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return parser
