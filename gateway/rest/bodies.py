"""How a request's body is taken in: whole and small, or, for an upload, in pieces as it comes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from typing import Any

from gateway.errors import BodyTimeout, PayloadTooLarge, UnsupportedEncoding
from gateway.rest.observe import Exchange

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_LINGER_S, _LINGER_BYTES = 2.0, 16 << 20  # how long and how much a refused body is read on


def check_head(headers: Mapping[bytes, bytes], limit: int) -> PayloadTooLarge:
    """Refuses what the head gives away; returns the refusal of a body that turns out to be too large."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        # Inflating is how a kilobyte becomes a gigabyte.
        raise UnsupportedEncoding("Send the body without Content-Encoding.")
    too_large = PayloadTooLarge(f"The body is larger than {limit} bytes.")
    if int(headers.get(b"content-length", b"0")) > limit:
        raise too_large
    return too_large


async def whole_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int, seconds: float) -> bytes:
    """The whole body, or a refusal as soon as it is known to be too much."""
    too_large = check_head(headers, limit)
    message = _at_once(receive)
    if message is not None and message["type"] == "http.request" and not message.get("more_body"):
        # It came with its head, as nearly all do: no timer.
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise too_large
        return body
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = message or await receive()
                if message["type"] == "http.disconnect":
                    raise BodyTimeout("The client left before the body was whole.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise too_large
                if not message.get("more_body"):
                    return b"".join(parts) if len(parts) > 1 else parts[0]
                message = None
    except TimeoutError:
        raise BodyTimeout("The body took too long to arrive.") from None


def _at_once(receive: Receive) -> Message | None:
    """What is there already, without waiting for it."""
    waiting = receive().__await__()
    try:
        next(waiting)
    except StopIteration as there:
        message: Message = there.value
        return message
    waiting.close()
    return None


def replay(body: bytes) -> Receive:
    """A `receive` for handlers: the body that was read already, then silence."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await _silence()

    return receive


class Upload:
    """A `receive` for the handler of an upload: the body as it comes, bounded in size and time; `whole` is
    called behind it. `seconds`: for all of it; `silence_s`: until the next piece comes."""

    def __init__(
        self,
        receive: Receive,
        too_large: PayloadTooLarge,
        limit: int,
        seconds: float,
        silence_s: float,
        whole: Callable[[], None],
    ) -> None:
        self._receive = receive
        self._too_large = too_large
        self._left = limit
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + seconds
        self._silence_s = silence_s
        self._whole = whole
        self._is_whole = False

    async def __call__(self) -> Message:
        if self._is_whole:
            return await _silence()
        try:
            async with asyncio.timeout_at(min(self._until, self._loop.time() + self._silence_s)):
                message = await self._receive()
        except TimeoutError:
            raise BodyTimeout("The body took too long to arrive.") from None
        if message["type"] == "http.disconnect":
            raise BodyTimeout("The client left before the body was whole.")
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._too_large
        if not message.get("more_body"):
            self._is_whole = True
            self._whole()
        return message


class Watch:
    """Cancels the request's task when its client leaves, and with it the call to the model server.

    No task of its own waits for that, which would cost each request 10 microseconds: `receive` is run to the
    future that it waits on, and whatever becomes of that, behind a whole body, is the client's leaving.
    """

    __slots__ = ("_exchange", "_left", "_receive", "_task", "_waiting")

    def __init__(self, exchange: Exchange, receive: Receive) -> None:
        self._exchange = exchange
        self._receive = receive
        self._waiting: Generator[Any, Any, Message] | None = None
        self._left: asyncio.Future[Any] | None = None

    def __enter__(self) -> "Watch":
        self._task = asyncio.current_task()
        return self

    def begin(self) -> None:
        """From here on nobody else may read: the body is whole."""
        self._waiting = self._receive().__await__()
        try:
            self._left = next(self._waiting)
        except StopIteration:
            self._leaves()
        else:
            self._left.add_done_callback(self._on_message)

    def _on_message(self, left: "asyncio.Future[Any]") -> None:
        if not left.cancelled():
            self._leaves()

    def _leaves(self) -> None:
        if not self._exchange.over and self._task is not None:
            self._exchange.client_left = True
            self._task.cancel()

    def __exit__(self, *_: object) -> None:
        if self._left is not None and self._waiting is not None:
            self._left.remove_done_callback(self._on_message)
            self._waiting.close()


async def discard(receive: Receive) -> None:
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


async def _silence() -> Message:
    await asyncio.Event().wait()  # the handler is cancelled when the client leaves
    raise AssertionError
