"""The outermost layer of gRPC: who may enter, how much they may carry, and what is written down about it.

Every procedure is registered as one that takes a stream, whatever it is: on the wire they are alike, and so
the key is checked before a byte of a message is read. gRPC's own unary handlers read and parse it first.
"""

import asyncio
import logging
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Never

import grpc
from google.protobuf.message import DecodeError, Message

from gateway.domain import Priority, Role
from gateway.errors import (
    BodyTimeout,
    Forbidden,
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    PayloadTooLarge,
    Unauthenticated,
)
from gateway.guards import Guards
from gateway.rpc.calls import Call, CallLog
from gateway.rpc.errors import Metadata, refusal
from gateway.rpc.procedures import Procedure
from gateway.urgency import Urgency, urgent

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[bytes, bytes]
Answer = Callable[[Procedure, Call], Awaitable[bytes | None]]

# A caller's own request id is kept only when it cannot spell a name or a number: a UUID, or 32 hex digits.
_REQUEST_ID = re.compile(r"(?i)[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")
_LONGEST_S = 86_400.0
_LONG = 64 << 10  # bytes; parsing a message of more takes over a millisecond and leaves the loop free


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    message_timeout_s: float  # the silence before a caller's next message
    most_streams: int = 64  # answers as a stream at once: they last
    most_public_streams: int = 16  # of them, those without a key
    public_timeout_s: float = 2.0  # the silence before a message without a key
    most_public_waiting: int = 16  # calls without a key whose message has not come


class Door(grpc.GenericRpcHandler):
    """Answers every call by its procedure."""

    def __init__(
        self, procedures: Mapping[str, Procedure], guards: Guards, calls: CallLog, policy: DoorPolicy
    ) -> None:
        self._procedures = procedures
        self._guards = guards
        self._calls = calls
        self._policy = policy
        self._streams: dict[asyncio.Task[Any], bool] = {}  # and whether it was opened without a key
        self._waiting: dict[asyncio.Timeout, None] = {}  # calls without a key, the oldest first
        self._closing = False

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """The handler, for the path alone: nothing of the call is looked at yet."""
        procedure = self._procedures.get(handler_call_details.method)
        if procedure is not None and procedure.gives_stream:
            return grpc.stream_stream_rpc_method_handler(partial(self._streamed, procedure))
        return grpc.stream_unary_rpc_method_handler(partial(self._answered, procedure))

    def end_streams(self) -> None:
        """Their callers are told to come again; all other answers are finished."""
        self._closing = True
        for task in self._streams:
            task.cancel()

    async def _answered(self, procedure: Procedure | None, _: object, context: Context) -> bytes | None:
        async def answer(known: Procedure, call: Call) -> bytes:
            message: Message = await known.behaviour(await self._asked(known, context), call)
            return message.SerializeToString()

        return await self._accounted(procedure, context, answer)

    async def _streamed(self, procedure: Procedure, _: object, context: Context) -> None:
        async def answer(known: Procedure, call: Call) -> None:
            call.stream = True
            with self._place(known):
                async with aclosing(known.behaviour(await self._asked(known, context), call)) as messages:
                    async for message in messages:
                        await _send(context, message.SerializeToString())

        await self._accounted(procedure, context, answer)

    async def _accounted(self, procedure: Procedure | None, context: Context, answer: Answer) -> bytes | None:
        """Lets the caller in and runs `answer`; what is raised becomes a status. gRPC cancels it when the
        caller leaves, and at the caller's deadline."""
        metadata = _texts(context)
        given = metadata.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        call = Call(request_id, procedure.path if procedure else "other", metadata)
        with self._calls.watching(call), urgent(_urgency(metadata, context)):
            return await self._let_in_and_answered(procedure, call, context, answer)

    async def _let_in_and_answered(
        self, procedure: Procedure | None, call: Call, context: Context, answer: Answer
    ) -> bytes | None:
        try:
            answered = await answer(await self._let_in(procedure, call), call)
            context.set_trailing_metadata(tuple(_of_every_answer(call)))
            call.status = "OK"
            return answered
        except GatewayError as error:
            return await _refuse(call, error, context)
        except asyncio.CancelledError:
            if not (self._closing and call.stream):
                remaining: float | None = context.time_remaining()
                if remaining is not None and remaining <= 0:
                    call.status = grpc.StatusCode.DEADLINE_EXCEEDED.name
                raise
            return await _refuse(call, Overloaded("The gateway is stopping.", retry_after=1.0), context)
        except Exception:
            # The last line of defence: the caller learns nothing, the log learns where.
            log.exception("unexpected failure", extra={"request_id": call.request_id})
            return await _refuse(call, GatewayError("The gateway failed."), context)

    async def _let_in(self, procedure: Procedure | None, call: Call) -> Procedure:
        if procedure is not None and procedure.public:
            return procedure
        call.admitted = self._guards.known(_key(call.metadata))
        if call.metadata.get("x-priority", Priority.LIVE) not in tuple(Priority):
            raise InvalidRequest("'x-priority' must be live or batch.", param="x-priority")
        call.quota = await self._guards.admit(call.admitted)
        self._calls.let_in(call)
        if call.admitted.role is Role.METRICS:
            raise Forbidden("This key may read metrics only.")
        if procedure is None:
            raise MethodNotAllowed("There is no such procedure.")
        return procedure

    @contextmanager
    def _place(self, procedure: Procedure) -> Iterator[None]:
        """One of the bounded places of answers that last. Raises Overloaded."""
        public = sum(self._streams.values())
        full = len(self._streams) >= self._policy.most_streams
        if full or self._closing or (procedure.public and public >= self._policy.most_public_streams):
            raise Overloaded("Too many streams are open.", retry_after=5.0)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of a loop runs in a task
        self._streams[task] = procedure.public
        try:
            yield
        finally:
            del self._streams[task]

    async def _asked(self, procedure: Procedure, context: Context) -> Message | AsyncIterator[Message]:
        """The message, or all of them as they come. Raises InvalidRequest, PayloadTooLarge,
        BodyTimeout."""
        messages = self._messages(procedure, context)
        if procedure.takes_stream:
            return messages
        async with aclosing(messages):
            async for message in messages:
                return message
        # A larger message than gRPC was told to take is refused by it, and looks like none from here.
        raise PayloadTooLarge("The call has no message, or a larger one than is taken.")

    async def _messages(self, procedure: Procedure, context: Context) -> AsyncGenerator[Message, None]:
        while True:
            try:
                async with self._patience(procedure):
                    raw: object = await context.read()
            except TimeoutError:
                raise BodyTimeout("The message took too long to arrive.") from None
            if not isinstance(raw, bytes):  # the end
                return
            yield await _parsed(procedure.request, raw)

    @asynccontextmanager
    async def _patience(self, procedure: Procedure) -> AsyncIterator[None]:
        """How long a message is waited for. Raises TimeoutError.

        Anybody may call without a key and stay silent, and each such call has one of the server's places.
        They are few, and the oldest gives way to the next: an honest caller's message comes with the head."""
        policy, waiting = self._policy, self._waiting
        if not procedure.public:
            async with asyncio.timeout(policy.message_timeout_s):
                yield
            return
        async with asyncio.timeout(policy.public_timeout_s) as limit:
            if len(waiting) >= policy.most_public_waiting:
                oldest = next(iter(waiting))
                del waiting[oldest]
                if not oldest.expired():
                    oldest.reschedule(asyncio.get_running_loop().time())
            waiting[limit] = None
            try:
                yield
            finally:
                waiting.pop(limit, None)


