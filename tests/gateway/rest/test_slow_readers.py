"""Clients that take little or nothing of their answers."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from gateway.rest.entrance import ConnectionBounds
from gateway.rest.listener import Listener
from tests.fakes import chunk
from tests.gateway.conftest import KEY

GET = b"GET /first HTTP/1.1\r\nhost: x\r\n\r\n"


async def test_who_takes_nothing_of_an_answer_is_cut_off_and_its_request_ends(
    place: Callable[..., Any],
) -> None:
    here = await place(write_timeout_s=0.3, keep_alive_s=20)

    async def floods(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            await asyncio.sleep(0)
            if here.refused:
                return

    here.answer = floods
    _, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1024)
    writer.write(GET)
    await asyncio.wait_for(here.ended.wait(), 30)
    assert here.refused == ["stalled"]
    writer.transport.abort()


async def test_who_takes_an_answer_slowly_gets_all_of_it(place: Callable[..., Any]) -> None:
    """In one piece, so that the application is not asked for more until nearly all of it is gone."""
    here = await place(write_timeout_s=0.5, keep_alive_s=20)
    whole = b"x" * (4 << 20)

    async def answers(send: Any) -> None:
        head = [(b"content-length", b"%d" % len(whole))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": whole})

    here.answer = answers
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", here.port))
        await loop.sock_sendall(client, GET)
        taken = 0
        async with asyncio.timeout(60):
            while taken < len(whole):
                piece = await loop.sock_recv(client, 200_000)
                assert piece, f"cut after {taken} bytes"
                taken += len(piece)
                await asyncio.sleep(0.05)
    assert here.refused == []


async def test_an_answer_that_nobody_takes_does_not_hold_a_connection_that_is_over(
    place: Callable[..., Any],
) -> None:
    """More than the kernel keeps, and less than what would pause the application."""
    here = await place(write_timeout_s=0.3, keep_alive_s=0.2)
    filled = asyncio.Event()

    async def answers(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        transport = send.__self__.transport
        while not transport.get_write_buffer_size():
            await send({"type": "http.response.body", "body": b"x" * 4_096, "more_body": True})
        assert not send.__self__.flow.write_paused
        await send({"type": "http.response.body", "body": b""})
        filled.set()

    here.answer = answers
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", here.port))
        await asyncio.get_running_loop().sock_sendall(client, GET)
        async with asyncio.timeout(30):
            await filled.wait()
            assert here.refused == []
            while here.refused != ["stalled"]:
                await asyncio.sleep(0.01)


async def test_a_client_that_reads_nothing_gives_its_place_at_the_model_back(
    start: Callable[..., Any],
) -> None:
    """Through the door: the stream's task is cancelled, and with it the call of the model server."""
    running = await start()
    left = asyncio.Event()

    async def pours(request: web.Request, _: Any) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(chunk("x" * 10_000))
        finally:
            left.set()

    running.upstream.reply = pours
    refused: list[str] = []
    listener = Listener(running.services.app, ConnectionBounds(write_timeout_s=0.3), refused.append)
    body = orjson.dumps({"model": "tiny", "stream": True, "messages": [{"role": "user", "content": "hi"}]})
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\n" % KEY.encode()
    try:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", await listener.open("127.0.0.1", 0), limit=1024
        )
        writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        await asyncio.wait_for(left.wait(), 30)
        assert refused == ["stalled"]
        writer.transport.abort()
        async with asyncio.timeout(30):
            await listener.drained()
    finally:
        await listener.close()
        await listener.cut()
