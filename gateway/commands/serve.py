"""`gateway serve`: open the door."""

import argparse

from gateway.app import serve
from gateway.settings import Settings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("serve", help="open the door")
    parser.add_argument("--announce", action="store_true", help="say on stderr when the model is ready")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    serve(settings, announce=options.announce)
    return 0