async def _parsed(kind: type[Message], raw: bytes) -> Message:
    try:
        return await asyncio.to_thread(kind.FromString, raw) if len(raw) > _LONG else kind.FromString(raw)
    except DecodeError:
        raise InvalidRequest("The message is not one that this procedure takes.") from None


async def _send(context: Context, data: bytes) -> None:
    try:
        await context.write(data)
    except grpc.aio.InternalError:
        # The caller left; gRPC cancels the call too, a moment later.
        raise asyncio.CancelledError from None


async def _refuse(call: Call, error: GatewayError, context: Context) -> Never:
    status, words, metadata = refusal(error, call.request_id)
    call.status, call.code = status.name, error.code
    await context.abort(status, words, (*_of_every_answer(call), *metadata))


def _of_every_answer(call: Call) -> Metadata:
    metadata: Metadata = [("x-request-id", call.request_id)]
    if call.quota:
        metadata += [
            ("x-ratelimit-limit-requests", str(call.quota.limit)),
            ("x-ratelimit-remaining-requests", str(call.quota.remaining)),
            ("x-ratelimit-reset-requests", f"{call.quota.reset_s:.3f}s"),
        ]
        if call.quota.tokens_limit:
            metadata += [
                ("x-ratelimit-limit-tokens", str(call.quota.tokens_limit)),
                ("x-ratelimit-remaining-tokens", str(call.quota.tokens_remaining)),
                ("x-ratelimit-reset-tokens", f"{call.quota.tokens_reset_s:.3f}s"),
            ]
    return metadata


def _texts(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _urgency(metadata: Mapping[str, str], context: Context) -> Urgency:
    """By the call's own deadline, which gRPC keeps by itself, and the metadata `x-priority`."""
    remaining: float | None = context.time_remaining()
    # Clients that wait for ever say so by a very long time.
    deadline = (
        None if remaining is None or remaining > _LONGEST_S else asyncio.get_running_loop().time() + remaining
    )
    given = metadata.get("x-priority", Priority.LIVE)
    return Urgency(Priority.BATCH if given == Priority.BATCH else Priority.LIVE, deadline)


def _key(metadata: Mapping[str, str]) -> bytes:
    scheme, _, key = metadata.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthenticated("No API key provided: send the metadata 'authorization: Bearer KEY'.")
    return key.strip().encode()
