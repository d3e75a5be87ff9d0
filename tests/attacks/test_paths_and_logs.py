"""Paths, heads and fields that are made to lead elsewhere, or to write a line of their own into the log."""

import asyncio
import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from gateway.adapters.json_log import JsonFormatter
from tests.fakes import FakeAnalyzer, FakeEmbeddings
from tests.gateway.conftest import KEY, Running

SECRET = "zaphod-beeblebrox"  # a caller's word, which no log may hold
UP = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..%5c", "..\\", "%c0%ae%c0%ae/", "....//")
PLACES = (
    "/v1/models/{}",
    "/v1/models/{}:predict",
    "/v1/models/{}/versions",
    "/v1/datasets/{}",
    "/v1/rubrics/{}",
    "/v1/contracts/{}",
    "/v1/contracts/v1/{}",
    "/v1/drift-runs/{}/report",
    "/v1/batches/{}/results",
    "/v2/models/{}/infer",
    "/v2/models/{}",
    "/{}",
    "/static/{}",
    "/docs/{}",
)
TARGETS = (
    *(place.format(f"{up * 8}etc/passwd") for place in PLACES for up in UP),
    *(
        place.format(one)
        for place in PLACES
        for one in ("%00", "a%00.json", "%0d%0aX-Evil:%201", "%e2%80%a8")
    ),
    *(place.format("%ff%fe") for place in PLACES),
    "/v1/models/" + "a" * 30_000,
    "/v1/models/" + "%41" * 10_000,
    "/v1/grades?" + "&".join(f"a{place}=b" for place in range(5_000)),
    "/v1/grades?limit=" + "9" * 20_000,
    "/v1/grades?since=%00&after=%ff",
    "//etc/passwd",
    "/./v1/models/../../metrics",
    "/-/healthz/../../metrics",
    "/-/healthz%2f..%2f..%2fmetrics",
    "/-/healthz;/metrics",
    "/-/healthz%00",
    "/-/HEALTHZ",
)


async def answer(running: Running, first: str, *heads: str) -> bytes:
    """The first answer to a request whose first line and heads are these bytes, written as they are."""
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = (first, "host: x", "connection: close", *heads, "", "")
    writer.write("\r\n".join(lines).encode("latin-1"))
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    finally:
        writer.close()


def status(told: bytes) -> int:
    return int(told.split(b" ", 2)[1])


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_a_path_leads_nowhere_but_where_it_says(start: Callable[..., Any], method: str) -> None:
    running: Running = await start(embeddings=FakeEmbeddings(), requests_per_minute=1_000_000)
    for target in TARGETS:
        told = await answer(running, f"{method} {target} HTTP/1.1", f"authorization: Bearer {KEY}")
        assert 400 <= status(told) < 500 or "grades?a0" in target, (target, told)
        assert b"root:" not in told
        assert b"x-evil" not in told.lower()
        # The key is asked for whatever the path is said to be.
        told = await answer(running, f"{method} {target} HTTP/1.1")
        assert status(told) in (400, 401, 414, 431), (target, told)


@pytest.mark.parametrize(
    "first",
    [
        "GET http://127.0.0.1:1/v1/models HTTP/1.1",  # an absolute target, as proxies are asked
        "GET http://127.0.0.1:1/-/healthz HTTP/1.1",
        "CONNECT 127.0.0.1:22 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "TRACE /v1/models HTTP/1.1",
        "GET /v1/models HTTP/9.9",
        "GET /v1/models HTTP/1.1 x",
        "G\x00T /v1/models HTTP/1.1",
        "GET /v1/models\x00 HTTP/1.1",
        "GET v1/models HTTP/1.1",
        "PRI * HTTP/2.0",
    ],
)
async def test_another_form_of_target_is_no_way_in(running: Running, first: str) -> None:
    told = await answer(running, first)
    assert not told or status(told) in (400, 401, 404, 405) or "healthz" in first
    assert SECRET.encode() not in told
    assert (await running.get("/-/healthz", key=""))[0] == 200


