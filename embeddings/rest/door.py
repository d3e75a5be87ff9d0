"""The outermost layer: who may enter, how much they may carry, one line about it, and the end of a request
whose client has left or waits no more. The key is checked before a byte of the body is read."""

import asyncio
import hmac
import logging
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from embeddings.errors import (
    BodyTimeout,
    DeadlineExceeded,
    InvalidRequest,
    PayloadTooLarge,
    ServiceError,
    Unauthenticated,
    UnsupportedEncoding,
)
from embeddings.observe import Exchange, Observer
from embeddings.rest.errors import error_response

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PUBLIC_PATHS = frozenset({"/-/healthz", "/-/readyz", "/v2/health/live", "/v2/health/ready"})
_SECONDS = re.compile(rb"[0-9]{1,5}(?:\.[0-9]{1,6})?")
# A caller's own request id is kept only when it cannot spell a name or a number: a UUID, or 32 hex digits.
_REQUEST_ID = re.compile(rb"(?i)[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    api_key: bytes  # empty: no key is asked for
    max_body_bytes: int
    body_timeout_s: float


class Door:
    """The ASGI application around the pages."""

    def __init__(self, pages: App, observer: Observer, policy: DoorPolicy) -> None:
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
        scope.setdefault("state", {})["exchange"] = exchange

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._let_in(scope, receive, answer, headers, exchange)
        except ServiceError as error:
            await _refuse(error, exchange, answer)
        except asyncio.CancelledError:
            if not exchange.client_left:
                raise
        except Exception:
            # The last line of defence: the caller learns nothing, the log learns where.
            log.exception("unexpected failure")
            await _refuse(ServiceError("The service failed."), exchange, answer)
        finally:
            self._observer.done(exchange)

    async def _let_in(
        self, scope: Scope, receive: Receive, answer: Send, headers: dict[bytes, bytes], exchange: Exchange
    ) -> None:
        if exchange.path not in PUBLIC_PATHS:
            self._check_key(headers)
        wait_s = _wait_s(headers)
        deadline = None if wait_s is None else asyncio.get_running_loop().time() + wait_s
        body = await self._body(receive, headers)
        task = asyncio.current_task()

        def on_message(left: "asyncio.Future[Message]") -> None:
            if not left.cancelled() and task is not None:
                exchange.client_left = True
                task.cancel()

        # After the body the next message is the client's leaving: its texts then leave the queue.
        left = asyncio.ensure_future(receive())
        left.add_done_callback(on_message)
        try:
            # Its end takes texts that are not begun out of the queue: nobody waits for them any more.
            async with asyncio.timeout_at(deadline) as limit:
                await self._pages(scope, _replay(body), answer)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceeded("The time that X-Request-Timeout gave is over.") from None
        finally:
            left.remove_done_callback(on_message)
            left.cancel()

    def _check_key(self, headers: dict[bytes, bytes]) -> None:
        wanted = self._policy.api_key
        if not wanted:
            return
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        # compare_digest takes the same time for a nearly right key.
        if scheme.lower() != b"bearer" or not hmac.compare_digest(key.strip(), wanted):
            raise Unauthenticated("Send 'Authorization: Bearer KEY' with the service's key.")

    async def _body(self, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
        """The whole body, or a refusal as soon as it is known to be too much."""
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedEncoding("Send the body without Content-Encoding.")
        limit = self._policy.max_body_bytes
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise InvalidRequest("Content-Length is not a number.")
        parts, size, more = [], int(length), True
        if size > limit:
            raise PayloadTooLarge(f"The body is larger than {limit} bytes.")
        size = 0
        try:
            async with asyncio.timeout(self._policy.body_timeout_s):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise BodyTimeout("The client left before the body was whole.")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        raise PayloadTooLarge(f"The body is larger than {limit} bytes.")
                    more = message.get("more_body", False)
        except TimeoutError:
            raise BodyTimeout("The body took too long to arrive.") from None
        return b"".join(parts)


def _wait_s(headers: dict[bytes, bytes]) -> float | None:
    """How long the caller waits; None: they did not say. Raises InvalidRequest."""
    given = headers.get(b"x-request-timeout")
    if given is None:
        return None
    if not _SECONDS.fullmatch(given) or not float(given):
        raise InvalidRequest("'X-Request-Timeout' must be seconds, more than 0.", param="X-Request-Timeout")
    return float(given)


async def _refuse(error: ServiceError, exchange: Exchange, answer: Send) -> None:
    exchange.code = error.code
    if exchange.status:  # the head is out already: nothing can be said any more
        return
    status, headers, body = error_response(error, exchange.path)
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await answer({"type": "http.response.start", "status": status, "headers": pairs})
    await answer({"type": "http.response.body", "body": body})


def _replay(body: bytes) -> Receive:
    """A `receive` for handlers: the body that was read already, then silence."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # the handler is cancelled when the client leaves
        raise AssertionError

    return receive
