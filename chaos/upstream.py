"""A model server with a known capacity: K slots, a queue, a time for each answer. And what can go wrong.

`python -m chaos.upstream PORT BOARD SLOTS PROMPT_S TOKEN_S`. An answer takes PROMPT_S, then TOKEN_S for each
of `max_tokens`; a slot is held meanwhile, others wait in the order in which they came, as many as there are:
vLLM refuses nobody either. A client that hangs up frees its slot. So C = SLOTS / (PROMPT_S + tokens *
TOKEN_S).
"""

import asyncio
import json
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, cast

import httptools
import uvloop

from chaos.board import Board, Field, Mode

MODEL = "tiny"
_MODELS = {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 200_000}]}
_PREFILL_S = 2e-6  # for each byte of a body beyond the first 10 kB: half a second for 100,000 tokens
_SLOW = 10
_GARBAGE = b"\x16\x03\x01 this is no HTTP\r\n\r\n"
_LOOK_S = 0.01


class Upstream:
    """What its connections have in common."""

    def __init__(self, board: Board, slots: int, prompt_s: float, token_s: float) -> None:
        self.board = board
        self.slots = asyncio.Semaphore(slots)
        self.prompt_s = prompt_s
        self.token_s = token_s
        self.connections: set[Connection] = set()

    async def watch(self) -> None:
        """Resets the connections that are there when that mode begins."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.board.mode is Mode.RESET:
                for connection in list(self.connections):
                    connection.reset()


class Connection(asyncio.Protocol):
    """One request after the other."""

    def __init__(self, server: Upstream) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._server.connections.add(self)
        self._server.board.add(Field.CONNECTIONS)
        if self._server.board.mode is Mode.RESET:
            self.reset()

    def connection_lost(self, _: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._task is not None and not self._task.done():
            self._server.board.add(Field.LEFT)
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def reset(self) -> None:
        # Without a time to linger, closing is an RST.
        there = self._transport.get_extra_info("socket")
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    # The parser's

    def on_message_begin(self) -> None:
        self._path, self._body = b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._answer(self._path, bytes(self._body)))

    # The answer

    async def _answer(self, path: bytes, body: bytes) -> None:
        mode = self._server.board.mode
        if mode is Mode.SILENT:
            await asyncio.Event().wait()
        elif mode is Mode.NOT_HTTP:
            self._transport.write(_GARBAGE)
            self._transport.close()
        elif path == b"/v1/chat/completions":
            await self._chat(json.loads(body), len(body))
        elif path == b"/v1/models":
            self._write(200, _MODELS)
        elif path == b"/tokenize":
            self._write(200, {"count": len(body) // 4, "max_model_len": 200_000})
        elif path == b"/health":
            self._write(200, {})
        else:
            self._write(404, {"error": {"message": "Not Found"}})

    async def _chat(self, asked: dict[str, Any], size: int) -> None:
        server, board = self._server, self._server.board
        board.add(Field.CHATS)
        tokens = int(asked.get("max_tokens") or 16)
        content = "word " * tokens
        schema = asked.get("response_format", {}).get("json_schema", {})
        if schema.get("name") == "verdict":
            board.add(Field.GRADINGS)
            content, tokens = _verdict(schema["schema"]), 10
        if board.mode is Mode.BUSY:
            self._write(503, {"error": {"message": "overloaded"}})
            return
        board.add(Field.WAITING)
        try:
            await server.slots.acquire()
        finally:
            board.add(Field.WAITING, -1)
        try:
            mode = board.mode
            slower = _SLOW if mode is Mode.SLOW else 1
            await asyncio.sleep(slower * (server.prompt_s + max(0, size - 10_000) * _PREFILL_S))
            if asked.get("stream"):
                usage = bool((asked.get("stream_options") or {}).get("include_usage"))
                await self._stream(tokens, slower * server.token_s, usage=usage)
            else:
                await asyncio.sleep(slower * server.token_s * tokens)
                await self._whole(_completion(content, tokens, size // 4))
        finally:
            server.slots.release()

    async def _whole(self, answer: dict[str, Any]) -> None:
        mode = self._server.board.mode
        if mode is Mode.NOT_JSON:
            self._transport.write(_head(200, 13) + b"<p>hello</p>\n")
            return
        raw = json.dumps({"detail": "ok"} if mode is Mode.WRONG_SHAPE else answer).encode()
        if mode is Mode.HANGS:
            self._transport.write(_head(200, len(raw)))
            await asyncio.Event().wait()
        if mode is Mode.HALF:
            self._transport.write(_head(200, len(raw)) + raw[: len(raw) // 2])
            self._transport.close()
            return
        self._transport.write(_head(200, len(raw)) + raw)
        self._server.board.add(Field.ANSWERED)

    async def _stream(self, tokens: int, pause_s: float, *, usage: bool) -> None:
        transport, mode = self._transport, self._server.board.mode
        transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        if mode is Mode.HANGS:
            await asyncio.Event().wait()
        for number in range(tokens):
            if mode is Mode.HALF and number >= tokens // 2:
                transport.close()
                return
            if mode in (Mode.NOT_JSON, Mode.WRONG_SHAPE):
                event = b"data: <p>\n\n" if mode is Mode.NOT_JSON else b'data: {"detail": "ok"}\n\n'
            else:
                event = _event([{"index": 0, "delta": {"content": "word "}, "finish_reason": None}])
            transport.write(_chunk(event))
            await asyncio.sleep(pause_s)
            mode = self._server.board.mode
        end = _event([{"index": 0, "delta": {}, "finish_reason": "length"}])
        if usage:
            end += _event([], {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens})
        transport.write(_chunk(end + b"data: [DONE]\n\n") + b"0\r\n\r\n")
        self._server.board.add(Field.ANSWERED)

    def _write(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self._transport.write(_head(status, len(raw)) + raw)


def _head(status: int, length: int) -> bytes:
    return b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, length)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


def _event(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    told = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    return b"data: " + json.dumps({**told, "choices": choices, "usage": usage}).encode() + b"\n\n"


def _completion(content: str, tokens: int, prompt: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens},
    }


def _verdict(schema: dict[str, Any]) -> str:
    """The highest level, and words where words are asked for."""
    wanted = schema["properties"]
    said = {name: rule["enum"][-1] if "enum" in rule else "Right." for name, rule in wanted.items()}
    return json.dumps(said)


async def serve(port: int, server: Upstream) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, backlog=1024)
    watching = loop.create_task(server.watch())
    await stop.wait()
    watching.cancel()
    listening.close()


async def main(port: str, board: str, slots: str, prompt_s: str, token_s: str) -> None:
    await serve(int(port), Upstream(Board(Path(board)), int(slots), float(prompt_s), float(token_s)))


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
