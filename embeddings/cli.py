"""`python -m embeddings serve | build`."""

import argparse
import sys

from pydantic import ValidationError

from embeddings.errors import Unusable
from embeddings.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code, 2 for settings or a model that cannot be used."""
    parser = argparse.ArgumentParser(prog="embeddings", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="open the door")
    commands.add_parser(
        "build",
        help="fetch the model, write its ONNX file, look at the heads: for an image or an offline machine",
    )
    options = parser.parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            where = "_".join(["EMBEDDINGS", *(str(part).upper() for part in fault["loc"])])
            what = fault["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"setting {where}: {what}\n" if fault["loc"] else f"{what}\n")
        return 2
    # Imported here: a wrong setting is told without waiting for ONNX Runtime.
    from embeddings.app import build, serve  # noqa: PLC0415

    try:
        if options.command == "build":
            build(settings)
        else:
            serve(settings)
    except Unusable as reason:
        sys.stderr.write(f"embeddings: {reason}\n")
        return 2
    return 0
