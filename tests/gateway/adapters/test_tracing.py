"""Traces, as a collector gets them over a real socket.

Over 250 lines: one after the other, what a collector is told, and when nothing.
"""

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.adapters.otlp import OtlpTraces
from gateway.adapters.tracing import NO_TRACES, Traces, opened
from gateway.rpc.gen import operations_pb2, operations_pb2_grpc
from tests.fakes import DONE, USAGE_EVENT, FakeAnalyzer, FakeEmbeddings, FakeUpstream, chunk, listening
from tests.gateway.conftest import KEY, Running
from tests.gateway.grading_fakes import verdict

NAME = "Kareninskaya"
CALLER_TRACE, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"
SUBMISSION = {"submission": f"I, {NAME}, say plants make sugar.", "reference_answers": ["Sugar"]}


class Collector:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.raw.append(await request.read())
        for one in ExportTraceServiceRequest.FromString(self.raw[-1]).resource_spans:
            self.resources.append({pair.key: pair.value.string_value for pair in one.resource.attributes})
            self.spans += [span for scope in one.scope_spans for span in scope.spans]
        return web.Response()

    @property
    def by_name(self) -> dict[str, Span]:
        return {span.name: span for span in self.spans}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/v1/traces", self.take)
        async with listening(app) as url:
            yield url


async def over(running: Running, requests: int) -> None:
    """A client has its answer a moment before the door has taken the account of it."""
    async with asyncio.timeout(30):
        while len(running.services.observer._lines) < requests:
            await asyncio.sleep(0.001)


def told(span: Span) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in span.attributes}


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


async def test_one_grade_is_one_trace_with_its_calls_in_it(
    start: Callable[..., Any], traces: Traces, collector: Collector
) -> None:
    running: Running = await start(FakeAnalyzer({NAME: "PERSON"}), FakeEmbeddings(), traces=traces)
    running.upstream.reply = FakeUpstream.says(verdict(4))
    out = io.BytesIO()
    running.services.observer._out = out
    path = f"/v1/models/grader-llm:predict?student={NAME}"
    status, _, headers = await running.post(path, SUBMISSION, headers={"traceparent": PARENT})
    assert status == 200
    await over(running, 1)
    await traces.close()
    running.services.observer._flush()
    spans = collector.by_name
    server, mask, chat = (spans[name] for name in ("POST /v1/models/{grader}:predict", "mask", "chat tiny"))
    second_opinion = spans["estimate grader-embedding"]
    assert {span.trace_id.hex() for span in collector.spans} == {CALLER_TRACE}
    assert server.parent_span_id.hex() == CALLER_SPAN
    assert {span.parent_span_id for span in (mask, chat, second_opinion)} == {server.span_id}
    assert (server.kind, chat.kind, mask.kind) == (
        Span.SPAN_KIND_SERVER,
        Span.SPAN_KIND_CLIENT,
        Span.SPAN_KIND_INTERNAL,
    )
    assert told(server) == {
        "http.request.method": "POST",
        "http.route": "/v1/models/{grader}:predict",
        "url.scheme": "http",
        "gateway.request_id": headers["x-request-id"],
        "http.response.status_code": 200,
    }
    assert told(chat) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "tiny",
        "gen_ai.response.model": "tiny",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
    }
    assert told(mask)["gateway.masking.found.person"] == 1
    assert collector.resources[0]["service.name"] == "grading-gateway"
    assert json.loads(out.getvalue())["trace_id"] == CALLER_TRACE
    sent = b"".join(collector.raw)
    for word in (NAME, "student", "sugar", KEY):
        assert word.encode() not in sent


