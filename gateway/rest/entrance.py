"""What the connections of one listener have in common, and how one that breaks the rules is refused."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.errors import GatewayError, InvalidRequest, PayloadTooLarge
from gateway.rest.errors import error_response


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    connections: int = 4096
    header_timeout_s: float = 10.0  # from a request's first byte to the end of its head
    header_bytes: int = 32_768
    keep_alive_s: float = 5.0
    write_timeout_s: float = 30.0


class Entrance:
    """What the connections of one listener have in common."""

    def __init__(self, bounds: ConnectionBounds, refused: Callable[[str], None]) -> None:
        """`refused` is told of each connection that was closed for a fault of its client: full, malformed,
        too_large, header_timeout or stalled."""
        self.bounds = bounds
        self.refused = refused
        self.draining = False  # every answer is the last one of its connection
        self.left = asyncio.Event()  # a connection was closed


class Fault(Exception):
    """Ends a connection: raised from the parser's callbacks, caught where it was fed."""

    def __init__(self, error: GatewayError, status: int, reason: str) -> None:
        super().__init__()
        self.error, self.status, self.reason = error, status, reason


def malformed(message: str) -> Fault:
    return Fault(InvalidRequest(message), 400, "malformed")


def too_large(message: str, status: int = 431) -> Fault:
    return Fault(PayloadTooLarge(message), status, "too_large")


def refusal(error: GatewayError, status: int, method: str, path: str) -> bytes:
    """The last answer of a connection, before there is a request that could be answered."""
    request_id = os.urandom(16).hex()
    _, headers, body = error_response(error, method, path, request_id)
    headers += [(b"x-request-id", request_id.encode()), (b"connection", b"close")]
    return STATUS_LINE[status] + b"".join(b"%s: %s\r\n" % one for one in headers) + b"\r\n" + body
