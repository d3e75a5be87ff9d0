"""`POST /v1/chat/completions` as raw ASGI: bytes in, bytes out. A framework's request and response objects
cost more than everything else on this path together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from gateway.chat.reply import DONE
from gateway.errors import GatewayError
from gateway.pipeline import Gateway
from gateway.rest.door import ChatDoor, Send, Visit

_END_S = 1.0  # from a stream's `[DONE]` to the end of its body, which follows at once
_JSON = (b"content-type", b"application/json")
_SSE = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


def chat_door(gateway: Gateway) -> ChatDoor:
    """The handler the door calls with a whole body."""

    async def answer(visit: Visit, body: bytes, send: Send) -> None:
        exchange = visit.exchange
        assert exchange.caller is not None  # noqa: S101 - the door admits before it calls
        request = gateway.read_chat(exchange.caller, body)
        if not request.stream:
            completion = await gateway.chat(exchange.caller, request, unmask_reply=visit.unmask_reply)
            exchange.usage, exchange.masked = completion.usage, completion.masked
            length = (b"content-length", b"%d" % len(completion.body))
            await send({"type": "http.response.start", "status": 200, "headers": [_JSON, length]})
            await send({"type": "http.response.body", "body": completion.body})
            return
        async with gateway.chat_stream(exchange.caller, request, unmask_reply=visit.unmask_reply) as stream:
            exchange.stream, exchange.masked = True, stream.masked
            await send({"type": "http.response.start", "status": 200, "headers": _SSE})
            async for events in stream.events:
                if events.endswith(DONE):
                    break
                await send({"type": "http.response.body", "body": events, "more_body": True})
            exchange.usage = stream.seen.usage
            await _over(stream.events)
        # Behind the model server's place: who takes slowly what is left keeps nobody from it.
        await send({"type": "http.response.body", "body": events})

    return answer


async def _over(events: AsyncIterator[bytes]) -> None:
    """Waits for the end of a stream that has said its last, so that its connection can be used again."""
    with suppress(GatewayError, TimeoutError):
        async with asyncio.timeout(_END_S):
            async for _ in events:
                pass
