"""Several processes behind one port: `gateway serve` with WORKERS above 1.

The parent serves nothing. It holds the ports, so that no stranger takes one while a worker is started again,
and the kernel spreads connections over the workers, each of which listens by itself (SO_REUSEPORT). They
share the store, and nothing else but what REDIS_URL shares.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from contextlib import ExitStack, suppress

from gateway.settings import Settings

log = logging.getLogger(__name__)

_MOST_RESTARTS = 5  # of all workers within _WITHIN_S; then something is wrong that no restart mends
_WITHIN_S = 60.0
_PAUSE_S = 0.5  # before a restart


class PortTaken(Exception):
    """Says which setting names it."""


class Workers:
    """The parent. `run` once."""

    def __init__(self, settings: Settings, *, announce: bool) -> None:
        self._settings = settings
        self._announce = announce
        self._children: dict[int, asyncio.subprocess.Process] = {}  # by the worker's number
        self._died: deque[float] = deque(maxlen=_MOST_RESTARTS + 1)
        self._stop = asyncio.Event()
        self._gave_up = False

    async def run(self) -> int:
        """Until SIGINT or SIGTERM, or until workers die faster than is sane. Returns the exit code: 0 when
        all of them ended well. Raises PortTaken."""
        with ExitStack() as held:
            for name, port, shared in _ports(self._settings):
                held.enter_context(_reserved(self._settings.host, port, name, shared=shared))
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._pass_on, number)
            async with asyncio.TaskGroup() as group:
                kept = [group.create_task(self._keep(i)) for i in range(self._settings.workers)]
        codes = [task.result() for task in kept]
        return 1 if self._gave_up or any(codes) else 0

    def _pass_on(self, number: int) -> None:
        self._stop.set()
        for child in self._children.values():
            if child.returncode is None:
                child.send_signal(number)

    async def _keep(self, worker: int) -> int:
        """Starts a worker again whenever it ends. Returns its exit code after the stop."""
        while True:
            # Ctrl-C is for every process of a terminal: in a session of its own a child hears it from here.
            self._children[worker] = child = await asyncio.create_subprocess_exec(
                *self._command(worker), start_new_session=True
            )
            if self._stop.is_set():  # it came while the process was made
                child.send_signal(signal.SIGTERM)
            code = await child.wait()
            if self._stop.is_set():
                return code
            log.error("worker %d ended with %d", worker, code)
            if self._dies_too_often():
                log.critical("workers died %d times in %.0f s: giving up", len(self._died), _WITHIN_S)
                self._gave_up = True
                self._pass_on(signal.SIGTERM)
                return code
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE_S):
                    await self._stop.wait()
            if self._stop.is_set():
                return code

    def _dies_too_often(self) -> bool:
        now = time.monotonic()
        self._died.append(now)
        return len(self._died) > _MOST_RESTARTS and now - self._died[0] < _WITHIN_S

    def _command(self, worker: int) -> list[str]:
        told = ["--workers", "1", "--parent", str(os.getpid())]
        if self._settings.metrics_port:
            told += ["--metrics-port", str(self._settings.metrics_port + worker)]
        if self._announce and worker == 0:
            told.append("--announce")
        return [sys.executable, "-m", "gateway", "serve", *told]


def _ports(settings: Settings) -> list[tuple[str, int, bool]]:
    """The setting that names it, the port, and whether the workers share it."""
    ports = [("PORT", settings.port, True)]
    if settings.rpc_port:
        ports.append(("RPC_PORT", settings.rpc_port, True))
    if settings.metrics_port:
        ports += [("METRICS_PORT", settings.metrics_port + i, False) for i in range(settings.workers)]
    return ports


def _reserved(host: str, port: int, name: str, *, shared: bool) -> ExitStack:
    """Holds the port at every address of the host until it is closed, without listening; one that is not
    shared is only looked at. Raises PortTaken."""
    with ExitStack() as stack:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, _, _, address in set(found):
                with _bound(family, kind, address, shared=False):
                    pass  # SO_REUSEPORT alone would let a second gateway in beside the first
                if shared:
                    stack.enter_context(_bound(family, kind, address, shared=True))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "there is no such port"
            raise PortTaken(f"{name}: port {port} cannot be had: {reason}") from None
        return stack.pop_all()


def _bound(family: int, kind: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    held = socket.socket(family, kind)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        held.bind(address)
    except OSError:
        held.close()
        raise
    return held
