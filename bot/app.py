"""The bot's door: the course's two questions, and whether it is well."""

import asyncio
import logging
import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bot.dialogs import Bounds, Dialogs
from bot.errors import Busy, Left, NoAnswer
from bot.gateway import Gateway
from bot.settings import Settings
from bot.sides import Sides
from bot.wire import MessageAnswer, MessageAsked, PredictionAnswer, PredictionAsked

log = logging.getLogger(__name__)

_BODY_S = 10.0  # for a whole body to arrive
_ROUTES = frozenset({"/get_message", "/predict", "/healthz", "/readyz"})

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def app(settings: Settings) -> App:
    """The ASGI application; its lifespan opens and closes what it talks to."""
    return _Door(_pages(settings), settings.bot_max_body_bytes)


def _pages(settings: Settings) -> FastAPI:
    bounds = Bounds(
        settings.bot_dialogs,
        settings.bot_dialog_age_s,
        settings.bot_turns,
        settings.bot_turns_chars,
        settings.bot_most_open,
        settings.bot_most_waiting,
        settings.bot_timeout_s,
    )
    predictions = asyncio.Semaphore(settings.bot_most_open)

    @asynccontextmanager
    async def lifespan(pages: FastAPI) -> AsyncIterator[None]:
        gateway = Gateway(settings)
        dialogs = Dialogs(gateway.reply, bounds)
        pages.state.gateway, pages.state.dialogs, pages.state.sides = gateway, dialogs, Sides(bounds)
        try:
            yield
        finally:
            await dialogs.close()
            await gateway.close()

    pages = FastAPI(
        title="Bot",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": _told("The request is wrong."), "5XX": _told("No answer: `code` says why.")},
        # Its own would tell, of a refusal, what somebody wrote.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )

    @pages.exception_handler(RequestValidationError)
    async def not_understood(_: Request, error: RequestValidationError) -> JSONResponse:
        # Without `input` and `ctx`: what was sent is a person's message.
        faults = [{key: fault[key] for key in ("type", "loc", "msg")} for fault in error.errors()]
        return JSONResponse({"detail": faults}, 422)

    @pages.exception_handler(NoAnswer)
    async def no_answer(_: Request, error: NoAnswer) -> JSONResponse:
        headers = {}
        if error.retry_after_s is not None:
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        return JSONResponse({"code": error.code, "message": error.message}, error.status, headers)

    @pages.post("/get_message")
    async def get_message(asked: MessageAsked, request: Request) -> MessageAnswer:
        """The language model's answer to a dialogue's last message."""
        dialogs: Dialogs = request.app.state.dialogs
        making = dialogs.reply(asked.dialog_id, asked.last_message_id, asked.last_msg_text)
        reply = await _while_awaited(request, making)
        return MessageAnswer(new_msg_text=reply, dialog_id=asked.dialog_id)

    @pages.post("/predict")
    async def predict(asked: PredictionAsked, request: Request) -> PredictionAnswer:
        """How likely it is that this participant is a program, by the messages that were asked about."""
        if predictions.locked():
            raise Busy("Too many messages are being looked at.", 1.0)
        gateway: Gateway = request.app.state.gateway
        sides: Sides = request.app.state.sides
        async with predictions:
            side = asked.dialog_id, asked.participant_index
            making = gateway.bot_probability(sides.read(side, asked.id, asked.text))
            probability = await _while_awaited(request, making)
        return PredictionAnswer(
            id=str(uuid.uuid4()),
            message_id=asked.id,
            dialog_id=asked.dialog_id,
            participant_index=asked.participant_index,
            is_bot_probability=probability,
        )

    @pages.get("/healthz")
    async def healthz() -> dict[str, str]:
        """200 while the process answers."""
        return {"status": "ok"}

    @pages.get("/readyz")
    async def readyz(request: Request) -> dict[str, str]:
        """200 when the gateway takes the key and has both models, else 503 or 502."""
        gateway: Gateway = request.app.state.gateway
        await gateway.check_ready()
        return {"status": "ready"}

    return pages


def _told(why: str) -> dict[str, Any]:
    """A refusal as OpenAPI says it."""
    return {"description": why, "content": {"application/json": {"schema": {"type": "object"}}}}


async def _while_awaited(request: Request, making: Coroutine[Any, Any, T]) -> T:
    """What is being made, given up when the caller leaves: neither uvicorn nor FastAPI ends such a request.
    Raises Left."""
    made, left = asyncio.create_task(making), asyncio.create_task(_leaves(request))
    try:
        await asyncio.wait((made, left), return_when=asyncio.FIRST_COMPLETED)
        if not made.done():
            raise Left("Nobody waits for the answer.")
        return made.result()
    finally:
        made.cancel()
        left.cancel()
        await asyncio.gather(made, left, return_exceptions=True)


async def _leaves(request: Request) -> None:
    """Its body has been read: what comes now is the end of the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Door:
    """Bounds bodies, and tells of each request: never of a body or a path as it was typed."""

    def __init__(self, pages: App, most_bytes: int) -> None:
        self._pages = pages
        self._most_bytes = most_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        size, whole = 0, False
        until = asyncio.get_running_loop().time() + _BODY_S

        async def bounded() -> Message:
            nonlocal size, whole
            if whole:  # whatever comes now is no body
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The body took too long to arrive.") from None
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if size > self._most_bytes:
                raise HTTPException(413, "The body is too large.")
            return message

        async def told(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._pages(scope, bounded, told)
        finally:
            route = scope["path"] if scope["path"] in _ROUTES else "other"
            log.info("%s %s in %.0f ms", route, status, (time.perf_counter() - began) * 1000)
