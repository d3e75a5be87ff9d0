"""Limits through the door: what is told, what is charged, what is refused."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.keyring import add_key
from gateway.chat.reply import DONE
from gateway.domain import Role
from tests.fakes import FakeEmbeddings, chunk, completion
from tests.gateway.conftest import Running


def authorised(key: str) -> dict[str, dict[str, str]]:
    return {"headers": {"authorization": f"Bearer {key}"}}


BODY: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}


async def test_a_key_with_a_token_limit_is_told_what_is_left_and_then_refused(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    key = add_key(tmp_path / "keys.json", "ann", Role.GRADER, 600, 1_000)
    running: Running = await start()
    usage = {"prompt_tokens": 300, "completion_tokens": 600}
    running.upstream.reply = running.upstream.status(200, {**completion("Hello!"), "usage": usage})
    status, _, headers = await running.post("/v1/chat/completions", BODY, **authorised(key))
    assert (status, headers["x-ratelimit-limit-tokens"]) == (200, "1000")
    assert headers["x-ratelimit-remaining-tokens"] == "1000"
    async with asyncio.timeout(30):
        while (await running.get("/v1/models", key))[2]["x-ratelimit-remaining-tokens"] != "100":
            await asyncio.sleep(0.01)
    assert (await running.post("/v1/chat/completions", BODY, **authorised(key)))[0] == 200
    async with asyncio.timeout(30):
        while (await running.get("/v1/models", key))[0] != 429:
            await asyncio.sleep(0.01)
    status, body, headers = await running.post("/v1/chat/completions", BODY, **authorised(key))
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(headers["retry-after"]) >= 1
    assert len(running.upstream.bodies) == 2


async def test_a_key_without_one_is_told_of_none(start: Callable[..., Any]) -> None:
    running: Running = await start()
    _, _, headers = await running.chat()
    assert "x-ratelimit-limit-tokens" not in headers
    assert headers["x-ratelimit-limit-requests"] == "6000"


@pytest.mark.parametrize("asked", [False, True])
async def test_a_streams_usage_is_asked_for_always_and_shown_to_who_asked(
    start: Callable[..., Any], asked: bool
) -> None:
    running: Running = await start()
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}\n\n'
    running.upstream.reply = running.upstream.streams(chunk("Hel"), usage, DONE)
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if asked else {}
    told = await running.stream(**options)
    assert running.upstream.bodies[-1]["stream_options"]["include_usage"] is True
    assert (usage in told) is asked
    assert told.endswith(DONE)
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_tokens_total{kind="completion"} 7.0' in metrics


async def test_a_slow_model_takes_no_place_from_the_embeddings_service(start: Callable[..., Any]) -> None:
    running: Running = await start(embeddings=FakeEmbeddings(), max_in_flight=1)
    running.upstream.reply = running.upstream.hangs()
    first = asyncio.create_task(running.chat())
    while not running.upstream.bodies:
        await asyncio.sleep(0.01)
    assert (await running.chat())[0] == 503
    assert (await running.post("/v1/embeddings", {"model": "tiny-encoder", "input": "a"}))[0] == 200
    _, told, _ = await running.get("/v1/status")
    assert told["places"]["llm"] == {"in_flight": 1, "limit": 1}
    assert told["places"]["embeddings"]["in_flight"] == 0
    first.cancel()
    with pytest.raises((asyncio.CancelledError, OSError)):
        await first


async def test_a_key_has_so_many_at_once_and_no_more(start: Callable[..., Any], tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "ann", Role.GRADER, None, None, 1)
    running: Running = await start()
    running.upstream.reply = running.upstream.hangs()
    first = asyncio.create_task(running.post("/v1/chat/completions", BODY, **authorised(key)))
    while not running.upstream.bodies:
        await asyncio.sleep(0.01)
    status, body, headers = await running.post("/v1/chat/completions", BODY, **authorised(key))
    assert (status, body["error"]["code"], headers["retry-after"]) == (429, "rate_limit_exceeded", "1")
    first.cancel()
    with pytest.raises((asyncio.CancelledError, OSError)):
        await first
