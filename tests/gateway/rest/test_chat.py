"""Chat completions at the wire: real sockets on both sides."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import MaskingUnavailable
from tests.fakes import DONE, USAGE_EVENT, FakeAnalyzer, FakeUpstream, chunk, completion
from tests.gateway.conftest import KEY, Running

NAME, EMAIL = "Анна Каренина", "anna@example.org"
PLANTED = {NAME: "PERSON", EMAIL: "EMAIL"}


def events(raw: bytes) -> list[Any]:
    """Strict SSE: every event is one `data:` line and a blank one; the last is [DONE], once."""
    assert raw.endswith(DONE)
    assert raw.count(b"data: [DONE]") == 1
    parts = raw.removesuffix(DONE).decode().split("\n\n")
    assert parts.pop() == ""
    assert all(part.startswith("data: ") and "\n" not in part for part in parts)
    return [json.loads(part[6:]) for part in parts]


def text_of(raw: bytes) -> str:
    return "".join(c["delta"].get("content") or "" for e in events(raw) for c in e["choices"])


async def test_an_answer_comes_back_as_the_model_gave_it(running: Running) -> None:
    status, body, headers = await running.chat(temperature=0.5, seed=7, top_k=5)
    assert status == 200
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "Hello there!"}
    assert body["usage"]["total_tokens"] == 10
    assert headers["x-request-id"]
    assert int(headers["x-ratelimit-remaining-requests"]) < int(headers["x-ratelimit-limit-requests"])
    sent = running.upstream.bodies[-1]
    assert (sent["temperature"], sent["seed"], sent["top_k"]) == (0.5, 7, 5)


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", "Basic dGVzdA==", f"Bearer {KEY}x"])
@pytest.mark.parametrize("body", [b'{"model": "tiny", "messages": []}', b"{broken", b"x" * 5000])
async def test_a_wrong_key_is_401_whatever_the_body_is(running: Running, key: str, body: bytes) -> None:
    headers = {"authorization": key} if key else {}
    async with running.http.post(
        f"{running.url}/v1/chat/completions", data=body, headers=headers
    ) as response:
        answer = await response.json()
    assert response.status == 401
    assert answer["error"].keys() == {"message", "type", "param", "code"}
    assert answer["error"]["code"] == "invalid_api_key"


async def test_a_wrong_key_is_refused_before_the_body_is_read(running: Running) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
    writer.close()
    assert head.startswith(b"HTTP/1.1 401 ")


async def test_an_unknown_model_is_404_unless_the_alias_is_on(start: Callable[..., Any]) -> None:
    strict = await start()
    status, body, _ = await strict.chat(model="model_identifier")
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    lenient = await start(unknown_model_fallback=True)
    status, _, _ = await lenient.chat(model="model_identifier")
    assert status == 200
    assert lenient.upstream.bodies[-1]["model"] == "tiny"


async def test_the_backend_never_sees_a_name(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(PLANTED))
    tool = {"name": "notify", "description": f"writes to {EMAIL}", "parameters": {"type": "object"}}
    status, _, _ = await running.chat(
        f"I am {NAME}, {EMAIL}",
        user=EMAIL,
        metadata={"who": NAME},
        stop=[NAME],
        tools=[{"type": "function", "function": tool}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"enum": [NAME], "properties": {EMAIL: {}}}},
        },
        messages=[
            {"role": "system", "content": [{"type": "text", "text": f"The student is {NAME}"}]},
            {"role": "user", "content": f"{NAME} <{EMAIL}>", "name": NAME},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "notify", "arguments": json.dumps(NAME)},
                    },
                    {
                        "id": "c2",
                        "type": "function",
                        "function": {"name": "notify", "arguments": f'"{NAME}"'},
                    },
                ],
            },
        ],
    )
    assert status == 200
    sent = running.upstream.raw[-1].decode()
    assert "Каренина" not in sent
    assert EMAIL not in sent
    assert json.loads(sent)["messages"][0]["content"][0]["text"].startswith("The student is <PERSON_1_")


async def test_a_name_cut_across_content_parts_leaves_as_one_placeholder(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(PLANTED))
    parts = [{"type": "text", "text": text} for text in (f"I am {NAME[:7]}", NAME[7:], f"and {NAME}")]
    await running.chat(messages=[{"role": "user", "content": parts}])
    sent = [part["text"] for part in running.upstream.bodies[-1]["messages"][0]["content"]]
    placeholder = sent[0].removeprefix("I am ")
    assert re.fullmatch(r"<PERSON_1_\w{5}>", placeholder)
    assert sent == [f"I am {placeholder}", "", f"and {placeholder}"]


async def test_a_message_that_is_one_word_is_looked_at_too(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer({"bluebird": "CUSTOM"}))
    await running.chat("bluebird", stop=["bluebird"])
    sent = running.upstream.bodies[-1]
    assert sent["messages"][0]["content"] == sent["stop"][0] != "bluebird"


async def test_arguments_of_a_tool_call_stay_json_when_a_number_in_them_is_masked(
    start: Callable[..., Any],
) -> None:
    running = await start(FakeAnalyzer({"89215550173": "PHONE"}))
    call = {"name": "dial", "arguments": '{"phone": 89215550173}'}
    told = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": call}]}
    await running.chat(messages=[{"role": "user", "content": "Dial."}, told])
    sent = running.upstream.bodies[-1]["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent)["phone"].startswith("<PHONE_1_")


async def test_the_reply_names_whom_the_caller_named(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(PLANTED))

    async def echo(_: Any, body: Any) -> Any:
        return await FakeUpstream.says(f"Dear {body['messages'][0]['content']}!")(_, body)

    running.upstream.reply = echo
    _, body, _ = await running.chat(NAME)
    assert body["choices"][0]["message"]["content"] == f"Dear {NAME}!"
    _, body, _ = await running.post(
        "/v1/chat/completions",
        {"model": "tiny", "messages": [{"role": "user", "content": NAME}]},
        headers={"x-unmask": "false"},
    )
    assert body["choices"][0]["message"]["content"].startswith("Dear <PERSON_1_")


async def test_a_failing_analyser_is_503_and_nothing_is_sent(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(error=MaskingUnavailable("Personal data could not be masked.")))
    status, body, _ = await running.chat(NAME)
    assert (status, body["error"]["code"]) == (503, "masking_unavailable")
    assert running.upstream.bodies == []


async def test_a_stream_passes_event_by_event_with_usage_and_done(running: Running) -> None:
    running.upstream.reply = FakeUpstream.streams(
        chunk("", role="assistant"), chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE_EVENT, DONE
    )
    raw = await running.stream(stream_options={"include_usage": True})
    assert text_of(raw) == "Hello"
    assert events(raw)[0]["choices"][0]["delta"]["role"] == "assistant"
    assert events(raw)[-1]["choices"] == []
    assert events(raw)[-1]["usage"]["total_tokens"] == 10


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cut", [1, 100, 10_000])
async def test_the_tokens_of_a_stream_are_counted_where_the_caller_asks_for_them(
    start: Callable[..., Any], masked: bool, cut: int
) -> None:
    running = await start(FakeAnalyzer(PLANTED if masked else {}))
    told = b"".join([chunk("Hello"), chunk(finish="stop"), USAGE_EVENT, DONE])
    pieces = [told[at : at + cut] for at in range(0, len(told), cut)]
    running.upstream.reply = FakeUpstream.streams(*pieces)
    raw = await running.stream(f"I am {NAME}", stream_options={"include_usage": True})
    assert events(raw)[-1]["usage"]["total_tokens"] == 10
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_tokens_total{kind="prompt"} 7.0' in metrics
    assert 'gateway_tokens_total{kind="completion"} 3.0' in metrics


@pytest.mark.parametrize("last", [chunk(finish="stop"), b'data: {"usage": 7}\n\n', b": nothing\n\n"])
async def test_a_stream_that_tells_no_tokens_counts_none(running: Running, last: bytes) -> None:
    running.upstream.reply = FakeUpstream.streams(chunk("Hello" * 1_000), last, DONE)
    assert (await running.stream()).endswith(DONE)
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_tokens_total{kind="prompt"} 0.0' in metrics
    assert 'gateway_requests_total{code="",route="/v1/chat/completions",status="200"} 1.0' in metrics


async def test_a_stream_is_not_buffered(running: Running) -> None:
    running.upstream.reply = running.upstream.hangs(after=chunk("first"))
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True}
    headers = {"authorization": f"Bearer {KEY}"}
    async with running.http.post(
        f"{running.url}/v1/chat/completions", json=body, headers=headers
    ) as response:
        first = await asyncio.wait_for(response.content.readuntil(b"\n\n"), 2)
    assert b"first" in first
    await asyncio.wait_for(running.upstream.cancelled.wait(), 1)  # leaving cancels upstream within a second


async def test_a_client_who_leaves_cancels_the_upstream_call_within_a_second(running: Running) -> None:
    running.upstream.reply = running.upstream.hangs()
    asking = asyncio.create_task(running.chat())
    while not running.upstream.bodies:
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.wait_for(running.upstream.cancelled.wait(), 1)
    while running.services.guards.in_flight:
        await asyncio.sleep(0.01)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_masked_stream_is_whole_at_any_split(data: st.DataObject) -> None:
    """The un-masker at every possible cut of the bytes and of the deltas; the socket adds nothing to it."""
    from gateway.chat.reply import unmasked_stream

    originals = {"<PERSON_1_k3f9x>": NAME, "<EMAIL_1_k3f9x>": 'a"b\\c@example.org'}
    content = "Hi <PERSON_1_k3f9x>, <EMAIL_1_k3f9x> <PERSON_2_k3f9x> < <PERSON_1_"
    wanted = content.replace("<PERSON_1_k3f9x>", NAME).replace("<EMAIL_1_k3f9x>", 'a"b\\c@example.org')
    deltas = _split(data, content)
    raw = b"".join([*(chunk(delta) for delta in deltas), chunk(finish="stop"), USAGE_EVENT, DONE])
    cut = [raw[a:b] for a, b in _cuts(data, len(raw))]

    async def pieces() -> Any:
        for piece in cut:
            yield piece

    async def whole() -> bytes:
        return b"".join([out async for out in unmasked_stream(pieces(), originals, json_reply=False)])

    answer = asyncio.run(whole())
    assert text_of(answer) == wanted
    assert events(answer)[-1]["usage"]["completion_tokens"] == 3


def _cuts(data: st.DataObject, length: int) -> list[tuple[int, int]]:
    at = sorted(data.draw(st.sets(st.integers(1, length - 1), max_size=12)))
    return list(zip([0, *at], [*at, length], strict=True))


def _split(data: st.DataObject, text: str) -> list[str]:
    return [text[a:b] for a, b in _cuts(data, len(text))]


async def test_streamed_tool_arguments_stay_json_after_unmasking(start: Callable[..., Any]) -> None:
    awkward = 'Д"Артаньян\\'
    running = await start(FakeAnalyzer({awkward: "PERSON"}))

    async def call(request: Any, body: Any) -> Any:
        placeholder = body["messages"][0]["content"]
        written = '{"to": "' + placeholder + '"}'
        pieces = [
            chunk(tool_calls=[{"index": 0, "function": {"arguments": part}}])
            for part in (written[:11], written[11:])
        ]
        return await FakeUpstream.streams(*pieces, chunk(finish="tool_calls"), DONE)(request, body)

    running.upstream.reply = call
    raw = await running.stream(awkward)
    calls = [c for e in events(raw) for c in e["choices"][0]["delta"].get("tool_calls", [])]
    assert json.loads("".join(c["function"]["arguments"] for c in calls)) == {"to": awkward}


@pytest.mark.parametrize("stream", [False, True])
async def test_before_a_json_reply_the_reasoning_stays_prose(start: Callable[..., Any], stream: bool) -> None:
    awkward = 'Д"Артаньян'
    running = await start(FakeAnalyzer({awkward: "PERSON"}))

    async def think(request: Any, body: Any) -> Any:
        who = body["messages"][0]["content"]
        said = {"reasoning": who, "content": json.dumps({"to": who})}
        answer = completion(said["content"])
        answer["choices"][0]["message"] |= said
        whole = FakeUpstream.streams(chunk(**said, finish="stop"), DONE) if stream else None
        return await whole(request, body) if whole else web.json_response(answer)

    running.upstream.reply = think
    wanted = {"response_format": {"type": "json_object"}}
    if stream:
        told = events(await running.stream(awkward, **wanted))[0]["choices"][0]["delta"]
    else:
        told = (await running.chat(awkward, **wanted))[1]["choices"][0]["message"]
    assert told["reasoning"] == awkward
    assert json.loads(told["content"]) == {"to": awkward}


async def test_a_stream_that_breaks_ends_with_an_error_event(running: Running) -> None:
    running.upstream.reply = FakeUpstream.streams(chunk("Hel"), cut=True)
    raw = await running.stream()
    assert json.loads(raw.rstrip().rsplit(b"data: ", 1)[1])["error"]["code"] == "backend_error"
    assert DONE not in raw


async def test_an_upstream_that_ends_within_an_event_leaves_the_error_readable(running: Running) -> None:
    for cut in (False, True):
        running.upstream.reply = FakeUpstream.streams(chunk("one") + chunk("two")[:40], pause_s=0.05, cut=cut)
        raw = await running.stream()
        told = [json.loads(part.removeprefix("data: ")) for part in raw.decode().split("\n\n")[:-1]]
        assert told[0]["choices"][0]["delta"]["content"] == "one"
        assert [one["error"]["code"] for one in told[1:]] == ["backend_error"]


async def test_what_follows_the_end_of_a_stream_is_not_waited_for(running: Running) -> None:
    running.upstream.reply = running.upstream.hangs(chunk("whole") + DONE)
    assert text_of(await asyncio.wait_for(running.stream(), 20)) == "whole"
    running.upstream.reply = FakeUpstream.streams(chunk("whole") + DONE, pause_s=0.05, cut=True)
    assert text_of(await running.stream()) == "whole"


async def test_a_stream_without_done_is_an_error_not_a_short_answer(running: Running) -> None:
    running.upstream.reply = FakeUpstream.streams(chunk("Hel"), chunk(finish="stop"))
    assert b'"backend_error"' in await running.stream()


@pytest.mark.parametrize(
    ("status", "answered", "code"),
    [
        (500, 502, "backend_error"),
        (401, 502, "backend_error"),
        (503, 503, "backend_unavailable"),
        (400, 400, "invalid_request"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_model_server_refuses_is_told_in_our_words(
    running: Running, status: int, answered: int, code: str, stream: bool
) -> None:
    running.upstream.reply = FakeUpstream.status(status)
    got, body, headers = await running.chat(stream=stream)
    assert (got, body["error"]["code"]) == (answered, code)
    assert "secret internals" not in json.dumps(body) or status == 400
    assert headers["x-should-retry"] == ("true" if answered == 503 else "false")


async def test_a_context_overflow_is_a_400_that_says_so(running: Running) -> None:
    said = "This model's maximum context length is 512 tokens. However, you requested 700."
    running.upstream.reply = FakeUpstream.status(400, {"error": {"message": said}})
    status, body, _ = await running.chat()
    assert (status, body["error"]["code"]) == (400, "context_length_exceeded")


async def test_a_model_server_that_is_down_is_503_with_retry_after(start: Callable[..., Any]) -> None:
    running = await start(llm_url="http://127.0.0.1:9")
    status, body, headers = await running.chat()
    assert (status, body["error"]["code"]) == (503, "backend_unavailable")
    assert int(headers["retry-after"]) > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_server_that_is_slow_is_504_at_the_deadline(
    start: Callable[..., Any], stream: bool
) -> None:
    running = await start(llm_timeout_s=0.3)
    running.upstream.reply = running.upstream.hangs()
    status, body, _ = await running.chat(stream=stream)
    assert (status, body["error"]["code"]) == (504, "backend_timeout")


async def test_more_than_the_places_there_are_is_shed_with_503(start: Callable[..., Any]) -> None:
    running = await start(max_in_flight=1)
    running.upstream.reply = running.upstream.hangs()
    first = asyncio.create_task(running.chat())
    while not running.upstream.bodies:
        await asyncio.sleep(0.01)
    status, body, headers = await running.chat()
    assert (status, body["error"]["code"], headers["retry-after"]) == (503, "overloaded", "1")
    first.cancel()
    with pytest.raises((asyncio.CancelledError, aiohttp.ClientError)):
        await first


async def test_a_used_up_rate_is_429_with_retry_after(start: Callable[..., Any]) -> None:
    running = await start(requests_per_minute=2)
    statuses = [(await running.chat())[0] for _ in range(2)]
    status, body, headers = await running.chat()
    assert statuses == [200, 200]
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    # Of two a minute: half of what was asked at once must have faded.
    assert 30 <= int(headers["retry-after"]) <= 90
