"""Serves the gateway in one event loop with one shutdown."""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from gateway.adapters.json_log import log_as_json
from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.errors import GatewayError
from gateway.pipeline import Gateway
from gateway.rpc.server import RpcServer
from gateway.settings import Settings
from gateway.tasks import ended
from gateway.wiring import services

log = logging.getLogger(__name__)

_DRAIN_S = 20  # seconds for answers under way after a stop signal
_SAY_EVERY_S = 10.0


class _Server(uvicorn.Server):
    """uvicorn raises a caught signal again when it has stopped, which would end the process before what
    wiring opened is closed; here the signal only asks for the shutdown. gRPC stops with it, at once and not
    after it."""

    def __init__(self, config: uvicorn.Config, rpc: RpcServer) -> None:
        super().__init__(config)
        self._rpc = rpc

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.gather(super().shutdown(sockets), self._rpc.close(_DRAIN_S))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve(settings: Settings, analyzer: AnalyzerPool, *, announce: bool) -> None:
    """Runs until SIGINT or SIGTERM; answers under way are finished first."""
    log_as_json(settings.log_level)
    if not settings.api_key and not settings.api_keys_file.exists():
        log.warning("no API key is set and there is no key file yet: every request will be refused")
    async with services(settings, analyzer) as made:
        config = uvicorn.Config(
            made.app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        server = _Server(config, made.rpc)
        calling = asyncio.create_task(_listen_for_calls(made.rpc, server, settings.rpc_port), name="gRPC")
        herald = asyncio.create_task(_announce(made.gateway, settings)) if announce else None
        await server.serve()
        await ended(calling)
        if herald:
            herald.cancel()


async def _listen_for_calls(rpc: RpcServer, server: _Server, port: int) -> None:
    """Beside the HTTP door, which need not wait for it. Half a gateway is none: without its port it stops."""
    if not port:
        return
    try:
        await rpc.start(port)
    except OSError as error:
        log.critical("%s RPC_PORT=0 does without.", error)
        server.should_exit = True


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
