"""What the gateway is measured beside: an upstream that answers at once, and a proxy as one would write it
first (FastAPI, httpx, no guards)."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator

MODELS = {"object": "list", "data": [{"id": "tiny", "max_model_len": 4096}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "tiny",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "word " * 160}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 200, "completion_tokens": 160, "total_tokens": 360},
}
EVENT = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "tiny",
    "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}],
}


def _whole(body: object) -> bytes:
    raw = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(raw) + raw


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


class Upstream(asyncio.Protocol):
    """Reads a request, writes a prepared answer; events of a stream in separate writes, as tokens come."""

    answer = _whole(ANSWER)
    models = _whole(MODELS)
    event = _chunk(b"data: " + json.dumps(EVENT).encode() + b"\n\n")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    end = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length: ")
        length = int(head[at + 16 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self._buffer = b""
        if head.startswith(b"GET"):
            self._transport.write(self.models)  # type: ignore[attr-defined]
        elif b'"stream":' in body:
            task = asyncio.get_running_loop().create_task(self._stream())
            task.add_done_callback(lambda _: None)
        else:
            self._transport.write(self.answer)  # type: ignore[attr-defined]

    async def _stream(self) -> None:
        self._transport.write(self.head)  # type: ignore[attr-defined]
        for _ in range(int(os.environ["EVENTS"])):
            self._transport.write(self.event)  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        self._transport.write(self.end)  # type: ignore[attr-defined]


async def upstream(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


def naive(port: int) -> None:
    import httpx
    import uvicorn
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import StreamingResponse

    app = FastAPI()
    client = httpx.AsyncClient(base_url=os.environ["UPSTREAM"], timeout=60)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await request.json()
        if not body.get("stream"):
            answer = await client.post("/v1/chat/completions", json=body)
            return Response(answer.content, media_type="application/json")

        async def events() -> AsyncIterator[bytes]:
            async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                async for piece in answer.aiter_raw():
                    yield piece

        return StreamingResponse(events(), media_type="text/event-stream")

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    role, at = sys.argv[1], int(sys.argv[2])
    if role == "upstream":
        import uvloop

        uvloop.run(upstream(at))
    else:
        naive(at)
