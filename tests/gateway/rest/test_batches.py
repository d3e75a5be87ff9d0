"""Batches over REST, and over the death of the gateway that took them in."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.adapters.keyring import add_key
from gateway.batch import desk
from gateway.batch.desk import result_lines
from gateway.domain import Role
from tests.fakes import FakeAnalyzer, completion
from tests.gateway.batch.model import Model, environment
from tests.gateway.conftest import KEY, Running

ROOT = Path(__file__).parents[3]
BATCHES = "/v1/batches"


def verdict(level: int, comment: str) -> web.Response:
    return web.json_response(
        completion(json.dumps({"evidence": "", "comment": comment, "level": level}, ensure_ascii=False))
    )


async def said(_: web.Request, body: Any) -> web.Response:
    """A comment that repeats a placeholder, where the submission has one."""
    asked = body["messages"][-1]["content"]
    return verdict(3, next((word for word in asked.replace('"', " ").split() if "PERSON" in word), "Fine."))


def request(name: str, text: str = "because it is warm", **fields: Any) -> dict[str, Any]:
    return {"id": name, "submission": text, "question": "Why?", **fields}


async def over(running: Running, batch_id: str) -> dict[str, Any]:
    while True:
        _, batch, _ = await running.get(f"{BATCHES}/{batch_id}")
        if batch["ended_at"]:
            return dict(batch)
        await asyncio.sleep(0.02)


async def results(running: Running, batch_id: str) -> list[dict[str, Any]]:
    status, text, headers = await running.get(f"{BATCHES}/{batch_id}/results")
    assert (status, headers["content-type"]) == (200, "application/jsonl")
    return [json.loads(line) for line in text.splitlines()]


async def test_a_batch_is_taken_in_and_graded_masked(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer({"Anna": "PERSON"}))
    running.upstream.reply = said
    asked = {"requests": [request("a", "Anna says so"), request("b"), request("c", 5)], "grader": "llm"}
    status, batch, headers = await running.post(BATCHES, asked)
    assert status == 202
    assert headers["location"] == f"{BATCHES}/{batch['id']}"
    assert (batch["object"], batch["request_counts"]["total"]) == ("batch", 3)
    ended = await over(running, batch["id"])
    assert ended["status"] == "completed"
    assert ended["request_counts"] == {"total": 3, "completed": 2, "failed": 1, "cancelled": 0}
    first, second, third = await results(running, batch["id"])
    _, metrics, _ = await running.get("/metrics")
    assert 'code="",route="/v1/batches/{id}/results",status="200"} 1.0' in metrics
    assert [first["id"], second["id"], third["id"]] == ["a", "b", "c"]
    assert (first["score"], first["grader"], first["versions"]["contract"]) == (7.5, "grader-llm", "v1.1")
    assert first["comments"].startswith("<PERSON_1_")
    assert first["grade_id"].startswith("grade_")
    assert (third["error"]["code"], "submission" in third["error"]["message"]) == ("invalid_request", True)
    assert "Anna" not in json.dumps(running.upstream.bodies)


async def test_a_stored_rubric_cannot_change_under_a_batch_though_its_words_were_masked(
    start: Callable[..., Any],
) -> None:
    running = await start(FakeAnalyzer({"Napoleon": "PERSON"}))
    running.upstream.reply = said
    rubric = {
        "name": "war",
        "criteria": [{"id": "A", "description": "Says why Napoleon lost.", "weight": 1.0}],
    }
    assert (await running.post("/v1/rubrics", rubric))[0] == 201
    _, batch, _ = await running.post(BATCHES, {"requests": [request("a", rubric_id="war")], "grader": "llm"})
    await over(running, batch["id"])
    assert "Napoleon" not in json.dumps(running.upstream.bodies)
    status, refusal, _ = await running.put("/v1/rubrics/war@1.0.0", rubric)
    assert (status, refusal["code"]) == (409, "conflict")


async def test_json_lines_of_openais_format_are_answered_as_openai_does(running: Running) -> None:
    running.upstream.reply = said
    url = "/v1/models/grader-llm:predict"
    lines = [
        {"custom_id": name, "method": "POST", "url": url, "body": {"submission": "x y", "question": "Why?"}}
        for name in ("ж", "b")
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    status, batch, _ = await running.post(
        BATCHES, data=body.encode(), headers={"content-type": "application/jsonl; charset=utf-8"}
    )
    assert status == 202
    await over(running, batch["id"])
    first, second = await results(running, batch["id"])
    assert [first["custom_id"], second["custom_id"]] == ["ж", "b"]
    assert (first["response"]["status_code"], first["response"]["body"]["score"]) == (200, 7.5)


async def test_the_same_submission_in_two_batches_is_graded_once(running: Running) -> None:
    running.upstream.reply = said
    for name in ("a", "b"):
        _, batch, _ = await running.post(BATCHES, {"requests": [request(name)]})
        await over(running, batch["id"])
        (line,) = await results(running, batch["id"])
        assert (line["id"], line["cached"]) == (name, name == "b")
    assert len(running.upstream.bodies) == 1


async def test_an_idempotency_key_is_honoured(running: Running) -> None:
    running.upstream.reply = said
    headers = {"idempotency-key": "night-1"}
    _, first, _ = await running.post(BATCHES, {"requests": [request("a")]}, headers=headers)
    status, again, _ = await running.post(BATCHES, {"requests": [request("a")]}, headers=headers)
    assert (status, again["id"]) == (202, first["id"])
    status, refusal, _ = await running.post(BATCHES, {"requests": [request("b")]}, headers=headers)
    assert (status, refusal["code"]) == (409, "conflict")


async def test_another_keys_batch_is_not_there(start: Callable[..., Any], tmp_path: Path) -> None:
    running = await start()
    ann, bob = (add_key(tmp_path / "keys.json", name, Role.GRADER, None) for name in ("ann", "bob"))
    whose = {"authorization": f"Bearer {ann}"}
    _, batch, _ = await running.post(BATCHES, {"requests": [request("a")]}, headers=whose)
    for path in (batch["id"], f"{batch['id']}/results"):
        assert (await running.get(f"{BATCHES}/{path}", bob))[0] == 404
    other = {"authorization": f"Bearer {bob}"}
    assert (await running.post(f"{BATCHES}/{batch['id']}:cancel", headers=other))[0] == 404
    assert (await running.get(BATCHES, bob))[1]["data"] == []
    assert (await running.get(f"{BATCHES}/{batch['id']}", ann))[0] == 200
    assert [one["id"] for one in (await running.get(BATCHES))[1]["data"]] == [batch["id"]]


async def test_a_batch_is_cancelled(start: Callable[..., Any]) -> None:
    running = await start(batch_concurrency=1)
    released = asyncio.Event()

    async def held(request: web.Request, body: Any) -> web.Response:
        await released.wait()
        return await said(request, body)

    running.upstream.reply = held
    _, batch, _ = await running.post(BATCHES, {"requests": [request("a", "one"), request("b", "two")]})
    while not running.upstream.bodies:
        await asyncio.sleep(0.01)
    status, cancelled, _ = await running.post(f"{BATCHES}/{batch['id']}:cancel")
    assert (status, cancelled["status"]) == (200, "cancelling")
    assert cancelled["request_counts"]["cancelled"] == 1
    (line,) = await results(running, batch["id"])
    assert (line["id"], line["error"]["code"]) == ("b", "cancelled")
    released.set()
    assert (await over(running, batch["id"]))["request_counts"]["completed"] == 1


async def test_open_batches_are_bounded_and_listed_in_pages(start: Callable[..., Any]) -> None:
    running = await start(batch_concurrency=0, batch_most_open=3)
    ids = [(await running.post(BATCHES, {"requests": [request("a")]}))[1]["id"] for _ in range(3)]
    status, refusal, headers = await running.post(BATCHES, {"requests": [request("a")]})
    assert (status, refusal["code"], int(headers["retry-after"]) > 0) == (429, "rate_limited", True)
    _, page, _ = await running.get(f"{BATCHES}?limit=2")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([ids[2], ids[1]], True)
    _, page, _ = await running.get(f"{BATCHES}?limit=2&after={ids[1]}")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([ids[0]], False)
    assert page["data"][0]["status"] == "queued"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": [request("a")], "rubrik": "x"}, "request"),
        ({"requests": [request("a")], "grader": "best"}, "grader"),
        ({"requests": [request("a")], "rubric_id": 5}, "rubric_id"),
        ({"requests": [request("a"), request("a")]}, "requests.1.id"),
        ({"requests": [{"submission": "x"}]}, "requests.0.id"),
        ({"requests": [request("a"), "Ivan Petrov"]}, "requests.1"),
    ],
)
async def test_a_body_that_is_no_batch_is_refused_by_its_field(
    running: Running, body: dict[str, Any], field: str
) -> None:
    status, refusal, _ = await running.post(BATCHES, body)
    assert (status, refusal["code"], refusal["details"]) == (400, "invalid_request", [{"field": field}])
    assert "Ivan" not in json.dumps(refusal)


async def test_more_than_a_thousand_requests_are_too_many(running: Running) -> None:
    status, refusal, _ = await running.post(BATCHES, {"requests": [{"id": str(n)} for n in range(1001)]})
    assert (status, refusal["code"]) == (413, "payload_too_large")


async def test_a_rubric_that_is_not_there_fails_its_item(running: Running) -> None:
    _, batch, _ = await running.post(BATCHES, {"requests": [request("a")], "rubric_id": "none@1.0.0"})
    assert (await over(running, batch["id"]))["status"] == "failed"
    (line,) = await results(running, batch["id"])
    assert line["error"]["code"] == "not_found"


@asynccontextmanager
async def served(model: Model, folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A gateway in a process of its own, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve"),
        cwd=ROOT,
        env={**os.environ, **environment(model, folder), "PORT": str(port), "RPC_PORT": "0", "API_KEY": KEY},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process, f"http://127.0.0.1:{port}{BATCHES}"
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def test_results_that_break_off_do_not_look_whole(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start()
    running.upstream.reply = said
    _, batch, _ = await running.post(BATCHES, {"requests": [request("a"), request("b")], "grader": "llm"})
    await over(running, batch["id"])
    pages = []

    def broken(*told: Any) -> bytes:
        pages.append(told)
        if len(pages) == 2:
            raise LookupError  # as nobody has foreseen
        return result_lines(*told)

    monkeypatch.setattr(desk, "_PAGE", 1)
    monkeypatch.setattr(desk, "result_lines", broken)
    with pytest.raises(aiohttp.ClientPayloadError):
        await results(running, batch["id"])


async def test_a_killed_gateways_batch_is_ended_by_the_next_one(tmp_path: Path) -> None:
    model = Model()
    model.pause_s = 0.05
    asked = {"requests": [request(f"r{n}", f"row-{n} because it is warm") for n in range(60)]}
    async with model.running() as model.url, aiohttp.ClientSession() as http:
        http.headers["authorization"] = f"Bearer {KEY}"
        async with served(model, tmp_path) as (process, url):
            batch = await _accepted(http, url, asked)
            while len(model.graded) < 20:
                await asyncio.sleep(0.01)
            process.kill()
            await process.wait()
        async with served(model, tmp_path) as (_, url):
            batch = await _ended(http, f"{url}/{batch['id']}")
            async with http.get(f"{url}/{batch['id']}/results") as answer:
                lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", 60)
    assert [line["id"] for line in lines] == [f"r{n}" for n in range(60)]
    assert max(Counter(model.graded).values()) <= 2
    assert len(model.graded) <= 60 + 4  # what was under way is asked again, and nothing else


async def _accepted(http: aiohttp.ClientSession, url: str, asked: Any) -> dict[str, Any]:
    """While the gateway starts it cannot be reached, and then cannot mask yet."""
    while True:
        try:
            async with http.post(url, json=asked) as answer:
                if answer.status == 202:
                    return dict(await answer.json())
                assert answer.status == 503, await answer.text()
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.05)


async def _ended(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    while True:
        try:
            async with http.get(url) as answer:
                if answer.status == 200 and (batch := await answer.json())["ended_at"]:
                    return dict(batch)
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(0.05)
