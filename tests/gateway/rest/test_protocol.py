"""Connections over raw sockets: what is refused, who is cut off, and that nothing hides behind a request."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

LAST = b"GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
GET = b"GET /second HTTP/1.1\r\nhost: x\r\n\r\n"
HEAD = b"POST /first HTTP/1.1\r\nhost: x\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def statuses(answered: bytes) -> list[int]:
    return [int(part[:3]) for part in answered.split(b"HTTP/1.1 ")[1:]]


SMUGGLED = {
    "both lengths": HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, turned": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc",
    "the same length twice": HEAD + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "a list of lengths": HEAD + b"content-length: 3, 3\r\n\r\nabc",
    "a signed length": HEAD + b"content-length: +3\r\n\r\nabc",
    "identity": HEAD + b"transfer-encoding: identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "xchunked": HEAD + b"transfer-encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "an encoding before chunked": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two encodings": HEAD + b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": HEAD + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks of HTTP/1.0": b"POST /first HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": HEAD + b"a: b\r\n c\r\n\r\n",
    "a space before the colon": HEAD + b"content-length : 3\r\n\r\nabc",
    "bare LF": b"GET /first HTTP/1.1\nhost: x\n\n",
    "bare LF in the head": HEAD + b"a: b\ncontent-length: 3\r\n\r\nabc",
    "bare CR": HEAD + b"a: b\rc: d\r\n\r\n",
    "NUL in a value": HEAD + b"a: b\0c\r\n\r\n",
    "NUL in a name": HEAD + b"a\0: b\r\n\r\n",
    "a chunk's size that is none": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "a chunk's size in C": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk larger than memory": CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "LF behind a chunk's size": CHUNKED + b"3\nabc\n0\n\n",
    "LF in a chunk's extension": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"3\r\nabc\r\n0\r\nauthorization: Bearer stolen\r\n\r\n",
    "two hosts": HEAD + b"host: y\r\n\r\n",
    "no host": b"POST /first HTTP/1.1\r\n\r\n",
    "two keys": HEAD + b"authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
    "HTTP/2.0": b"GET /first HTTP/2.0\r\nhost: x\r\n\r\n",
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /first\r\n\r\n",
    "CONNECT": b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    "no address": b"GET http:// HTTP/1.1\r\nhost: x\r\n\r\n",
    "an address without a path": b"GET http://x HTTP/1.1\r\nhost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "spaces before the method": b" GET /first HTTP/1.1\r\nhost: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_what_two_servers_could_read_in_two_ways_is_refused_and_nothing_behind_it_is_answered(
    place: Callable[..., Any], sent: bytes
) -> None:
    here = await place()
    answered = await here.talk(sent + GET)
    assert statuses(answered) == [400]
    head, _, body = answered.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert orjson.loads(body)["code"] == "invalid_request"
    assert here.asked == []
    assert here.refused == ["malformed"]


async def test_a_body_that_breaks_in_a_later_packet_is_refused_too(place: Callable[..., Any]) -> None:
    here = await place()
    assert statuses(await here.talk(CHUNKED, b"3\r\nabc\r\n", b"zz\r\n" + GET)) == [400]
    assert here.asked == []


async def test_what_is_allowed_is_answered(place: Callable[..., Any]) -> None:
    here = await place()
    for sent, path, body in (
        (CHUNKED + b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n", "/first", b"abcde"),
        (HEAD + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "/first", b""),
        (HEAD + b"content-length: 3 \r\n\r\nabc", "/first", b"abc"),
        (b"GET http://elsewhere/abs?x HTTP/1.1\r\nhost: x\r\n\r\n", "/abs", b""),
        (b"GET /old HTTP/1.0\r\n\r\n", "/old", b""),
        (b"\r\n\r\nGET /lines HTTP/1.1\r\nhost: x\r\n\r\n", "/lines", b""),
        (b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", "*", b""),
    ):
        assert statuses(await here.talk(sent)) == [200], sent
        assert here.asked[-1][:2] == (path, body)
    assert here.refused == []


async def test_pipelined_requests_are_answered_in_turn_and_so_is_what_precedes_a_fault(
    place: Callable[..., Any],
) -> None:
    here = await place()
    assert statuses(await here.talk(GET * 3)) == [200] * 3
    assert statuses(await here.talk(GET + b"nonsense\r\n\r\n" + GET)) == [200]
    assert len(here.asked) == 4


async def test_requests_that_do_not_wait_for_answers_are_bounded(place: Callable[..., Any]) -> None:
    here = await place()
    assert statuses(await here.talk(GET * 1000)) == [200]
    assert here.refused == ["malformed"]


@pytest.mark.parametrize(
    "body", [b"content-length: 3\r\n\r\nabc", b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("packets", [1, 2])
async def test_an_upgrade_is_not_made_and_its_body_is_no_request(
    place: Callable[..., Any], body: bytes, packets: int
) -> None:
    """Java's HttpClient asks for h2c with its first request, whatever that is."""
    here = await place()
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    head, _, rest = (HEAD + wish + body).partition(b"\r\n\r\n")
    parts = (head + b"\r\n\r\n", rest + GET) if packets == 2 else (head + b"\r\n\r\n" + rest + GET,)
    assert statuses(await here.talk(*parts)) == [200, 200]
    assert [(path, text) for path, text, _ in here.asked] == [("/first", b"abc"), ("/second", b"")]
    assert b"upgrade" not in here.asked[0][2]


