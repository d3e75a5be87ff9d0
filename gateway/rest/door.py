"""The outermost layer: who may enter, how much they may carry, and what is written down about it.

A key is checked before a byte of the body is read. With the check inside a handler, a wrong key and a broken
body gave 422 and leaked the schema; as ASGI it is 401 whatever the body is.
"""

import asyncio
import contextlib
import logging
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from gateway.domain import Role
from gateway.errors import (
    BodyTimeout,
    Forbidden,
    GatewayError,
    MethodNotAllowed,
    PayloadTooLarge,
    Unauthenticated,
    UnsupportedEncoding,
)
from gateway.guards import Guards
from gateway.rest.errors import error_event, error_response
from gateway.rest.observe import Exchange, Observer

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
ChatDoor = Callable[["Visit", bytes, Send], Awaitable[None]]

CHAT_PATH = "/v1/chat/completions"
PUBLIC_PATHS = frozenset({"/-/healthz", "/-/readyz"})
_LINGER_S, _LINGER_BYTES = 2.0, 16 << 20  # how long and how much a refused body is read on
# A caller's own request id is kept only when it cannot spell a name or a number: a UUID, or 32 hex digits.
_REQUEST_ID = re.compile(rb"(?i)[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    max_body_bytes: int
    body_timeout_s: float
    unmask_replies: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that was let in."""

    exchange: Exchange
    unmask_reply: bool


class Door:
    """The ASGI application: `chat` answers chat completions, `pages` everything else."""

    def __init__(
        self, guards: Guards, chat: ChatDoor, pages: App, observer: Observer, policy: DoorPolicy
    ) -> None:
        self._guards = guards
        self._chat = chat
        self._pages = pages
        self._observer = observer
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        exchange = Exchange(request_id, scope["method"], scope["path"])
        answer = _Answer(exchange, send)
        try:
            await self._let_in(scope, receive, answer, headers)
        except GatewayError as error:
            await answer.refuse(error, receive)
        except asyncio.CancelledError:
            if not exchange.client_left:
                raise
        except Exception:
            # The last line of defence: the caller learns nothing, the log learns where.
            log.exception("unexpected failure", extra={"request_id": request_id})
            await answer.refuse(GatewayError("The gateway failed."), receive)
        finally:
            self._observer.done(exchange)

    async def _let_in(
        self, scope: Scope, receive: Receive, answer: "_Answer", headers: dict[bytes, bytes]
    ) -> None:
        exchange, path = answer.exchange, scope["path"]
        scope.setdefault("state", {})["exchange"] = exchange
        if path in PUBLIC_PATHS:
            await self._pages(scope, receive, answer)
            return
        exchange.caller, exchange.quota = self._guards.admit(_key(headers))
        if exchange.caller.role is Role.METRICS and path != "/metrics":
            raise Forbidden("This key may read metrics only.")
        body = await self._body(receive, headers)
        answer.body_is_read = True
        with _Watch(exchange, receive):
            if path == CHAT_PATH:
                if exchange.method != "POST":
                    raise MethodNotAllowed("Chat completions are asked for by POST.")
                choice = headers.get(b"x-unmask")
                unmask = self._policy.unmask_replies if choice is None else choice.lower() == b"true"
                await self._chat(Visit(exchange, unmask), body, answer)
            else:
                await self._pages(scope, _replay(body), answer)

    async def _body(self, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
        """The whole body, or a refusal as soon as it is known to be too much."""
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            # Inflating is how a kilobyte becomes a gigabyte.
            raise UnsupportedEncoding("Send the body without Content-Encoding.")
        limit = self._policy.max_body_bytes
        too_large = PayloadTooLarge(f"The body is larger than {limit} bytes.")
        if int(headers.get(b"content-length", b"0")) > limit:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._policy.body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise BodyTimeout("The client left before the body was whole.")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        raise too_large
                    if not message.get("more_body"):
                        return b"".join(parts) if len(parts) > 1 else parts[0]
        except TimeoutError:
            raise BodyTimeout("The body took too long to arrive.") from None


def _key(headers: dict[bytes, bytes]) -> bytes:
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not key.strip():
        raise Unauthenticated("No API key provided: send 'Authorization: Bearer KEY'.")
    return key.strip()


def _replay(body: bytes) -> Receive:
    """A `receive` for handlers: the body that was read already, then silence."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # the handler is cancelled when the client leaves
        raise AssertionError

    return receive


class _Watch:
    """Cancels the request's task when its client leaves, and with it the call to the model server."""

    __slots__ = ("_exchange", "_left", "_receive", "_task")

    def __init__(self, exchange: Exchange, receive: Receive) -> None:
        self._exchange = exchange
        self._receive = receive

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._left = asyncio.ensure_future(self._receive())
        self._left.add_done_callback(self._on_message)

    def _on_message(self, left: "asyncio.Future[Message]") -> None:
        if not left.cancelled() and not self._exchange.over and self._task is not None:
            self._exchange.client_left = True
            self._task.cancel()

    def __exit__(self, *_: object) -> None:
        self._left.remove_done_callback(self._on_message)
        self._left.cancel()


class _Answer:
    """`send` for everything behind the door: adds the request's headers, remembers the status."""

    __slots__ = ("_is_whole", "_send", "body_is_read", "exchange")

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self.exchange = exchange
        self.body_is_read = False
        self._is_whole = False
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange = self.exchange
            exchange.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", exchange.request_id.encode())]
            quota = exchange.quota
            if quota:
                headers += (
                    (b"x-ratelimit-limit-requests", b"%d" % quota.limit),
                    (b"x-ratelimit-remaining-requests", b"%d" % quota.remaining),
                    (b"x-ratelimit-reset-requests", b"%.3fs" % quota.reset_s),
                )
            message["headers"] = headers
        else:
            # A client that has everything may go.
            self._is_whole = self.exchange.over = not message.get("more_body")
        await self._send(message)

    async def refuse(self, error: GatewayError, receive: Receive) -> None:
        """Answers with an error; inside a stream that has begun, as its last event. Pages answer an
        unexpected failure themselves before they pass it on: then there is nothing left to say."""
        exchange = self.exchange
        exchange.code = error.code
        if self._is_whole:
            return
        if exchange.status:
            event = error_event(error, exchange.path, exchange.request_id) if exchange.stream else b""
            await self._send({"type": "http.response.body", "body": event, "more_body": False})
            return
        status, headers, body = error_response(error, exchange.path, exchange.request_id)
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        if not self.body_is_read:
            await _discard(receive)
        await self._send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    """Reads what a refused client is still sending, for a moment: closing at once would reset the connection
    under its feet, and it would see a broken pipe instead of the refusal that is already on its way."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while size <= _LINGER_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
