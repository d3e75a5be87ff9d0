"""`POST /v1/chat/completions` as raw ASGI: bytes in, bytes out. A framework's request and response objects
cost more than everything else on this path together."""

import orjson

from gateway.chat.reply import last_event
from gateway.domain import Usage
from gateway.grading.reply import read_usage
from gateway.pipeline import Gateway
from gateway.rest.door import ChatDoor, Send, Visit

_JSON = (b"content-type", b"application/json")
_SSE = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_TAIL_BYTES = 2_048  # of a stream; the event with its usage takes 300


def chat_door(gateway: Gateway) -> ChatDoor:
    """The handler the door calls with a whole body."""

    async def answer(visit: Visit, body: bytes, send: Send) -> None:
        exchange = visit.exchange
        assert exchange.caller is not None  # noqa: S101 - the door admits before it calls
        request = gateway.read_chat(exchange.caller, body)
        if not request.stream:
            completion = await gateway.chat(request, unmask_reply=visit.unmask_reply)
            exchange.usage, exchange.masked = completion.usage, completion.masked
            length = (b"content-length", b"%d" % len(completion.body))
            await send({"type": "http.response.start", "status": 200, "headers": [_JSON, length]})
            await send({"type": "http.response.body", "body": completion.body})
            return
        async with gateway.chat_stream(request, unmask_reply=visit.unmask_reply) as stream:
            exchange.stream, exchange.masked = True, stream.masked
            await send({"type": "http.response.start", "status": 200, "headers": _SSE})
            tail = b""
            async for events in stream.events:
                tail = (tail + events)[-_TAIL_BYTES:]
                await send({"type": "http.response.body", "body": events, "more_body": True})
            exchange.usage = _usage_of(tail)
        await send({"type": "http.response.body", "body": b""})

    return answer


def _usage_of(tail: bytes) -> Usage:
    """What the last event of a stream tells; nothing where the caller did not ask for it. The answer is with
    its caller already, so nothing here can fail it."""
    try:
        return read_usage(orjson.loads(last_event(tail)))
    except (AttributeError, TypeError, ValueError):
        return Usage()
