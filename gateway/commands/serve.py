"""`gateway serve`: open the door."""

import argparse
import asyncio
import logging
import signal
from importlib import import_module

import uvloop

from gateway.adapters.crashes import log_uncaught
from gateway.adapters.json_log import log_as_json
from gateway.adapters.lifeline import die_with
from gateway.settings import Settings

log = logging.getLogger(__name__)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("serve", help="open the door")
    parser.add_argument("--announce", action="store_true", help="say on stderr when the model is ready")
    parser.add_argument("--workers", type=int, choices=range(1, 65), metavar="N", help="instead of WORKERS")
    # What the parent tells its workers.
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--metrics-port", type=int, help=argparse.SUPPRESS)
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    log_uncaught()
    if options.parent is not None:
        die_with(options.parent, signal.SIGTERM)
    told = {"workers": options.workers, "metrics_port": options.metrics_port}
    settings = settings.model_copy(update={name: one for name, one in told.items() if one is not None})
    if settings.workers > 1:
        return uvloop.run(_several(settings, announce=options.announce))
    return uvloop.run(_served(settings, announce=options.announce, share_ports=options.parent is not None))


async def _served(settings: Settings, *, announce: bool, share_ports: bool) -> int:
    """What finds personal data loads in its own processes, and takes as long as the door's libraries here:
    side by side the first masked answer comes a second sooner."""
    analyzer = settings.analyzer_pool()
    if settings.mask_personal_data:
        starting = asyncio.create_task(analyzer.start(), name="masking start")
    app = await asyncio.to_thread(import_module, "gateway.app")
    code: int = await app.serve(settings, analyzer, announce=announce, share_ports=share_ports)
    if settings.mask_personal_data:
        await starting
    return code


async def _several(settings: Settings, *, announce: bool) -> int:
    # Only the parent of workers needs it.
    workers = import_module("gateway.workers")
    log_as_json(settings.log_level)
    if not settings.metrics_port:
        log.warning("without METRICS_PORT, /metrics answers for whichever worker it reaches")
    try:
        code: int = await workers.Workers(settings, announce=announce).run()
    except workers.PortTaken as error:
        log.critical("%s", error)
        return 1
    return code
