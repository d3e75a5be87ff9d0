"""A whole gateway over servers that fail: what callers are told, what is ready, what is counted."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fakes import FakeEmbeddings
from tests.faulty import ERROR, FINE, GARBAGE, HALF, NO_JSON, FaultyServer
from tests.gateway.conftest import Running

QUICK = {"breaker_failures": 2, "breaker_open_s": 600, "breaker_open_max_s": 600, "probe_timeout_s": 30.0}
GRADE = "/v1/models/grader-embedding:predict"


def graded(text: str) -> dict[str, Any]:
    return {
        "submission": text,
        "question": "Why?",
        "reference_answers": ["water boils"],
        "grader": "embedding",
    }


async def test_of_two_addresses_one_may_be_nobodys(start: Callable[..., Any]) -> None:
    async with FaultyServer().running() as server:
        running: Running = await start(llm_url=f"http://127.0.0.1:9, {server.url}", breaker_failures=1)
        assert [(await running.chat())[0] for _ in range(5)] == [200] * 5
        _, facts, _ = await running.get("/v1/status")
        states = [(one["replica"], one["state"]) for one in facts["services"][0]["replicas"]]
        assert states == [(0, "down"), (1, "up")]
        assert (await running.get("/-/readyz", key=""))[0] == 200
        _, metrics, _ = await running.get("/metrics")
        assert 'gateway_breaker_open{replica="0",server="llm"} 1.0' in metrics
        assert 'gateway_breaker_opened_total{replica="0",server="llm"} 1.0' in metrics
        assert 'gateway_breaker_opened_total{replica="1",server="llm"} 0.0' in metrics


async def test_nonsense_is_502_and_then_503_with_a_time_to_come_back(start: Callable[..., Any]) -> None:
    async with FaultyServer().running() as server:
        for fault in (GARBAGE, NO_JSON, HALF, ERROR):
            server.fault = FINE
            running: Running = await start(llm_url=server.url, **QUICK)
            assert (await running.get("/-/readyz", key=""))[0] == 200
            server.fault = fault
            for _ in range(2):
                status, body, _ = await running.chat()
                assert (status, body["error"]["code"]) == (502, "backend_error"), fault
            status, body, headers = await running.chat()
            assert (status, body["error"]["code"]) == (503, "backend_unavailable")
            assert int(headers["retry-after"]) >= 1


async def test_half_a_stream_ends_with_an_error_event(start: Callable[..., Any]) -> None:
    async with FaultyServer(fault=HALF).running() as server:
        running: Running = await start(llm_url=server.url, **QUICK)
        events = await running.stream()
        assert b"Hello" in events
        assert b"backend_error" in events
        assert b"[DONE]" not in events


async def test_a_busy_gateway_is_ready_without_asking_for_a_token(start: Callable[..., Any]) -> None:
    running: Running = await start()
    upstream = running.upstream
    assert (await running.get("/-/readyz", key=""))[0] == 200
    assert len(upstream.bodies) == 1  # the token that a start costs
    await asyncio.sleep(2.1)  # for as long as the check is believed
    assert (await running.get("/-/readyz", key=""))[0] == 200
    assert len(upstream.bodies) == 1


async def test_a_grade_asks_a_busy_embeddings_service_again_and_a_failing_one_is_left_alone(
    start: Callable[..., Any],
) -> None:
    service = FakeEmbeddings()
    running: Running = await start(embeddings=service, **QUICK)
    refusals = 1

    async def busy(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal refusals
        if refusals:
            refusals -= 1
            return web.json_response({"error": "busy"}, status=503)
        return await service._predictions(request, body)

    service.reply = busy
    status, body, _ = await running.post(GRADE, graded("water boils"))
    assert status == 200, body

    async def broken(*_: object) -> web.StreamResponse:
        return web.json_response({"predictions": "none"})

    service.reply = broken
    codes = []
    for number in range(4):
        _, body, _ = await running.post(GRADE, graded(f"water {number}"))
        codes.append(body["code"])
    assert codes == ["backend_error"] * 2 + ["backend_unavailable"] * 2
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_breaker_open{replica="0",server="embeddings"} 1.0' in metrics
    assert 'gateway_retries_total{what="embeddings"} 1.0' in metrics
