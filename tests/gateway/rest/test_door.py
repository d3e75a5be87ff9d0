"""Who may enter and how much they may carry."""

import asyncio
import io
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from gateway.adapters.json_log import JsonFormatter
from gateway.adapters.keyring import add_key, revoke_key
from gateway.domain import Role
from gateway.errors import Code, GatewayError, MaskingUnavailable
from gateway.rest.errors import HTTP, error_response
from tests.fakes import FakeAnalyzer
from tests.gateway.conftest import KEY, Running


async def raw_exchange(running: Running, sent: bytes, *, pause_s: float = 0.0, rest: bytes = b"") -> bytes:
    """Bytes over a socket of our own; the answer up to the end of the connection's first response."""
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    if rest:
        await asyncio.sleep(pause_s)
        writer.write(rest)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
    body = await asyncio.wait_for(reader.readexactly(length), 5)
    writer.close()
    return head + body


def head_of(extra: str = "") -> bytes:
    first = "POST /v1/chat/completions HTTP/1.1"
    return f"{first}\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{extra}\r\n".encode()


async def test_a_body_that_says_it_is_too_large_is_413_unread(start: Callable[..., Any]) -> None:
    running = await start(max_body_bytes=1024)
    answer = await raw_exchange(running, head_of("content-length: 1025\r\n"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"payload_too_large"' in answer


async def test_a_chunked_body_is_413_as_soon_as_it_is_too_large(start: Callable[..., Any]) -> None:
    running = await start(max_body_bytes=1024)
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    answer = await raw_exchange(running, head_of("transfer-encoding: chunked\r\n") + chunk + chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert running.upstream.bodies == []


async def test_a_body_that_does_not_arrive_is_408(start: Callable[..., Any]) -> None:
    running = await start(body_timeout_s=0.2)
    answer = await raw_exchange(running, head_of("content-length: 100\r\n") + b"{")
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_slow_but_whole_body_is_taken(running: Running) -> None:
    body = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}).encode()
    head = head_of(f"content-length: {len(body)}\r\n")
    answer = await raw_exchange(running, head + body[:9], pause_s=0.1, rest=body[9:])
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("key", [KEY, "wrong"])
async def test_a_client_in_the_middle_of_a_large_body_still_reads_its_refusal(
    running: Running, key: str
) -> None:
    """`Connection: close` and more than the socket's buffers hold: where broken pipes come from."""
    request = urllib.request.Request(f"{running.url}/v1/chat/completions", b"x" * (8 << 20))
    request.add_header("authorization", f"Bearer {key}")

    def ask() -> int:
        try:
            urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as refusal:
            return refusal.code
        return 0

    assert await asyncio.to_thread(ask) == (413 if key == KEY else 401)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "nonsense"])
async def test_an_encoded_body_is_415(running: Running, encoding: str) -> None:
    status, body, _ = await running.post(
        "/v1/chat/completions", {"model": "tiny"}, headers={"content-encoding": encoding}
    )
    assert (status, body["error"]["code"]) == (415, "unsupported_encoding")


async def test_every_path_but_health_asks_for_a_key(running: Running) -> None:
    for path in ("/v1/models", "/v1/status", "/metrics", "/openapi.json", "/nowhere"):
        status, _, headers = await running.get(path, key="")
        assert (path, status, headers["www-authenticate"]) == (path, 401, "Bearer")
    assert (await running.get("/-/healthz", key=""))[0] == 200
    assert (await running.get("/-/readyz", key=""))[0] == 200


async def test_a_metrics_key_reads_metrics_and_nothing_else(start: Callable[..., Any]) -> None:
    running = await start(metrics_key="scrape")
    status, text, _ = await running.get("/metrics", key="scrape")
    assert status == 200
    assert "gateway_requests_total" in text
    assert (await running.get("/v1/models", key="scrape"))[0] == 403


@pytest.mark.parametrize(
    ("role", "expected"), [(Role.ADMIN, 200), (Role.TRAINER, 200), (Role.METRICS, 200), (Role.GRADER, 403)]
)
async def test_metrics_are_for_those_who_may_see_drift_and_reviews_and_for_the_role_metrics(
    start: Callable[..., Any], tmp_path: Path, role: Role, expected: int
) -> None:
    """They tell how models drift and agree with people, and by key what was refused: of everybody."""
    headers = {"authorization": f"Bearer {add_key(tmp_path / 'keys.json', 'key', role, None)}"}
    running: Running = await start()
    async with running.http.get(running.url + "/metrics", headers=headers) as answer:
        assert (answer.status, "gateway_drift" in await answer.text()) == (expected, expected == 200)
    # The web framework takes a path with a line's end for the one without: no way around.
    async with running.http.get(URL(running.url + "/metrics%0A", encoded=True), headers=headers) as answer:
        assert (answer.status == 200) <= (expected == 200)


async def test_a_key_added_to_the_file_works_and_a_revoked_one_stops(
    start: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.adapters.keyring._LOOK_AGAIN_S", 0.0)
    running = await start()
    assert (await running.get("/v1/models", key="nobody"))[0] == 401
    key = add_key(tmp_path / "keys.json", "bot", Role.GRADER, None)
    assert (await running.get("/v1/models", key=key))[0] == 200
    revoke_key(tmp_path / "keys.json", "bot")
    assert (await running.get("/v1/models", key=key))[0] == 401
    assert key not in (tmp_path / "keys.json").read_text()


async def test_unknown_paths_and_methods_have_the_documented_shape(running: Running) -> None:
    status, body, headers = await running.get("/v1/nothing")
    assert status == 404
    assert body == {
        "code": "not_found",
        "message": "There is nothing at this path.",
        "details": [],
        "trace_id": headers["x-request-id"],
    }
    assert (await running.get("/v1/chat/completions"))[0] == 405
    assert (await running.post("/v1/models", {}))[0] == 405


@pytest.mark.parametrize("code", list(Code))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models/grader-llm:predict"])
def test_every_code_has_a_status_and_both_shapes(code: Code, path: str) -> None:
    error = GatewayError("Something.", param="field", retry_after=1.5)
    error.code = code  # type: ignore[misc]
    status, headers, body = error_response(error, "GET", path, "trace")
    assert 400 <= status <= 599
    assert dict(headers)[b"retry-after"] == b"2"
    told = json.loads(body)
    assert told.get("code") == code.value or told["error"]["code"] == HTTP[code].openai_code


async def test_readiness_follows_the_model_and_is_not_asked_each_time(start: Callable[..., Any]) -> None:
    running = await start()
    for _ in range(3):
        assert (await running.get("/-/readyz", key=""))[0] == 200
    assert len(running.upstream.bodies) == 1
    assert running.upstream.bodies[0]["max_tokens"] == 1
    down = await start(llm_url="http://127.0.0.1:9")
    status, body, _ = await down.get("/-/readyz", key="")
    assert (status, body["code"]) == (503, "backend_unavailable")


async def test_readiness_sees_a_masking_that_died_after_it_was_ready(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.readiness._FRESH_S", 0)
    analyzer = FakeAnalyzer()
    running = await start(analyzer)
    assert (await running.get("/-/readyz", key=""))[0] == 200
    analyzer.error = MaskingUnavailable("The analyser is gone.")
    assert (await running.get("/-/readyz", key=""))[0] == 503


async def test_the_log_line_and_the_metrics_hold_no_personal_data(start: Callable[..., Any]) -> None:
    name = "Анна Каренина"
    running = await start(FakeAnalyzer({name: "PERSON"}))
    out = io.BytesIO()
    running.services.observer._out = out
    await running.chat(f"I am {name}", user=name)
    await running.post(f"/v1/models/{name}:predict", {"submission": name})
    await running.get(f"/v1/{name}?student={name}")
    running.services.observer._flush()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["status"] for line in lines] == [200, 404, 404]
    assert lines[0]["masked"] == 1
    assert lines[0]["completion_tokens"] == 3
    assert lines[0]["key_id"] == "settings"
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_masked_values_total{kind="PERSON"} 1.0' in metrics
    for told in (out.getvalue().decode(), metrics):
        assert "Каренина" not in told
        assert "%D0" not in told
        assert KEY not in told


def test_a_logged_exception_tells_its_place_and_not_its_text() -> None:
    try:
        raise ValueError("Анна Каренина")
    except ValueError:
        record = logging.getLogger("x").makeRecord("x", logging.ERROR, "f", 1, "failed", (), None)
        record.exc_info = __import__("sys").exc_info()
    line = json.loads(JsonFormatter().format(record))
    assert line["exception"] == "ValueError"
    assert "Каренина" not in json.dumps(line, ensure_ascii=False)
    assert "test_door.py" in line["at"][0]


async def test_a_callers_request_id_is_kept_only_when_it_spells_nothing(running: Running) -> None:
    uuid = "0b1f2c3d-0000-4000-8000-00aabbccddee"
    for given in (uuid, uuid.replace("-", "")):
        _, _, headers = await running.post("/v1/nothing", {}, headers={"x-request-id": given})
        assert headers["x-request-id"] == given
    for given in ("ivan-petrov", "4111-1111-1111-1111", "+79031234567", "ab" * 40):
        _, _, headers = await running.post("/v1/nothing", {}, headers={"x-request-id": given})
        assert given not in headers["x-request-id"]


async def test_a_failure_of_ours_is_told_in_our_shape_and_quotes_nobody(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    running = await start(analyzer=FakeAnalyzer(error=RuntimeError("Ivanov's answer")))
    status, body, _ = await running.post("/v1/models/grader-llm:predict", {"submission": "Ivanov"})
    assert (status, body["code"], body["message"]) == (500, "internal", "The gateway failed.")
    status, body, _ = await running.chat("Ivanov")
    assert (status, body["error"]["code"]) == (500, "internal_error")
    assert "unexpected failure" in caplog.text
