"""`gateway serve`: open the door."""

import argparse
import asyncio
from importlib import import_module

import uvloop

from gateway.adapters.crashes import log_uncaught
from gateway.settings import Settings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("serve", help="open the door")
    parser.add_argument("--announce", action="store_true", help="say on stderr when the model is ready")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    log_uncaught()
    uvloop.run(_served(settings, announce=options.announce))
    return 0


async def _served(settings: Settings, *, announce: bool) -> None:
    """What finds personal data loads in its own processes, and takes as long as the door's libraries here:
    side by side the first masked answer comes a second sooner."""
    analyzer = settings.analyzer_pool()
    if settings.mask_personal_data:
        starting = asyncio.create_task(analyzer.start(), name="masking start")
    app = await asyncio.to_thread(import_module, "gateway.app")
    await app.serve(settings, analyzer, announce=announce)
    if settings.mask_personal_data:
        await starting
