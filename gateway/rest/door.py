"""The outermost layer: who may enter, how much they may carry, and what is written down about it.

A key is checked before a byte of the body is read. With the check inside a handler, a wrong key and a broken
body gave 422 and leaked the schema; as ASGI it is 401 whatever the body is.
"""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from gateway.domain import Priority, Role
from gateway.errors import (
    DeadlineExceeded,
    Forbidden,
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    Unauthenticated,
)
from gateway.guards import Guards, may_train
from gateway.rest.bodies import Message, Receive, Upload, Watch, check_head, discard, replay, whole_body
from gateway.rest.errors import error_event, error_response
from gateway.rest.observe import Exchange, Observer
from gateway.stopping import Stopping, too_late
from gateway.urgency import USUAL, Urgency, urgent

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
ChatDoor = Callable[["Visit", bytes, Send], Awaitable[None]]

CHAT_PATH = "/v1/chat/completions"
UPLOAD_PATH = "/v1/datasets"  # a POST there is not read whole, but handed on as it comes
PUBLIC_PATHS = frozenset({"/-/healthz", "/-/readyz"})
_SECONDS = re.compile(rb"[0-9]{1,5}(?:\.[0-9]{1,6})?")
_LONGEST_S = 86_400
_FORM_BYTES = 1 << 16  # what a form may add around an upload's file
# A caller's own request id is kept only when it cannot spell a name or a number: a UUID, or 32 hex digits.
_REQUEST_ID = re.compile(rb"(?i)[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    max_body_bytes: int
    body_timeout_s: float  # of an upload: the silence before its next piece
    unmask_replies: bool
    max_upload_bytes: int
    upload_timeout_s: float


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that was let in."""

    exchange: Exchange
    unmask_reply: bool


class Door:
    """The ASGI application: `chat` answers chat completions, `pages` everything else."""

    def __init__(
        self,
        guards: Guards,
        chat: ChatDoor,
        pages: App,
        observer: Observer,
        policy: DoorPolicy,
        stopping: Stopping,
    ) -> None:
        self._guards = guards
        self._chat = chat
        self._pages = pages
        self._observer = observer
        self._policy = policy
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        exchange = Exchange(request_id, scope["method"], scope["path"])
        answer = _Answer(exchange, send, receive)
        with self._observer.watching(exchange):
            try:
                await self._let_in(scope, receive, answer, headers)
            except GatewayError as error:
                await answer.refuse(error)
            except asyncio.CancelledError:
                if not exchange.client_left:
                    if not self._stopping.cutting:
                        raise
                    await answer.refuse(too_late())
            except Exception:
                # The last line of defence: the caller learns nothing, the log learns where.
                log.exception("unexpected failure", extra={"request_id": request_id})
                await answer.refuse(GatewayError("The gateway failed."))

    async def _let_in(
        self, scope: Scope, receive: Receive, answer: "_Answer", headers: dict[bytes, bytes]
    ) -> None:
        exchange, path = answer.exchange, scope["path"]
        scope.setdefault("state", {})["exchange"] = exchange
        if path in PUBLIC_PATHS:
            answer.unread = None
            await self._pages(scope, receive, answer)
            return
        exchange.caller = self._guards.known(_key(headers))
        exchange.quota = await self._guards.admit(exchange.caller)
        self._observer.let_in(exchange, headers.get(b"traceparent"))
        if exchange.caller.role is Role.METRICS and path != "/metrics":
            raise Forbidden("This key may read metrics only.")
        how = _urgency(headers)
        if how is USUAL:
            await self._served(scope, receive, answer, headers)
            return
        try:
            with urgent(how):
                async with asyncio.timeout_at(how.deadline) as limit:
                    await self._served(scope, receive, answer, headers)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceeded("The time that X-Request-Timeout gave is over.") from None

    async def _served(
        self, scope: Scope, receive: Receive, answer: "_Answer", headers: dict[bytes, bytes]
    ) -> None:
        exchange, policy = answer.exchange, self._policy
        if scope["path"] == UPLOAD_PATH and exchange.method == "POST":
            await self._upload(scope, receive, answer, headers)
            return
        body = await whole_body(receive, headers, policy.max_body_bytes, policy.body_timeout_s)
        answer.unread = None
        with Watch(exchange, receive) as watch:
            watch.begin()
            await self._answer(scope, body, answer, headers)

    async def _answer(
        self, scope: Scope, body: bytes, answer: "_Answer", headers: dict[bytes, bytes]
    ) -> None:
        if scope["path"] != CHAT_PATH:
            await self._pages(scope, replay(body), answer)
            return
        if answer.exchange.method != "POST":
            raise MethodNotAllowed("Chat completions are asked for by POST.")
        choice = headers.get(b"x-unmask")
        unmask = self._policy.unmask_replies if choice is None else choice.lower() == b"true"
        await self._chat(Visit(answer.exchange, unmask), body, answer)

    async def _upload(
        self, scope: Scope, receive: Receive, answer: "_Answer", headers: dict[bytes, bytes]
    ) -> None:
        assert answer.exchange.caller is not None  # noqa: S101 - admitted
        may_train(answer.exchange.caller)
        limit = self._policy.max_upload_bytes + _FORM_BYTES
        too_large = check_head(headers, limit)
        with Watch(answer.exchange, receive) as watch:

            def whole() -> None:
                answer.unread = None
                watch.begin()

            times = self._policy.upload_timeout_s, self._policy.body_timeout_s
            upload = Upload(receive, too_large, limit, *times, whole)
            await self._pages(scope, upload, answer)


def _key(headers: dict[bytes, bytes]) -> bytes:
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not key.strip():
        raise Unauthenticated("No API key provided: send 'Authorization: Bearer KEY'.")
    return key.strip()


def _urgency(headers: dict[bytes, bytes]) -> Urgency:
    """How long the caller waits, and whether others go first. Raises InvalidRequest."""
    seconds, priority = headers.get(b"x-request-timeout"), headers.get(b"x-priority")
    if seconds is None and priority is None:
        return USUAL
    deadline = None
    if seconds is not None:
        if not _SECONDS.fullmatch(seconds) or not 0 < float(seconds) <= _LONGEST_S:
            raise InvalidRequest(
                f"'X-Request-Timeout' must be seconds, more than 0 and at most {_LONGEST_S}.",
                param="X-Request-Timeout",
            )
        deadline = asyncio.get_running_loop().time() + float(seconds)
    try:
        return Urgency(Priority((priority or b"live").decode("latin-1")), deadline)
    except ValueError:
        raise InvalidRequest("'X-Priority' must be live or batch.", param="X-Priority") from None


class _Answer:
    """`send` for everything behind the door: adds the request's headers, remembers the status."""

    __slots__ = ("_is_whole", "_send", "exchange", "unread")

    def __init__(self, exchange: Exchange, send: Send, receive: Receive) -> None:
        self.exchange = exchange
        self.unread: Receive | None = receive  # None when the body is whole
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
                if quota.tokens_limit:
                    headers += (
                        (b"x-ratelimit-limit-tokens", b"%d" % quota.tokens_limit),
                        (b"x-ratelimit-remaining-tokens", b"%d" % quota.tokens_remaining),
                        (b"x-ratelimit-reset-tokens", b"%.3fs" % quota.tokens_reset_s),
                    )
            message["headers"] = headers
        else:
            # A client that has everything may go.
            self._is_whole = self.exchange.over = not message.get("more_body")
            if self._is_whole and self.unread is not None:
                await self._send({**message, "more_body": True})
                await discard(self.unread)
                message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def refuse(self, error: GatewayError) -> None:
        """Answers with an error; inside a stream that has begun, as its last event. Pages answer an
        unexpected failure themselves before they pass it on: then there is nothing left to say."""
        exchange = self.exchange
        exchange.code = error.code
        if self._is_whole:
            return
        if exchange.status:
            # What is no stream of events has no way to say it: left without its end, it does not look whole.
            if exchange.stream:
                event = error_event(error, exchange.method, exchange.path, exchange.request_id)
                await self._send({"type": "http.response.body", "body": event, "more_body": False})
            return
        status, headers, body = error_response(error, exchange.method, exchange.path, exchange.request_id)
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body})
