"""Whose trace it is, how much of them waits, and what a collector that is down costs."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.adapters.otlp import OtlpTraces
from gateway.adapters.tracing import NO_TRACES, Traces, opened
from tests.fakes import FakeUpstream, listening
from tests.gateway.adapters.collector import Collector
from tests.gateway.conftest import KEY, Running

NAME = "Kareninskaya"
CALLER_TRACE, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"
SUBMISSION = {"submission": f"I, {NAME}, say plants make sugar.", "reference_answers": ["Sugar"]}


@pytest.fixture
async def collector() -> Collector:
    return Collector()


@pytest.fixture
async def traces(collector: Collector) -> AsyncIterator[Traces]:
    """Closed by the test, or here."""
    async with collector.running() as url:
        kept = await opened(url, "grading-gateway", "1.2.3", 1.0)
        yield kept
        await kept.close()


@pytest.mark.parametrize(
    "header",
    [
        "",
        NAME,
        PARENT + "-" + NAME,
        PARENT.upper(),
        f"ff-{CALLER_TRACE}-{CALLER_SPAN}-01",
        f"00-{'0' * 32}-{CALLER_SPAN}-01",
        f"00-{CALLER_TRACE}-{'0' * 16}-01",
    ],
)
async def test_a_header_that_is_no_trace_begins_a_new_one(
    traces: Traces, collector: Collector, header: str
) -> None:
    with traces.request("GET /v1/models", {}, header) as span:
        assert span.trace_id != CALLER_TRACE
    await traces.close()
    assert [one.parent_span_id for one in collector.spans] == [b""]


async def test_a_caller_decides_about_a_trace_of_its_own_and_the_share_about_others(
    collector: Collector,
) -> None:
    async with collector.running() as url:
        none, all_of_them = OtlpTraces(url, "g", "0", 0.0), OtlpTraces(url, "g", "0", 1.0)
        with none.request("a", {}, None) as span, none.call("b", {}):
            assert (span.kept, len(str(span.trace_id))) == (False, 32)
            assert not int(none.headers()["traceparent"][-2:], 16) & 1
        with none.request("kept", {}, PARENT):
            pass
        with all_of_them.request("left out", {}, PARENT[:-2] + "00"):
            pass
        await none.close()
        await all_of_them.close()
    assert [span.name for span in collector.spans] == ["kept"]


async def test_what_nothing_led_to_is_no_trace(traces: Traces, collector: Collector) -> None:
    """A look of the gateway's own at what is behind it."""
    with traces.call("chat tiny", {}) as span:
        assert (span.kept, traces.headers()) == (False, {})
    with traces.work("grade batch item"), traces.call("chat tiny", {}):
        pass
    await traces.close()
    assert [span.name for span in collector.spans] == ["chat tiny", "grade batch item"]


async def test_requests_side_by_side_keep_to_their_own_traces(traces: Traces, collector: Collector) -> None:
    async def request(number: int) -> None:
        with traces.request(f"request {number}", {}, None):
            await asyncio.sleep(0)
            with traces.call(f"call {number}", {}):
                await asyncio.sleep(0)

    await asyncio.gather(*(request(number) for number in range(20)))
    await traces.close()
    spans = collector.by_name
    for number in range(20):
        assert spans[f"call {number}"].parent_span_id == spans[f"request {number}"].span_id


async def test_a_collector_that_is_down_costs_no_request_and_three_seconds_at_the_end(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    traces = await opened("http://127.0.0.1:9", "g", "0", 1.0)
    running: Running = await start(traces=traces)
    answers = await asyncio.gather(*(running.chat() for _ in range(50)))
    assert {status for status, _, _ in answers} == {200}
    began = time.monotonic()
    await traces.close()
    assert time.monotonic() - began < 30
    assert NAME not in caplog.text


async def test_more_spans_than_may_wait_are_dropped(collector: Collector) -> None:
    """The collector takes nothing until the end; what the process keeps for it is bounded."""
    release = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await release.wait()
        return await collector.take(request)

    app = web.Application()
    app.router.add_post("/v1/traces", slow)
    async with listening(app) as url:
        traces = OtlpTraces(url, "g", "0", 1.0)
        for number in range(10_000):
            with traces.request(str(number), {}, None):
                pass
        release.set()
        await traces.close()
    assert 0 < len(collector.spans) <= 2_048 + 512


async def test_a_gateway_that_is_stopped_sends_what_is_left(collector: Collector, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    upstream = FakeUpstream()
    async with collector.running() as url, upstream.running() as llm_url, aiohttp.ClientSession() as http:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "PORT": str(port),
            "RPC_PORT": "0",
            "API_KEY": KEY,
            "MASK_PERSONAL_DATA": "false",
            "API_KEYS_FILE": str(tmp_path / "keys.json"),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'store.db'}",
            "LLM_URL": llm_url,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve"),
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(60):
                while not await answers(http, f"http://127.0.0.1:{port}/v1/models"):
                    await asyncio.sleep(0.05)
        finally:
            process.terminate()
            async with asyncio.timeout(30):
                assert await process.wait() == 0
    assert "GET /v1/models" in collector.by_name
    assert collector.resources[0]["service.name"] == "grading-gateway"


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url, headers={"authorization": f"Bearer {KEY}"}) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def test_without_a_collector_nothing_is_kept_and_nothing_is_loaded() -> None:
    assert await opened("", "g", "0", 1.0) is NO_TRACES
    with NO_TRACES.request("a", {}, PARENT, 0.0) as span:
        assert (span.trace_id, span.kept, NO_TRACES.headers()) == (None, False, {})
    program = (
        "import sys, gateway.app, gateway.cli, gateway.commands.serve;"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr
