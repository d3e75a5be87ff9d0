"""Limits through the door: what is told, what is charged, what is refused."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.adapters.keyring import add_key
from gateway.adapters.rates import Rates
from gateway.chat.reply import DONE
from gateway.domain import Caller, MaskingPolicy, Passage, Role, Span
from tests.fakes import FakeAnalyzer, FakeEmbeddings, chunk, completion
from tests.gateway.conftest import KEY, Running


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


async def test_who_leaves_a_stream_before_its_usage_pays_for_what_came(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    key = add_key(tmp_path / "keys.json", "ann", Role.GRADER, 600, 1_000)
    running: Running = await start()
    running.upstream.reply = running.upstream.hangs(chunk("word") * 200)
    async with running.http.post(
        f"{running.url}/v1/chat/completions", json={**BODY, "stream": True}, **authorised(key)
    ) as answer:
        async with asyncio.timeout(30):
            for _ in range(200):
                await answer.content.readuntil(b"\n\n")
    charged = 1 + len(running.upstream.raw[-1]) // 6
    async with asyncio.timeout(30):
        while (left := int((await running.get("/v1/models", key))[2]["x-ratelimit-remaining-tokens"])) > 900:
            await asyncio.sleep(0.01)
    assert left == 1_000 - charged - 200


async def test_who_takes_the_end_slowly_keeps_nobody_from_the_model(start: Callable[..., Any]) -> None:
    running: Running = await start(max_in_flight=1)
    running.upstream.reply = running.upstream.streams(chunk("first"), chunk("last"), DONE, pause_s=0.01)
    body = json.dumps({**BODY, "stream": True}).encode()
    asked, stuck, taken = [{"type": "http.request", "body": body}], asyncio.Event(), asyncio.Event()

    async def receive() -> Any:
        return asked.pop() if asked else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message.get("body", b"").endswith(DONE):
            stuck.set()
            await taken.wait()

    headers = [(b"authorization", b"Bearer " + KEY.encode()), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers}
    slow = asyncio.ensure_future(running.services.app(scope, receive, send))
    async with asyncio.timeout(30):
        await stuck.wait()
        running.upstream.reply = running.upstream.says("done")
        assert (await running.chat())[0] == 200
        taken.set()
        await slow


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


VERDICT = completion('{"evidence": "", "comment": "Fine.", "level": 4}')


def text_of(number: int) -> dict[str, Any]:
    """A text with a reference, which grader-auto gives to the embedding grader."""
    return {
        "submission": f"Water boils, answer {number}.",
        "question": "Why?",
        "reference_answers": ["water boils"],
    }


def code_of(number: int) -> dict[str, Any]:
    """Code, which it gives to the model."""
    return {"submission": f"print({number})", "language": "python", "metadata": {"max_score": 10}}


async def places_taken(running: Running) -> dict[str, int]:
    _, told, _ = await running.get("/v1/status")
    return {server: room["in_flight"] for server, room in told["places"].items()}


@pytest.mark.parametrize(
    ("embeddings_are_down", "instances"),
    [
        (False, [code_of(number) for number in range(9)]),
        (False, [*map(text_of, range(5)), *map(code_of, range(4))]),
        (True, [text_of(number) for number in range(9)]),
    ],
    ids=["one grader", "two graders", "one that stands in"],
)
async def test_a_request_of_many_instances_is_one_request(
    start: Callable[..., Any], tmp_path: Path, embeddings_are_down: bool, instances: list[Any]
) -> None:
    key = add_key(tmp_path / "keys.json", "ann", Role.GRADER, None, None, 1)
    embeddings = FakeEmbeddings()
    running: Running = await start(
        embeddings=embeddings, max_in_flight=1, grade_routes="text=embedding,code=llm"
    )
    running.upstream.reply = running.upstream.status(200, VERDICT)
    if embeddings_are_down:
        embeddings.reply = running.upstream.status(500, {"error": "broken"})
    path = "/v1/models/grader-auto:predict"
    status, body, _ = await running.post(path, {"instances": instances}, **authorised(key))
    assert (status, len(body.get("predictions", ()))) == (200, 9), body
    assert set((await places_taken(running)).values()) == {0}


class OneByOne(FakeAnalyzer):
    """Notes how many texts it was given at once."""

    at_once = most = 0

    async def analyze(self, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Span]]:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        return await super().analyze(passages, policy)


async def test_its_texts_are_masked_in_turn_and_a_few_are_graded_at_once(start: Callable[..., Any]) -> None:
    analyzer = OneByOne()
    running: Running = await start(analyzer)
    under_way = most = 0

    async def slow(_: web.Request, __: Any) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        under_way -= 1
        return web.json_response(VERDICT)

    running.upstream.reply = slow
    instances = [code_of(number) for number in range(20)]
    status, _, _ = await running.post("/v1/models/grader-llm:predict", {"instances": instances})
    assert (status, analyzer.most) == (200, 1)
    assert 2 <= most <= 8


async def test_a_callers_deadlines_alone_never_move_the_limit(start: Callable[..., Any]) -> None:
    running: Running = await start()
    pad = "x" * 9_000  # a size of the caller's own, known for its short answers alone
    for _ in range(10):
        assert (await running.chat(pad))[0] == 200
    _, before, _ = await running.get("/v1/status")
    running.upstream.reply = running.upstream.hangs()
    asked = {"model": "tiny", "messages": [{"role": "user", "content": pad}]}
    for _ in range(5):
        headers = {"x-request-timeout": "0.1"}
        assert (await running.post("/v1/chat/completions", asked, headers=headers))[0] == 504
    _, after, _ = await running.get("/v1/status")
    assert after["places"] == before["places"]


async def test_nobody_is_refused_for_another_keys_used_up_tokens(
    start: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = add_key(tmp_path / "keys.json", "ann", Role.GRADER, 600, 100)
    bob = add_key(tmp_path / "keys.json", "bob", Role.GRADER, 600, 100_000)
    running: Running = await start()
    running.upstream.reply = running.upstream.status(200, VERDICT)
    assert (await running.post("/v1/chat/completions", BODY, **authorised(ann)))[0] == 200
    charge, begun, go_on = Rates.charge, asyncio.Event(), asyncio.Event()

    async def held(self: Rates, caller: Caller, tokens: int) -> None:
        if caller.key_id == "ann":
            begun.set()
            await go_on.wait()
        await charge(self, caller, tokens)

    monkeypatch.setattr(Rates, "charge", held)
    path, asked = "/v1/models/grader-llm:predict", {**code_of(1), "submission": "print(1)\n" * 100}
    anns = asyncio.create_task(running.post(path, asked, **authorised(ann)))
    await begun.wait()
    bobs = asyncio.create_task(running.post(path, asked, **authorised(bob)))
    await asyncio.wait([bobs], timeout=5)  # where it waits for ann's it is refused with it
    go_on.set()
    assert [(await one)[0] for one in (anns, bobs)] == [429, 200]
    assert len(running.upstream.bodies) == 2