async def test_no_head_says_another_method_path_or_caller(running: Running) -> None:
    heads = (
        "x-http-method-override: DELETE",
        "x-method-override: DELETE",
        "x-http-method: DELETE",
        "x-original-url: /metrics",
        "x-rewrite-url: /metrics",
        "x-forwarded-prefix: /metrics",
        "x-forwarded-for: 127.0.0.1",
        "forwarded: for=127.0.0.1",
    )
    plain = await answer(running, "GET /v1/contracts HTTP/1.1", f"authorization: Bearer {KEY}")
    other = await answer(running, "GET /v1/contracts HTTP/1.1", f"authorization: Bearer {KEY}", *heads)
    assert status(plain) == status(other) == 200
    assert plain.partition(b"\r\n\r\n")[2] == other.partition(b"\r\n\r\n")[2]
    assert status(await answer(running, "GET /metrics HTTP/1.1", *heads)) == 401


async def test_of_two_keys_neither_is_taken(running: Running) -> None:
    """Of two heads of one name some readers take the first, others the last."""
    right, wrong = f"authorization: Bearer {KEY}", "authorization: Bearer wrong"
    for heads in ((right, wrong), (wrong, right)):
        told = await answer(running, "GET /v1/contracts HTTP/1.1", *heads)
        assert status(told) == 400


ESCAPES = (
    f"{SECRET}\r\n{{}}",
    f"\n{SECRET}",
    f'","level":"{SECRET}',
    f"\x1b[2J\x1b]0;{SECRET}\x07",
    f"{SECRET}\u2028{SECRET}\u2029",
    f"{SECRET}\x85\x0b\x0c",
    f"\u202e{SECRET}",
    f"${{jndi:ldap://{SECRET}}}",
    f"%s%n{SECRET}%(name)s{{0.__class__}}",
    f"\0{SECRET}",
)


async def test_whatever_is_sent_the_log_is_one_json_object_a_line_without_a_callers_word(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    running: Running = await start(FakeAnalyzer(), embeddings=FakeEmbeddings(), requests_per_minute=1_000_000)
    out = io.BytesIO()
    running.services.observer._out = out
    asked = 0
    for text in ESCAPES:
        await running.chat(text, model=text, user=text)
        await running.chat("x", user=text, metadata={text: text})
        for path in ("/v1/models/grader-llm:predict", "/v1/rubrics", "/v1/training-jobs", "/v1/drift-runs"):
            await running.post(path, {text: text, "submission": text, "model": text, "name": text})
        await running.post("/v1/datasets?name=a", data=f"a,b\n{text},1\n".encode())
        asked += 7
        quoted = "".join(f"%{byte:02x}" for byte in text.encode())
        for target in (
            f"/v1/models/{quoted}",
            f"/{quoted}",
            f"/v1/grades?rubric={quoted}",
            f"/v2/models/{quoted}",
        ):
            await answer(running, f"GET {target} HTTP/1.1", f"authorization: Bearer {KEY}")
            asked += 1
        plain = "".join(one for one in text if ord(one) < 256 and one not in "\r\n\0")
        for name in (
            "x-request-id",
            "traceparent",
            "tracestate",
            "x-priority",
            "x-request-timeout",
            "user-agent",
        ):
            key = f"authorization: Bearer {KEY}"
            if await answer(running, "GET /v1/contracts HTTP/1.1", key, f"{name}: {plain}"):
                asked += 1
        await answer(running, "GET /v1/contracts HTTP/1.1", f"authorization: Bearer {plain}")
    running.services.observer._flush()
    lines = out.getvalue().decode().split("\n")[:-1]
    assert len(lines) >= asked - 6 * len(ESCAPES)  # a head that the parser refuses is no request
    formatter = JsonFormatter()
    lines += [formatter.format(record) for record in caplog.records if record.name != "asyncio"]
    for line in lines:
        assert len(line.splitlines()) == 1  # by Unicode's ends of lines too
        assert isinstance(json.loads(line), dict)
        assert SECRET not in line
        assert line.isascii()
    _, metrics, _ = await running.get("/metrics")
    assert SECRET not in metrics
