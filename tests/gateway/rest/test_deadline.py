"""How long a caller waits, said by the caller: `X-Request-Timeout`, and `X-Priority`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.domain import Priority
from gateway.urgency import USUAL, Urgency, urgency, urgent
from tests.gateway.conftest import KEY, Running

CHAT = "/v1/chat/completions"
ASKED = {"model": "tiny", "messages": [{"role": "user", "content": "Hello!"}]}


async def test_an_answer_that_comes_too_late_is_504_and_the_model_server_is_let_go(running: Running) -> None:
    running.upstream.reply = running.upstream.hangs()
    status, body, _ = await running.post(CHAT, ASKED, headers={"x-request-timeout": "0.2"})
    assert (status, body["error"]["code"]) == (504, "deadline_exceeded")
    async with asyncio.timeout(30):
        await running.upstream.cancelled.wait()


async def test_a_stream_that_outlives_it_ends_with_an_error_event(running: Running) -> None:
    event = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    running.upstream.reply = running.upstream.hangs(after=event)
    headers = {"authorization": f"Bearer {KEY}", "x-request-timeout": "0.5"}
    asked = {**ASKED, "stream": True}
    async with running.http.post(running.url + CHAT, json=asked, headers=headers) as response:
        body = await response.read()
    assert body.startswith(event)
    assert b"deadline_exceeded" in body[len(event) :]
    async with asyncio.timeout(30):
        await running.upstream.cancelled.wait()


async def test_it_covers_every_path(start: Callable[..., Any]) -> None:
    running = await start()
    running.upstream.reply = running.upstream.hangs()
    status, body, _ = await running.post(
        "/v1/models/grader-llm:predict",
        {"submission": "print(1)", "language": "python", "metadata": {"max_score": 10}},
        headers={"x-request-timeout": "0.3"},
    )
    assert (status, body["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1e3", "", "nan", "86401", "1.0000001", "१"])
async def test_a_time_that_is_none_is_400(running: Running, seconds: str) -> None:
    status, body, _ = await running.post(CHAT, ASKED, headers={"x-request-timeout": seconds})
    assert (status, body["error"]["param"]) == (400, "X-Request-Timeout")
    assert running.upstream.bodies == []


async def test_a_priority_is_live_or_batch(running: Running) -> None:
    for priority, expected in (("live", 200), ("batch", 200), ("urgent", 400)):
        status, _, _ = await running.post(CHAT, ASKED, headers={"x-priority": priority})
        assert status == expected, priority


async def test_urgency_reaches_the_tasks_that_a_request_begins_and_no_others() -> None:
    loop = asyncio.get_running_loop()
    how = Urgency(Priority.BATCH, loop.time() + 60)

    async def seen() -> Urgency:
        return urgency()

    with urgent(how):
        assert await asyncio.create_task(seen()) is how
        assert 59 < (how.remaining_s or 0) <= 60
    assert urgency() is USUAL
    assert Urgency(deadline=loop.time() - 1).remaining_s == 0.0
    assert USUAL.remaining_s is None


async def test_impatience_is_no_failure_of_the_gateways(running: Running) -> None:
    running.upstream.reply = running.upstream.hangs()
    await running.post(CHAT, ASKED, headers={"x-request-timeout": "0.1"})
    _, told, _ = await running.get("/v1/status")
    kept = {one["name"]: one["total"] for one in told["slo"]}
    assert (kept["good_answers"], kept["availability"]) == (0, 0)


async def test_it_covers_an_upload(running: Running) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"hours,result\n"
            await asyncio.sleep(0.1)

    headers = {"authorization": f"Bearer {KEY}", "content-type": "text/csv", "x-request-timeout": "0.3"}
    url = f"{running.url}/v1/datasets?name=exam"
    async with running.http.post(url, data=trickle(), headers=headers) as response:
        assert (response.status, (await response.json())["code"]) == (504, "deadline_exceeded")
