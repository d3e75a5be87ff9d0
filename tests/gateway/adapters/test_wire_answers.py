"""What the HTTP client takes for an answer and what not, from servers that misbehave in every way; under both
event loops, since one serves and the other one tests."""

import asyncio
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.connection import Address, BrokenAnswer, Connection, LargeAnswer, NoAnswer
from tests.gateway.adapters.wire_server import (
    CHUNKED,
    HELLO,
    INTERIM,
    LONG_S,
    MOST,
    TO_ITS_END,
    Act,
    Server,
    asked,
    on_both_loops,
    rest,
    says,
    streamed,
    talking,
)


class Transport:
    """Where a connection's answer is fed by hand."""

    def writelines(self, _: object) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


@given(
    answer=st.sampled_from([HELLO, CHUNKED, INTERIM + HELLO, INTERIM + CHUNKED, TO_ITS_END]),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    whole=st.booleans(),
)
def test_an_answer_is_the_same_wherever_it_is_cut(answer: bytes, cuts: list[int], whole: bool) -> None:
    async def fed() -> None:
        connection = Connection(asyncio.get_running_loop(), Address())
        connection.connection_made(cast("asyncio.Transport", Transport()))
        deadline = asyncio.get_running_loop().time() + LONG_S
        connection.ask((b"",), deadline, None if whole else LONG_S, MOST if whole else None)
        ends = sorted({min(cut, len(answer)) for cut in cuts} | {0, len(answer)})
        for start, end in pairwise(ends):
            connection.data_received(answer[start:end])
        if answer is TO_ITS_END:
            connection.connection_lost(None)
        await connection.begun()
        assert connection.status == 200
        assert await connection.piece() == b"hello"
        assert await connection.piece() == b""
        assert connection.can_rest == (answer is not TO_ITS_END)
        connection.leave()

    asyncio.run(fed())


@on_both_loops
@pytest.mark.parametrize("answer", [HELLO, CHUNKED, INTERIM + CHUNKED, TO_ITS_END])
async def test_an_answer_that_comes_byte_by_byte_is_whole(answer: bytes) -> None:
    pieces = [answer[at : at + 1] for at in range(len(answer))]
    server = Server(says(*pieces, close=answer is TO_ITS_END))
    async with talking(server) as wire:
        assert await asked(wire) == (200, b"hello")
        assert await streamed(wire) == (200, b"hello")


async def test_an_answer_without_a_body_is_one() -> None:
    async with talking(Server(says(b"HTTP/1.1 204 No Content\r\n\r\n"))) as wire:
        assert await asked(wire) == (204, b"")
        assert await streamed(wire) == (204, b"")


@on_both_loops
@pytest.mark.parametrize(
    "turn",
    [says(close=True), says(reset=True), says(b"HTTP/1.1 200 OK\r\ncontent-le", close=True)],
    ids=["closed", "reset", "half a head"],
)
async def test_who_leaves_before_a_head_has_not_answered(turn: Act) -> None:
    async with talking(Server(turn)) as wire:
        for ask in (asked, streamed):
            with pytest.raises(NoAnswer):
                await ask(wire)


@on_both_loops
@pytest.mark.parametrize(
    "turn",
    [
        says(b"SSH-2.0-OpenSSH_9.2\r\n"),
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"),
        says(b"HTTP/1.1 200 OK\r\n" + b"x-padding: 0123456789\r\n" * 20_000),
        says(b"HTTP/1.1 200 OK\r\nx-padding: ", *[b"0" * 10_000] * 20),
        says(INTERIM * 2_000),
        says(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"),
    ],
    ids=["garbage", "two lengths", "huge head", "endless line", "hints for ever", "upgrade"],
)
async def test_what_is_no_head_is_broken(turn: Act) -> None:
    async with talking(Server(turn)) as wire:
        for ask in (asked, streamed):
            with pytest.raises(BrokenAnswer):
                await ask(wire)


@on_both_loops
@pytest.mark.parametrize(
    "turn",
    [
        says(HELLO[:-1], close=True),
        says(HELLO[:-1], reset=True),
        says(CHUNKED[:-40], close=True),
        says(CHUNKED[:-2] + b"x-trailer: 0123456789\r\n" * 20_000),
        says(CHUNKED.replace(b"1\r\nl\r\n", b"zz\r\nl\r\n")),
        says(CHUNKED.replace(b"1\r\nl\r\n", b"1;" + b"x" * 300_000)),
        says(TO_ITS_END, reset=True),
    ],
    ids=["half", "reset", "no last chunk", "endless trailers", "garbage", "endless extension", "to a reset"],
)
async def test_half_an_answer_is_none(turn: Act) -> None:
    async with talking(Server(turn)) as wire:
        with pytest.raises(BrokenAnswer):
            await asked(wire)
        answer = await wire.begin("/ask", b"{}", {}, silence_s=LONG_S)
        with pytest.raises(BrokenAnswer):
            await rest(answer)
        wire.give_back(answer)


@on_both_loops
@pytest.mark.parametrize("told", [b"content-length: 2000000\r\n", b""])
async def test_an_answer_may_be_so_large_and_no_larger(told: bytes) -> None:
    server = Server(says(b"HTTP/1.1 200 OK\r\n" + told + b"\r\n", *[b"x" * 100_000] * 20, close=True))
    async with talking(server) as wire:
        with pytest.raises(LargeAnswer):
            await asked(wire)
        answer = await wire.exchange("POST", "/", b"", {}, timeout_s=LONG_S, most_bytes=2_000_000)
        assert answer == (200, b"x" * 2_000_000)


@on_both_loops
async def test_an_answer_before_the_body_was_read_counts_and_ends_the_connection() -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    async with talking(hasty) as wire:
        for _ in range(2):  # were the connection used again, nobody would read the second request
            assert await asked(wire, b"x" * (16 << 20)) == (413, b"")
        gone.set()
