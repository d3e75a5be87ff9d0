"""What is counted and written of requests: how many of which kind, never what was in them."""

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from gateway.adapters.keyring import add_key
from gateway.adapters.metrics import Metrics
from gateway.domain import Role
from gateway.errors import Code
from gateway.rest.observe import Observer
from gateway.tasks import ended
from tests.fakes import DONE, FakeAnalyzer, FakeEmbeddings, FakeUpstream, chunk
from tests.gateway.conftest import Running
from tests.gateway.grading_fakes import verdict

FOUND = {"Анна Каренина": "PERSON", "Вронский": "PERSON", "05.05.2001": "DATE_OF_BIRTH"}


async def test_masked_values_are_counted_by_kind_over_all_instances(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(FOUND), FakeEmbeddings())
    out = io.BytesIO()
    running.services.observer._out = out
    said = ["Анна Каренина, 05.05.2001, Анна Каренина", "Анна Каренина и Вронский"]
    answers = [{"submission": text, "reference_answers": ["Роман"]} for text in said]
    status, _, _ = await running.post("/v1/models/grader-embedding:predict", {"instances": answers})
    assert status == 200
    running.services.observer._flush()
    line = json.loads(out.getvalue())
    assert line["masked"] == 4
    assert line["masked_kinds"] == {"PERSON": 3, "DATE_OF_BIRTH": 1}
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_masked_values_total{kind="PERSON"} 3.0' in metrics
    assert 'gateway_masked_values_total{kind="DATE_OF_BIRTH"} 1.0' in metrics
    assert 'gateway_masked_values_total{kind="CARD"} 0.0' in metrics  # known before it is met
    assert "Вронский" not in metrics + out.getvalue().decode()


async def test_a_refusal_is_counted_for_its_key_also_beyond_the_keys_rate(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    hasty = add_key(tmp_path / "keys.json", "hasty", Role.GRADER, 1)
    running: Running = await start()
    out = io.BytesIO()
    running.services.observer._out = out
    answers = [(await running.get("/v1/datasets", key))[0] for key in (hasty, hasty, "wrong")]
    assert answers == [403, 429, 401]
    running.services.observer._flush()
    assert [json.loads(line)["key_id"] for line in out.getvalue().splitlines()] == ["hasty", "hasty", None]
    _, metrics, _ = await running.get("/metrics")
    key = hashlib.sha256(b"hasty").hexdigest()[:8]
    assert f'gateway_refusals_total{{code="forbidden",key="{key}"}} 1.0' in metrics
    assert f'gateway_refusals_total{{code="rate_limited",key="{key}"}} 1.0' in metrics
    assert 'gateway_refusals_total{code="unauthenticated",key="none"} 1.0' in metrics
    assert "hasty" not in metrics


async def test_models_are_counted_by_what_is_served_whichever_door_they_are_asked_through(
    start: Callable[..., Any],
) -> None:
    running: Running = await start(FakeAnalyzer(), FakeEmbeddings())
    running.upstream.reply = FakeUpstream.says("no JSON", verdict(4))
    await running.post("/v1/models/grader-llm:predict", {"submission": "Sugar", "reference_answers": ["Su"]})
    await running.post("/v1/models/spam:predict", {"text": "win"})
    await running.post("/v1/embeddings", {"model": "tiny-encoder", "input": "a"})
    running.upstream.reply = FakeUpstream.status(503)
    assert (await running.chat(model="tiny"))[0] == 503
    _, metrics, _ = await running.get("/metrics")
    for line in (
        'gateway_model_requests_total{model="tiny",outcome="ok"} 2.0',
        'gateway_model_requests_total{model="tiny",outcome="backend_unavailable"} 1.0',
        'gateway_model_requests_total{model="grader-embedding",outcome="ok"} 1.0',
        'gateway_model_requests_total{model="spam",outcome="ok"} 1.0',
        'gateway_model_requests_total{model="tiny-encoder",outcome="ok"} 1.0',
        'gateway_reply_faults_total{fault="not_json"} 1.0',
        'gateway_repairs_total{outcome="mended"} 1.0',
        'gateway_places{server="llm"} 256.0',
        'gateway_place_limit{server="llm"} 44.0',  # of 32, after the 503
    ):
        assert line in metrics, line
    assert "process_resident_memory_bytes" in metrics


async def test_a_client_that_leaves_a_stream_is_no_error_of_the_model(start: Callable[..., Any]) -> None:
    running: Running = await start()
    running.upstream.reply = running.upstream.hangs(chunk("Hel"))
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    headers = {"authorization": "Bearer test-key"}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{running.url}/v1/chat/completions", json=body, headers=headers) as answer:
            await answer.content.readany()
        await http.close()
    async with asyncio.timeout(30):
        await running.upstream.cancelled.wait()
    running.upstream.reply = FakeUpstream.streams(chunk("Hello"), DONE)
    await running.stream()
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_model_requests_total{model="tiny",outcome="client_left"} 1.0' in metrics
    assert 'gateway_model_requests_total{model="tiny",outcome="ok"} 1.0' in metrics
    assert 'gateway_requests_total{code="",route="/v1/chat/completions",status="499"} 1.0' in metrics


async def test_a_flood_without_a_key_leaves_few_lines_and_its_count() -> None:
    out = io.BytesIO()
    observer = Observer(Metrics("0"), out=out)
    for _ in range(1000):
        observer.tell({"event": "request", "code": Code.UNAUTHENTICATED})
    observer.tell({"event": "request", "code": None})
    writing = asyncio.create_task(observer.write_lines())
    await asyncio.sleep(0)
    await ended(writing)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    refused = [line for line in lines if line["code"] == "unauthenticated"]
    assert 1 <= len(refused) <= 20
    assert refused[0]["untold"] == 0
    assert len([line for line in lines if line["code"] is None]) == 1
