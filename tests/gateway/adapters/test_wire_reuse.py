"""What one request leaves behind on its connection reaches no other one; under both event loops, since one
serves and the other one tests."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from gateway.adapters import connection as connection_module
from gateway.adapters.connection import BrokenAnswer, NoAnswer
from gateway.adapters.http import Peer
from gateway.adapters.wire import Wire
from tests.gateway.adapters.wire_server import (
    HELLO,
    LONG_S,
    MOST,
    Act,
    Server,
    asked,
    on_both_loops,
    rest,
    says,
    served,
    streamed,
    talking,
)

BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"
BOB = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nBOB"


async def seen(wire: Wire) -> tuple[int, bytes]:
    return await wire.exchange("GET", "/see", None, {}, timeout_s=LONG_S, most_bytes=MOST)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        while not true():
            await asyncio.sleep(0.005)


def says_later(begun: bytes, later: bytes, when: asyncio.Event) -> Act:
    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await when.wait()
        writer.write(later)

    return act


# Answers


@on_both_loops
@pytest.mark.parametrize("size", [13, 200_000, 1_000_000], ids=["small", "large", "paused"])
async def test_what_of_a_stream_nobody_took_is_not_the_next_callers(size: int) -> None:
    left = asyncio.Event()
    secret = b"%x\r\n" % size + b"S" * size + b"\r\n0\r\n\r\n"
    server = Server(says_later(BEGUN, secret, left), says(BOB))
    async with talking(server) as wire:
        ann = await wire.begin("/ask", b"{}", {}, silence_s=LONG_S)
        assert await ann.piece() == b"first"
        left.set()
        await until(lambda: ann._paused or not ann._under_way)
        wire.give_back(ann)
        assert await asked(wire) == (200, b"BOB")
        assert await streamed(wire) == (200, b"BOB")
    assert server.connections == 2


@on_both_loops
async def test_a_stream_that_was_left_before_its_trailers_came_is_not_used_again() -> None:
    when = asyncio.Event()
    server = Server(says_later(BEGUN + b"0\r\n", b"x-trailer: 1\r\n\r\n", when), says(BOB))
    async with talking(server) as wire:
        ann = await wire.begin("/ask", b"{}", {}, silence_s=LONG_S)
        assert await ann.piece() == b"first"
        wire.give_back(ann)
        when.set()
        assert await asked(wire) == (200, b"BOB")
    assert server.connections == 2


@on_both_loops
async def test_a_reader_that_slowed_its_server_down_gives_the_connection_back_as_it_was() -> None:
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + b"x" * 2_000_000
    server = Server(says(long), says(HELLO))
    async with talking(server) as wire:
        ann = await wire.begin("/ask", b"{}", {}, silence_s=LONG_S)
        await until(lambda: ann._paused)
        assert len(await rest(ann)) == 2_000_000
        wire.give_back(ann)
        assert await streamed(wire) == (200, b"hello")
        assert await asked(wire) == (200, b"hello")
    assert server.connections == 1


@on_both_loops
async def test_a_request_knows_nothing_of_the_one_before_it() -> None:
    """The second lock: also where the first one was left open."""
    server = Server(says(HELLO), says(BOB))
    async with talking(server) as wire:
        assert await asked(wire) == (200, b"hello")
        (connection,) = wire._address.resting
        connection._parts.append(b"SECRET")
        connection.ask((b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",), 1e9, LONG_S, None)
        await connection.begun()
        assert await rest(connection) == b"BOB"
        connection._parts.append(b"SECRET")
        assert await asked(wire) == (200, b"BOB")
        assert server.connections == 2  # it was not even asked


async def test_who_holds_on_to_a_stream_takes_nothing_of_the_next_one() -> None:
    when = asyncio.Event()
    async with served(Server(says(HELLO), says_later(BEGUN, b"0\r\n\r\n", when))) as port:
        options = {"connect_timeout_s": 5, "max_answer_bytes": MOST, "retry_after_s": 1.0}
        peer = Peer("The peer", f"http://127.0.0.1:{port}", "", max_connections=1, **options)  # type: ignore[arg-type]
        async with peer.stream("/ask", b"{}", LONG_S) as (_, anns):
            assert await anext(anns) == b"hello"
        async with peer.stream("/ask", b"{}", LONG_S) as (_, bobs):
            with pytest.raises(StopAsyncIteration):
                await anext(anns)
            when.set()
            assert await peer.whole(bobs) == b"first"
        await peer.close()


# Time and ends


@on_both_loops
async def test_a_timer_of_the_request_before_ends_nothing() -> None:
    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.write(HELLO)

    server = Server(says(HELLO), slow, says(HELLO), slow)
    async with talking(server) as wire:
        for ask in (asked, streamed):
            await asked(wire, timeout_s=0.3)
            assert await ask(wire) == (200, b"hello")
    assert server.connections == 1


@on_both_loops
async def test_a_connection_that_closes_while_it_rests_is_not_asked() -> None:
    server = Server(says(HELLO))
    async with talking(server) as wire:
        await asked(wire)
        (connection,) = wire._address.resting
        assert connection._transport is not None
        connection._transport.close()  # as at its peer's end, a turn of the loop before that is told
        assert await asked(wire) == (200, b"hello")
    assert (server.connections, len(server.requests)) == (2, 2)


# Once more


@on_both_loops
async def test_a_request_that_changes_nothing_crosses_the_end_of_its_connection_unseen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "_MOMENT_S", LONG_S)
    server = Server(says(HELLO), says(close=True), says(HELLO))
    async with talking(server) as wire:
        assert await asked(wire) == (200, b"hello")
        assert await seen(wire) == (200, b"hello")
    assert server.connections == 2
    assert len(server.requests) == 3


@on_both_loops
async def test_any_other_is_written_once_and_what_rested_besides_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "_MOMENT_S", LONG_S)
    together, count = asyncio.Event(), 0

    async def both(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        if count == 3:
            together.set()
        await together.wait()
        writer.write(HELLO)

    server = Server(both, both, both, says(close=True))
    async with talking(server) as wire:
        await asyncio.gather(*(asked(wire) for _ in range(3)))
        for ask in (asked, streamed):
            with pytest.raises(NoAnswer):
                await ask(wire)
            assert not wire._address.resting
    assert len(server.requests) == 5
    assert server.connections == 4  # the second one on a fresh connection


@on_both_loops
@pytest.mark.parametrize("kept", [False, True])
async def test_who_worked_for_longer_than_a_moment_is_not_asked_again(kept: bool) -> None:
    async def works_and_dies(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.25)
        raise ConnectionAbortedError

    for ask in (asked, streamed, seen):
        server = Server(*([says(HELLO)] if kept else []), works_and_dies)
        async with talking(server) as wire:
            if kept:
                await asked(wire)
            with pytest.raises(BrokenAnswer):
                await ask(wire)
        assert len(server.requests) == 1 + kept


# Everything at once


@on_both_loops
async def test_whoever_is_cancelled_whenever_everybody_gets_their_own_answer() -> None:
    chance = random.Random(8)

    async def nasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # uvloop's transports raise RuntimeError when they are closed, asyncio's only say so.
        with suppress(asyncio.IncompleteReadError, RuntimeError):
            while True:
                tag = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
                kind = chance.random()
                if kind < 0.1:
                    break
                if kind < 0.3:
                    await asyncio.sleep(chance.random() * 0.01)
                if kind < 0.6:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(tag), tag))
                else:
                    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    for at in range(len(tag)):
                        writer.write(b"1\r\n%b\r\n" % tag[at : at + 1])
                        if chance.random() < 0.3:
                            await asyncio.sleep(0)
                    writer.write(b"0\r\n\r\n")
                if kind > 0.95:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nEXTRA!")
                await writer.drain()
        writer.close()

    async def one(number: int) -> bool | None:
        """Whether the answer is the right one; None: there was none."""
        path, got = f"/{number}", b""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(chance.choice([LONG_S, 0.002, 0.006, 0.0005])):
                if number % 2:
                    answer = await wire.begin(path, b"", {}, silence_s=LONG_S)
                    try:
                        got = await rest(answer)
                    finally:
                        wire.give_back(answer)
                else:
                    _, got = await wire.exchange("POST", path, b"", {}, timeout_s=LONG_S, most_bytes=MOST)
            return got == path.encode()
        return None

    async with talking(nasty, places=8) as wire:
        told = [
            right
            for turn in range(30)
            for right in await asyncio.gather(*(one(turn * 30 + number) for number in range(30)))
        ]
        assert told.count(False) == 0
        assert told.count(True) > 100
        assert wire._places._value == 8
        assert not wire._busy