async def test_the_servers_behind_are_told_which_trace_they_work_for(
    start: Callable[..., Any], traces: Traces, collector: Collector
) -> None:
    seen: list[str | None] = []

    async def reply(request: web.Request, body: Any) -> web.StreamResponse:
        seen.append(request.headers.get("traceparent"))
        return await FakeUpstream.says("Hello!")(request, body)

    running: Running = await start(traces=traces)
    running.upstream.reply = reply
    await running.chat()
    await over(running, 1)
    await traces.close()
    chat = collector.by_name["chat tiny"]
    (sent,) = seen
    assert sent is not None
    assert sent.startswith(f"00-{chat.trace_id.hex()}-{chat.span_id.hex()}-")
    assert int(sent[-2:], 16) & 1


async def test_a_stream_is_a_span_until_its_last_byte(
    start: Callable[..., Any], traces: Traces, collector: Collector
) -> None:
    running: Running = await start(traces=traces)
    running.upstream.reply = FakeUpstream.streams(chunk("Hello"), chunk(finish="stop"), USAGE_EVENT, DONE)
    await running.stream()
    running.upstream.reply = FakeUpstream.streams(chunk("Hel"), cut=True)
    await running.stream()
    await over(running, 2)
    await traces.close()
    whole, cut = (span for span in collector.spans if span.name == "chat tiny")
    assert told(whole)["gen_ai.usage.output_tokens"] == 3
    assert told(cut)["error.type"] == "backend_error"
    assert cut.status.code == 2
    doors = [span for span in collector.spans if span.name == "POST /v1/chat/completions"]
    assert [told(door).get("error.type") for door in doors] == [None, "backend_error"]
    assert [told(door)["http.response.status_code"] for door in doors] == [200, 200]


async def test_a_failure_behind_is_in_its_own_span_and_in_the_servers(
    start: Callable[..., Any], traces: Traces, collector: Collector
) -> None:
    running: Running = await start(traces=traces)
    running.upstream.reply = FakeUpstream.status(500)
    assert (await running.chat(NAME))[0] == 502
    assert (await running.post(f"/v1/{NAME}"))[0] == 404
    assert (await running.get("/metrics"))[0] == 200
    await over(running, 3)
    await traces.close()
    spans = collector.by_name
    assert told(spans["chat tiny"])["error.type"] == "backend_error"
    assert spans["POST /v1/chat/completions"].status.code == 2
    assert spans["POST other"].status.code == 0  # the caller's mistake is no failure of a server
    assert "GET /metrics" not in spans
    assert NAME.encode() not in b"".join(collector.raw)


async def test_a_call_of_grpc_is_a_trace_too(
    start: Callable[..., Any], traces: Traces, collector: Collector
) -> None:
    running: Running = await start(traces=traces)
    port = await running.services.rpc.start(0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)  # type: ignore[no-untyped-call]
        metadata = (("authorization", f"Bearer {KEY}"), ("traceparent", PARENT))
        await stub.GetStatus(operations_pb2.GetStatusRequest(), metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetStatus(operations_pb2.GetStatusRequest())
    await over(running, 2)
    await running.services.rpc.close(1.0)
    await traces.close()
    known, unknown = (span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    assert known.name == "grading_gateway.v1.Operations/GetStatus"
    assert (known.trace_id.hex(), known.parent_span_id.hex()) == (CALLER_TRACE, CALLER_SPAN)
    assert told(known)["rpc.response.status_code"] == "OK"
    assert told(unknown)["rpc.response.status_code"] == "UNAUTHENTICATED"
    assert (unknown.parent_span_id, unknown.status.code) == (b"", 0)


async def test_the_web_framework_tells_nothing_of_its_own(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI would, to whatever provider the process has: paths as typed, queries, what was refused."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    running: Running = await start()
    await running.get(f"/v1/rubrics/{NAME}?student={NAME}")
    await running.get("/v1/grades?limit=0")
    assert exporter.get_finished_spans() == ()


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
    with NO_TRACES.request("a", {}, PARENT) as span:
        assert (span.trace_id, span.kept, NO_TRACES.headers()) == (None, False, {})
    program = (
        "import sys, gateway.app, gateway.cli, gateway.commands.serve;"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr
