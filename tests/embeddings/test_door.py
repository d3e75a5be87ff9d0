"""Keys, bodies, logs, metrics, and clients who leave."""

import asyncio
import io
import json
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from embeddings import observe
from embeddings.errors import Code
from embeddings.rest.errors import HTTP
from tests.embeddings.conftest import Running

KEY = "a secret key"


def test_every_code_has_a_status() -> None:
    assert HTTP.keys() == set(Code)


@pytest.mark.parametrize(
    "header", ["", "Bearer", f"Basic {KEY}", "Bearer wrong", f"Bearer {KEY}x", f"bearer {KEY[:-1]}"]
)
@pytest.mark.parametrize("body", [b'{"model": "tiny", "input": "a"}', b"{broken"])
async def test_without_the_key_nothing_is_said_but_that(
    start: Callable[..., Any], header: str, body: bytes
) -> None:
    running = await start(api_key=KEY)
    for path in (
        "/v1/embeddings",
        "/v1/models/tiny:predict",
        "/metrics",
        "/v1/status",
        "/openapi.json",
        "/x",
    ):
        async with running.http.post(
            running.url + path, data=body, headers={"authorization": header}
        ) as answer:
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert KEY not in await answer.text()


async def test_with_the_key_the_door_opens_and_health_needs_none(start: Callable[..., Any]) -> None:
    running = await start(api_key=KEY)
    assert (await running.get("/v1/status", authorization=f"bearer {KEY}"))[0] == 200
    for path in ("/-/healthz", "/-/readyz", "/v2/health/live", "/v2/health/ready"):
        assert (await running.get(path))[0] == 200


async def test_what_a_body_may_not_be(start: Callable[..., Any]) -> None:
    running = await start(max_body_bytes=2000, body_timeout_s=0.2)
    url = f"{running.url}/v1/embeddings"

    async def post(data: Any, **headers: str) -> int:
        async with running.http.post(url, data=data, headers=headers) as answer:
            assert list(await answer.json()) == ["error"]
            return int(answer.status)

    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 100

    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(1)

    assert await post(b"x" * 3000) == 413
    assert await post(pieces()) == 413
    assert await post(b"{}", **{"content-encoding": "gzip"}) == 415
    assert await post(b"[" * 1500) == 400
    assert await post(b"\xff\x00") == 400
    assert await post(b"") == 400
    assert await post(slow()) == 408
    assert (await running.get("/v1/embeddings"))[0] == 405
    assert (await running.get("/nowhere"))[0] == 404


async def test_a_request_id_is_kept_only_when_it_spells_nothing(running: Running) -> None:
    given = "0123456789abcdef0123456789ABCDEF"
    assert (await running.get("/v1/models", **{"x-request-id": given}))[2]["x-request-id"] == given
    assert (await running.get("/v1/models", **{"x-request-id": "Anna"}))[2]["x-request-id"] != "Anna"


async def test_a_client_who_leaves_frees_its_place_in_the_queue(start: Callable[..., Any]) -> None:
    running = await start(threads=1)
    running.encoder.hold()
    first = asyncio.create_task(running.embed("a"))
    await asyncio.to_thread(running.encoder.entered.wait, 5)
    body, timeout = {"model": "tiny", "input": ["b", "c"]}, aiohttp.ClientTimeout(total=0.2)
    with pytest.raises(asyncio.TimeoutError):
        await running.post("/v1/embeddings", body, timeout=timeout)
    for _ in range(100):
        _, status, _ = await running.get("/v1/status")
        if not status["waiting"]:
            break
        await asyncio.sleep(0.02)
    assert status["waiting"] == 0
    running.encoder.release.set()
    assert (await first)[0] == 200
    _, metrics, _ = await running.get("/metrics")
    assert 'embeddings_requests_total{code="",route="/v1/embeddings",status="499"} 1.0' in metrics


