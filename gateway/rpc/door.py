"""The outermost layer of gRPC: who may enter, how much they may carry, and what is written down about it.

Every method is registered as one that takes a stream, whatever it is: on the wire they are alike, and so the key
is checked before a byte of a message is read. gRPC's own unary handlers read the message first.
"""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message

from gateway.domain import Role
from gateway.errors import (
    BackendTimeout,
    BodyTimeout,
    Forbidden,
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    Overloaded,
    Unauthenticated,
)
from gateway.guards import Guards
from gateway.rpc.calls import Call, CallLog
from gateway.rpc.errors import Metadata, refusal
from gateway.rpc.procedures import Procedure

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[bytes, bytes]

# A caller's own request id is kept only when it cannot spell a name or a number: a UUID, or 32 hex digits.
_REQUEST_ID = re.compile(r"(?i)[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")
_LONG = 64 << 10  # bytes; reading a message of more takes over a millisecond and leaves the loop free


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    message_timeout_s: float  # that a caller may take for a message
    most_streams: int = 64  # answers in a stream at once: they last
    most_public_streams: int = 16  # of them, those without a key


class Door(grpc.GenericRpcHandler):
    """Answers every call by its procedure."""

    def __init__(
        self, procedures: Mapping[str, Procedure], guards: Guards, calls: CallLog, policy: DoorPolicy
    ) -> None:
        self._procedures = procedures
        self._guards = guards
        self._calls = calls
        self._policy = policy
        self._streams: dict[asyncio.Task[Any], bool] = {}  # and whether it is public
        self._closing = False

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        procedure = self._procedures.get(details.method)
        if procedure is not None and procedure.gives_stream:
            return grpc.stream_stream_rpc_method_handler(partial(self._streamed, procedure))
        return grpc.stream_unary_rpc_method_handler(partial(self._answered, procedure))

    def end_streams(self) -> None:
        """Their callers are told to come again; other answers are finished."""
        self._closing = True
        for task in self._streams:
            task.cancel()

    async def _answered(self, procedure: Procedure | None, _: object, context: Context) -> bytes:
        async def answer(call: Call) -> bytes:
            known = self._let_in(procedure, call)
            message: Message = await self._asked(known, call, context)
            return message.SerializeToString()

        answered: bytes = await self._accounted(procedure, context, answer)
        return answered

    async def _streamed(self, procedure: Procedure, _: object, context: Context) -> None:
        async def answer(call: Call) -> None:
            call.stream = True
            with self._place(procedure):
                known = self._let_in(procedure, call)
                async with aclosing(await self._asked_stream(known, call, context)) as messages:
                    async for message in messages:
                        await _sent(context, message.SerializeToString())

        await self._accounted(procedure, context, answer)

    async def _accounted(
        self, procedure: Procedure | None, context: Context, answer: Callable[[Call], Awaitable[Any]]
    ) -> Any:
        """Runs `answer` within the caller's deadline; what it raises becomes a status. One line is told."""
        metadata = {str(key): value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        given = metadata.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        call = Call(request_id, procedure.path if procedure else "other", metadata)
        try:
            try:
                async with asyncio.timeout(context.time_remaining()) as deadline:
                    answered = await answer(call)
                context.set_trailing_metadata(tuple(_of_every_answer(call)))
                call.status = "OK"
                return answered
            except GatewayError as error:
                fault = error
            except asyncio.CancelledError:
                if not self._closing or asyncio.current_task() not in self._streams:
                    raise
                fault = Overloaded("The gateway is stopping.", retry_after=1.0)
            except _CallerLeft:
                raise
            except Exception as error:
                if isinstance(error, TimeoutError) and deadline.expired():
                    fault = BackendTimeout("The call's deadline passed.")
                else:
                    # The last line of defence: the caller learns nothing, the log learns where.
                    log.exception("unexpected failure", extra={"request_id": request_id})
                    fault = GatewayError("The gateway failed.")
            await _refuse(call, fault, context)
        finally:
            self._calls.done(call)
