"""Serves the gateway in one event loop with one shutdown."""

import asyncio
import gc
import logging
import resource
import signal
import sys
import time

from gateway.adapters.json_log import log_as_json
from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.errors import GatewayError
from gateway.pipeline import Gateway
from gateway.rest.entrance import ConnectionBounds
from gateway.rest.listener import Listener
from gateway.rest.probes import probes
from gateway.settings import Settings
from gateway.tasks import ended
from gateway.wiring import Services, services

log = logging.getLogger(__name__)

_SAY_EVERY_S = 10.0
_SAME_S = 0.5  # Ctrl-C is heard from the terminal, and once more from whoever started this process
_PROBE_CONNECTIONS = 64
_OTHER_FILES = 1024  # besides a connection in and one out for each request: pools, models, the store


class _Signals:
    """SIGINT and SIGTERM: the first asks for the end, the second for it at once."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self._first_at = 0.0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._caught)

    def _caught(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self.stop.is_set():
            self._first_at = now
            self.stop.set()
        elif now - self._first_at > _SAME_S:
            self.hurry.set()

    async def pause(self, seconds: float, *tasks: asyncio.Task[None]) -> None:
        """So long, or until the tasks are done, or until there is a hurry."""
        hurry = asyncio.create_task(self.hurry.wait(), name="hurry")
        done = asyncio.create_task(asyncio.wait(tasks) if tasks else asyncio.sleep(seconds), name="pause")
        await asyncio.wait((hurry, done), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await ended(hurry)
        await ended(done)


async def serve(
    settings: Settings, analyzer: AnalyzerPool, *, announce: bool, share_ports: bool = False
) -> int:
    """Runs until SIGINT or SIGTERM; answers under way are finished first. Returns the process's exit code.
    `share_ports`: with the other workers of this gateway."""
    log_as_json(settings.log_level)
    # A request leaves hardly a cycle, and Python looks for them every 700 objects: seldom is 9 % cheaper.
    gc.set_threshold(50_000, 20, 100)
    if not settings.api_key and not settings.api_keys_file.exists():
        log.warning("no API key is set and there is no key file yet: every request will be refused")
    _allow_files(settings.max_connections + settings.max_in_flight + _OTHER_FILES)
    async with services(settings, analyzer) as made:
        signals = _Signals()
        door = Listener(made.app, _bounds(settings), made.metrics.connection_refused)
        beside = Listener(
            probes(made.metrics.registry, made.ready),
            _bounds(settings, _PROBE_CONNECTIONS),
            made.metrics.connection_refused,
        )
        opening = asyncio.create_task(_opened(made, settings, door, beside, share=share_ports), name="ports")
        opening.add_done_callback(lambda task: None if _went_well(task) else signals.stop.set())
        herald = asyncio.create_task(_announce(made.gateway, settings)) if announce else None
        await signals.stop.wait()
        if herald:
            await ended(herald)
        is_open = await opening
        await _drain(made, settings, signals, door)
        await beside.close()
        await beside.cut()
    return 0 if is_open else 1


async def _opened(
    made: Services, settings: Settings, door: Listener, beside: Listener, *, share: bool
) -> bool:
    """The ports. gRPC comes last: it takes longest, and nobody need wait for it. Half a gateway is none: with
    a port missing it stops."""
    port = "PORT"
    try:
        await door.open(settings.host, settings.port, share=share)
        if settings.metrics_port:
            port = "METRICS_PORT"
            await beside.open(settings.host, settings.metrics_port)
        if settings.rpc_port:
            port = "RPC_PORT"
            await made.rpc.start(settings.rpc_port, share=share)
    except OSError as error:
        log.critical("%s cannot be listened on: %s", port, error.strerror or error)
        return False
    return True


def _went_well(task: asyncio.Task[bool]) -> bool:
    return not task.cancelled() and task.exception() is None and task.result()


async def _drain(made: Services, settings: Settings, signals: _Signals, door: Listener) -> None:
    """From "not ready" to the last answer. Whoever routes requests here sees that it ends, and then nobody
    comes any more; what came is answered."""
    log.info("stopping: not ready from now on")
    made.stopping.begun = True
    door.be_last()
    await signals.pause(settings.drain_delay_s)
    await door.close()
    answering = asyncio.create_task(door.drained(), name="answers under way")
    calls = asyncio.create_task(made.rpc.close(settings.drain_s), name="calls under way")
    items = asyncio.create_task(made.runner.close(settings.drain_s), name="batch items under way")
    await signals.pause(settings.drain_s, answering, calls, items)
    made.stopping.cutting = True
    if not answering.done():
        log.warning("what is still under way is broken off")
    await ended(answering)
    await door.cut()
    await made.rpc.close(0.0)
    await calls
    await ended(items)
    await made.runner.close(0.0)


def _bounds(settings: Settings, connections: int | None = None) -> ConnectionBounds:
    return ConnectionBounds(
        connections or settings.max_connections,
        settings.header_timeout_s,
        settings.max_header_bytes,
        settings.keep_alive_s,
        settings.write_timeout_s,
    )


def _allow_files(wanted: int) -> None:
    """Many systems give a process 1,024 open files unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        log.warning(
            "the limit of open files is %d; MAX_CONNECTIONS and MAX_IN_FLIGHT may take %d", most, wanted
        )


async def _announce(gateway: Gateway, settings: Settings) -> None:
    """Tells a person at the terminal what is being waited for, and then what to type."""
    began = time.monotonic()
    said = began - _SAY_EVERY_S
    while True:
        await asyncio.sleep(1)
        try:
            await gateway.check_ready()
            break
        except GatewayError as error:
            if time.monotonic() - said >= _SAY_EVERY_S:
                said = time.monotonic()
                _say(f"waiting for the model and masking, {said - began:.0f} s so far ({error.message})")
    # Only the demonstration key, which is public anyway, is ever printed.
    _say(
        f"READY after {time.monotonic() - began:.0f} s. Try:\n"
        f"curl http://localhost:{settings.port}/v1/chat/completions "
        f'-H "Authorization: Bearer {settings.demonstration_key or "$API_KEY"}" '
        '-H "Content-Type: application/json" '
        """-d '{"model": "model_identifier", "messages": [{"role": "user", "content": "Hello!"}] }'"""
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