async def test_what_nobody_waits_for_any_more_is_not_computed(start: Callable[..., Any]) -> None:
    running = await start(threads=1)
    running.encoder.hold()
    first = asyncio.create_task(running.embed("a"))
    await asyncio.to_thread(running.encoder.entered.wait, 5)
    headers = {"x-request-timeout": "0.050"}
    status, body, _ = await running.post(
        "/v1/embeddings", {"model": "tiny", "input": ["b", "c"]}, headers=headers
    )
    assert (status, body["error"]["code"]) == (504, "deadline_exceeded")
    assert (await running.get("/v1/status"))[1]["waiting"] == 0
    running.encoder.release.set()
    assert (await first)[0] == 200
    assert running.encoder.texts == 1
    status, _, _ = await running.post(
        "/v1/embeddings", {"model": "tiny", "input": "b"}, headers={"x-request-timeout": "60"}
    )
    assert status == 200


@pytest.mark.parametrize("given", ["", "0", "-1", "soon", "1e3", "100000", "nan"])
async def test_a_time_to_wait_is_seconds(running: Running, given: str) -> None:
    status, body, _ = await running.get("/v1/models", **{"x-request-timeout": given})
    assert (status, body["error"]["param"]) == (400, "X-Request-Timeout")


async def test_overload_is_shed_with_503_and_a_time_to_come_back(start: Callable[..., Any]) -> None:
    running = await start(threads=1, max_delay_ms=50)
    running.encoder.hold()
    first = asyncio.create_task(running.embed("a"))
    await asyncio.to_thread(running.encoder.entered.wait, 5)
    second = asyncio.create_task(running.post("/v1/models/tiny:predict", {"instances": ["b"]}))
    await asyncio.sleep(0.2)
    running.encoder.release.set()
    status, body, headers = await second
    assert (status, body) == (503, {"error": "The service is overloaded."})
    assert headers["retry-after"] == "1"
    assert headers["x-should-retry"] == "true"
    assert (await first)[0] == 200


async def test_a_failing_model_is_a_500_that_tells_nothing(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.encoder.error = RuntimeError("a text of somebody")
    status, body, _ = await running.embed("a")
    assert status == 500
    assert "somebody" not in json.dumps(body)
    line = "".join(observe.JsonFormatter().format(record) for record in caplog.records)
    assert "RuntimeError" in line
    assert "somebody" not in line


async def test_a_line_for_each_request_and_no_text_in_it() -> None:
    out = io.BytesIO()
    observer = observe.Observer(out)
    exchange = observe.Exchange("1" * 32, "POST", "/v1/models/Anna:predict", status=200, texts=2, tokens=9)
    observer.done(exchange)
    writer = asyncio.create_task(observer.write_lines())
    await asyncio.sleep(0)
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    line = json.loads(out.getvalue())
    assert (line["route"], line["texts"], line["tokens"]) == ("/v1/models/{name}:predict", 2, 9)
    assert b"Anna" not in out.getvalue()
    assert "Anna" not in repr(exchange)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/embeddings", "/v1/embeddings"),
        ("/v1/models/x", "/v1/models/{name}"),
        ("/v2/models/x", "/v2/models/{name}"),
        ("/v2/models/x/infer", "/v2/models/{name}/infer"),
        ("/v2/models/x/versions/1/infer", "/v2/models/{name}/infer"),
        ("/v2/models/x/ready", "/v2/models/{name}/ready"),
        ("/v2/models/x/y/z", "other"),
        ("/Anna", "other"),
    ],
)
def test_a_path_becomes_its_template(path: str, route: str) -> None:
    assert observe.Exchange("1", "GET", path).route == route


def test_an_exception_is_logged_by_its_place_only() -> None:
    try:
        raise ValueError("a text of somebody")
    except ValueError as error:
        record = logging.LogRecord(
            "x", 40, __file__, 1, "failed", None, (ValueError, error, error.__traceback__)
        )
    line = json.loads(observe.JsonFormatter().format(record))
    assert line["exception"] == "ValueError"
    assert "somebody" not in json.dumps(line)


async def test_metrics_count_texts_tokens_and_batches(running: Running) -> None:
    await running.embed(["a", "b"])
    _, text, _ = await running.get("/metrics")
    assert "embeddings_texts_total 2.0" in text
    assert "embeddings_tokens_total 6.0" in text
    assert "embeddings_batch_texts_count" in text
    assert "embeddings_waiting_texts 0.0" in text
    assert 'embeddings_requests_total{code="",route="/v1/embeddings",status="200"} 1.0' in text