async def test_an_upgrade_to_websockets_is_a_request_like_any_other(place: Callable[..., Any]) -> None:
    here = await place()
    wish = b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n"
    answered = await here.talk(wish + GET)
    assert statuses(answered) == [200]
    assert here.paths == ["/ws"]


async def test_a_client_may_wait_for_leave_to_send_its_body(place: Callable[..., Any]) -> None:
    here = await place()
    answered = await here.talk(HEAD + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n", b"abc")
    assert statuses(answered) == [100, 200]


async def test_a_head_has_bounds(place: Callable[..., Any]) -> None:
    here = await place(header_bytes=4096)
    for sent, status in (
        ((b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",), 414),
        ((HEAD + b"a: " + b"b" * 4096 + b"\r\n\r\n",), 431),
        ((HEAD + b"a: " + b"b" * 5000,), 431),  # without its end
        ((HEAD, b"a: " + b"b" * 3000, b"b" * 3000), 431),
        ((HEAD + b"a: b\r\n" * 100 + b"\r\n",), 431),
        ((GET + HEAD + b"a: " + b"b" * 4096 + b"\r\n\r\n",), 200),  # its answer; then the fault's end
    ):
        assert statuses(await here.talk(*sent))[0] == status
    assert here.refused == ["too_large"] * 6
    large = HEAD + b"content-length: 9000\r\n\r\n" + b"x" * 9000
    assert statuses(await here.talk(large)) == [200]


async def test_chunks_that_hold_next_to_nothing_are_refused(place: Callable[..., Any]) -> None:
    here = await place()
    flood = b"1;" + b"e" * 100_000
    assert statuses(await here.talk(CHUNKED, flood)) == [400]
    assert statuses(await here.talk(CHUNKED, b"1\r\nx\r\n" * 30_000)) == [400]
    assert here.asked == []


async def test_a_silent_connection_is_closed_without_a_word(place: Callable[..., Any]) -> None:
    here = await place(keep_alive_s=0.2)
    began = asyncio.get_running_loop().time()
    assert await here.talk() == b""
    assert await here.talk(b"\r\n", b"\r\n") == b""
    assert statuses(await here.talk(GET)) == [200]
    assert asyncio.get_running_loop().time() - began >= 0.6
    assert here.refused == []


async def test_a_head_that_does_not_end_is_408(place: Callable[..., Any]) -> None:
    here = await place(header_timeout_s=0.2, keep_alive_s=20)
    began = asyncio.get_running_loop().time()
    assert statuses(await here.talk(HEAD, b"a: b\r\n", b"c: ")) == [408]
    assert asyncio.get_running_loop().time() - began >= 0.2
    assert statuses(await here.talk(GET, b"G")) == [200, 408]
    assert here.refused == ["header_timeout"] * 2


async def test_a_body_under_way_is_not_timed_by_the_head(place: Callable[..., Any]) -> None:
    here = await place(header_timeout_s=0.1, keep_alive_s=0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(HEAD + b"content-length: 3\r\n\r\n")
    await asyncio.sleep(0.4)
    writer.write(b"abc")
    assert statuses(await asyncio.wait_for(reader.read(), 30)) == [200]
    writer.close()


async def test_one_connection_too_many_is_told_so(place: Callable[..., Any]) -> None:
    here = await place(connections=1, keep_alive_s=20)
    _, first = await asyncio.open_connection("127.0.0.1", here.port)
    first.write(GET)
    answered = await here.talk(GET)
    assert statuses(answered) == [503]
    assert b"retry-after: 1\r\n" in answered
    assert b'"overloaded"' in answered
    assert here.refused == ["full"]
    first.close()
    async with asyncio.timeout(30):
        while statuses(await here.talk(b"GET / HTTP/1.0\r\n\r\n")) != [200]:
            await asyncio.sleep(0.01)


async def test_an_answer_before_the_whole_body_is_the_last_one(place: Callable[..., Any]) -> None:
    """What comes behind it is the rest of a body, whatever it looks like."""
    here = await place(keep_alive_s=20)
    here.early = True
    answered = await here.talk(HEAD + b"content-length: 1000\r\n\r\n" + GET)
    assert statuses(answered) == [401]
    assert b"connection: close" in answered
    assert statuses(await here.talk(HEAD + b"content-length: 3\r\n\r\nabc", GET + LAST)) == [401] * 3
