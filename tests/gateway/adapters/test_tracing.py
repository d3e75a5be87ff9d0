"""Traces of requests, as a collector gets them over a real socket.

Over 250 lines: one after the other, what a collector is told, and when nothing.
"""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.adapters.keyring import add_key
from gateway.adapters.tracing import Traces, opened
from gateway.domain import Caller, Role
from gateway.guards import Guards
from gateway.rpc.gen import operations_pb2, operations_pb2_grpc
from tests.fakes import DONE, USAGE_EVENT, FakeAnalyzer, FakeEmbeddings, FakeUpstream, chunk
from tests.gateway.adapters.collector import Collector
from tests.gateway.conftest import KEY, Running
from tests.gateway.grading_fakes import verdict

NAME = "Kareninskaya"
CALLER_TRACE, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"
SUBMISSION = {"submission": f"I, {NAME}, say plants make sugar.", "reference_answers": ["Sugar"]}


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
            await channel.unary_unary("/students.Ivanov/Grades")(b"", metadata=metadata)
    await over(running, 2)
    await running.services.rpc.close(1.0)
    await traces.close()
    known, failed = (span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    assert known.name == "grading_gateway.v1.Operations/GetStatus"
    assert (known.trace_id.hex(), known.parent_span_id.hex()) == (CALLER_TRACE, CALLER_SPAN)
    assert told(known)["rpc.response.status_code"] == "OK"
    assert (failed.name, told(failed)["error.type"]) == ("other", "method_not_allowed")


async def test_who_is_not_let_in_makes_no_span_and_chooses_no_trace(
    start: Callable[..., Any], traces: Traces, collector: Collector, tmp_path: Path
) -> None:
    """Anybody could fill what waits for the collector, and write trace ids into the log. A key beyond its
    rate is not let in either: what a key may cost here is bounded by its rate."""
    hasty = add_key(tmp_path / "keys.json", "hasty", Role.GRADER, 1)
    running: Running = await start(traces=traces)
    port = await running.services.rpc.start(0)
    for key in ("", "Bearer wrong", f"Bearer {hasty}", f"Bearer {hasty}"):
        await running.http.get(
            f"{running.url}/v1/models", headers={"authorization": key, "traceparent": PARENT}
        )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetStatus(operations_pb2.GetStatusRequest(), metadata=(("traceparent", PARENT),))
        await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", metadata=(("traceparent", PARENT),))
    await over(running, 6)
    lines = [json.loads(line) for line in running.services.observer._lines]
    await running.services.rpc.close(1.0)
    await traces.close()
    assert [line["trace_id"] for line in lines] == [None, None, CALLER_TRACE, None, None, None]
    assert [span.name for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER] == ["GET /v1/models"]


async def test_a_span_covers_its_request_from_the_head_on(
    start: Callable[..., Any], traces: Traces, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Guards.known

    def slowly(guards: Guards, key: bytes) -> Caller:
        time.sleep(0.05)
        return known(guards, key)

    monkeypatch.setattr(Guards, "known", slowly)
    running: Running = await start(traces=traces)
    port = await running.services.rpc.start(0)
    before = time.time_ns()
    await running.get("/v1/models")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)  # type: ignore[no-untyped-call]
        metadata = (("authorization", f"Bearer {KEY}"),)
        await stub.GetStatus(operations_pb2.GetStatusRequest(), metadata=metadata)
    await over(running, 2)
    await running.services.rpc.close(1.0)
    await traces.close()
    spans = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]
    assert len(spans) == 2
    for span in spans:
        assert span.end_time_unix_nano - span.start_time_unix_nano >= 49_000_000
        assert before - 1_000_000 <= span.start_time_unix_nano <= time.time_ns()


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
