"""Everything that reads foreign bytes: whatever comes, it is taken or refused in words of ours, in a time
that grows with its length and no faster.

Over 250 lines: one table of readers and one of bytes that hurt, and every test walks both.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.adapters.tables.reading import read_table
from gateway.batch.requests import json_request
from gateway.batch.rows import Format, Job
from gateway.batch.submitted import format_of, read_requests
from gateway.chat.request import Bounds, parse_json, read_chat
from gateway.contracts.review import read_judgement
from gateway.contracts.rubric import read_rubric
from gateway.contracts.submission import read_submission
from gateway.drift.asks import read_reference_ask, read_run_ask
from gateway.errors import GatewayError
from gateway.rest.form import form_file
from gateway.rest.inference import _read as read_inference
from gateway.rest.labels import read_text
from gateway.rest.predict import instances_of
from gateway.rest.vectors import read_embedding_request
from gateway.training.asks import read_training_ask
from gateway.training.facts import TableFormat
from tests.gateway.conftest import KEY, Running

BOUNDS = Bounds()
JOB = Job(Format.JSONL, grader="llm")
RUBRIC = {
    "name": "functions",
    "version": "1.2.0",
    "criteria": [
        {"id": "CR1", "description": "Tests pass.", "weight": 0.7, "source": "tests"},
        {"id": "CR2", "description": "Clear.", "weight": 0.3},
    ],
    "constraints": ["if CR1 < 0.5 then cap total at 0.4"],
}
SUBMISSION = {
    "submission": "def f(): ...",
    "task_type": "code",
    "language": "python",
    "submission_id": "subm-1",
    "question": "Write f.",
    "reference_answers": ["def f(): pass"],
    "grader": "llm",
    "metadata": {"max_score": 8, "tests": {"passed": 3, "total": 4}},
    "rubric": RUBRIC,
}
TENSOR = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [["win"]]}
CHAT = {
    "model": "tiny",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "temperature": 0.5,
    "stop": ["a"],
    "logit_bias": {"5": 1},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    "stream": True,
    "stream_options": {"include_usage": True},
}
# What reads a JSON object, and one that it takes.
READERS: Mapping[str, tuple[Callable[[dict[str, Any]], object], Any]] = {
    "chat": (lambda body: read_chat(orjson.dumps(body), BOUNDS), CHAT),
    "submission": (read_submission, SUBMISSION),
    "rubric": (read_rubric, RUBRIC),
    "embeddings": (read_embedding_request, {"model": "m", "input": ["a", "b"], "encoding_format": "float"}),
    "inference v2": (read_inference, {"id": "1", "inputs": [TENSOR], "outputs": [{"name": "label"}]}),
    "inference v1": (lambda body: [read_text(one) for one in instances_of(body, 32)[0]], {"text": "a"}),
    "training": (
        read_training_ask,
        {"model_class": "decision_tree", "dataset": "a@1", "features": ["x"], "hyperparameters": {"a": 1}},
    ),
    "reference": (
        read_reference_ask,
        {"model": "payments", "since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z"},
    ),
    "review": (read_judgement, {"score": 7.5, "comment": "x"}),
    "drift run": (read_run_ask, {"model": "payments", "window_hours": 24}),
    "batch": (
        lambda body: read_requests(body.get("requests"), JOB, 100),
        {"requests": [{"id": "1", **SUBMISSION}]},
    ),
    "openai's batch": (
        lambda body: (
            read_requests(
                body.get("requests"),
                Job(format_of(body["requests"])),
                100,
            )
            if isinstance(body.get("requests"), list)
            else None
        ),
        {
            "requests": [
                {
                    "custom_id": "1",
                    "method": "POST",
                    "url": "/v1/models/grader-llm:predict",
                    "body": SUBMISSION,
                }
            ]
        },
    ),
    "a row": (lambda body: json_request(body, JOB), {"id": "1", **SUBMISSION}),
}
HOSTILE = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, "", [], {}, [[]], [None], {"": None}, 0, -0.0, -1, 1e308, 5e-324),
            *(2**31, 2**63, 2**64 - 1, -(2**63), "\0", "\u2028", "\u202e", "\r\n", "a" * 5_000, "{" * 500),
            *("__proto__", "../../etc/passwd", "%00", "{{7*7}}", "${jndi:x}", "١٢٣", "1e999999", "[" * 90),
        ]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    ),
)


def refusal(work: Callable[[], object]) -> GatewayError | None:
    try:
        work()
    except GatewayError as refused:
        return refused
    return None


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in the JSON."""
    inside: list[tuple[Any, ...]] = [at]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        inside += places(one, (*at, key))
    return inside


def changed(value: Any, at: tuple[Any, ...], to: Any) -> Any:
    if not at:
        return to
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], to)
    return copy


@pytest.mark.parametrize("name", READERS)
def test_a_sound_request_is_taken(name: str) -> None:
    read, sound = READERS[name]
    read(dict(sound))


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_anything_in_any_place_is_taken_or_refused(name: str, data: st.DataObject) -> None:
    read, sound = READERS[name]
    body = changed(sound, data.draw(st.sampled_from(places(sound)[1:])), data.draw(HOSTILE))
    if data.draw(st.booleans()):
        body = {**body, data.draw(st.text(max_size=8)): data.draw(HOSTILE)}
    refused = refusal(lambda: read(body))
    assert refused is None or refused.message.isprintable()


DEEP = 100_000
BYTES = {
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"model": "tiny"}'.encode("utf-16"),
    "UTF-32": '{"model": "tiny"}'.encode("utf-32"),
    "no UTF-8": b'{"model": "\xff"}',
    "overlong UTF-8": b'{"model": "\xc0\xaf"}',
    "half a surrogate pair": b'{"model": "\\ud800"}',
    "half a pair as bytes": b'{"model": "\xed\xa0\x80"}',
    "NUL": b'{"model": "\0"}',
    "NaN": b'{"model": NaN}',
    "Infinity": b'{"temperature": Infinity}',
    "minus nothing": b'{"temperature": -0}',
    "an endless exponent": b'{"temperature": 1e999999}',
    "a tiny exponent": b'{"temperature": 1e-999999}',
    "a million digits": b'{"max_tokens": ' + b"9" * 900_000 + b"}",
    "a million digits behind a point": b'{"temperature": 0.' + b"9" * 900_000 + b"}",
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "unclosed": b'{"messages": [' * 60_000,
    "an unclosed string": b'{"model": "' + b"x" * 900_000,
    "quotes": b'"' * 900_000,
    "backslashes": b'{"model": "' + b"\\" * 900_000,
    "a key again and again": b'{"model": "a"' + b', "model": "a"' * 60_000 + b"}",
    "many keys": json.dumps({f"k{place}": 0 for place in range(60_000)}).encode(),
    "many values": b'{"messages": [' + b"0," * 400_000 + b"0]}",
    "a comment": b'{"model": "a" /* no */}',
    "two documents": b"{} {}",
    "an array": b"[]",
    "a text": b'"text"',
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_hurt_are_taken_or_refused(name: str) -> None:
    for read in (parse_json, read_chat):
        refused = refusal(lambda read=read: read(BYTES[name], BOUNDS))
        assert refused is None or len(refused.message) < 200


def test_the_last_of_two_equal_keys_counts_for_the_check_and_for_what_is_sent() -> None:
    """Two readers could take two of them: what is sent on is what was checked."""
    raw = b'{"model": "a", "n": 1000000, "n": 1, "messages": [{"role": "user", "content": "x"}]}'
    assert read_chat(raw, BOUNDS).fields["n"] == 1
    with pytest.raises(GatewayError):
        read_chat(raw.replace(b'"n": 1,', b'"n": 1000000,'), BOUNDS)


async def test_every_door_refuses_bytes_that_hurt_with_4xx(start: Callable[..., Any]) -> None:
    running: Running = await start(requests_per_minute=1_000_000)
    _, document, _ = await running.get("/openapi.json")
    paths = [
        (
            method,
            path.replace("{name}", "grader-llm").replace("{version}", "1").replace("{", "").replace("}", ""),
        )
        for path, operations in document["paths"].items()
        for method, told in operations.items()
        if "application/json" in told.get("requestBody", {}).get("content", {})
    ]
    assert len(paths) > 12
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    for method, path in paths:
        for name, raw in BYTES.items():
            url = running.url + path
            async with running.http.request(method, url, data=raw, headers=headers) as answer:
                told = await answer.json()
                assert 400 <= answer.status < 500, (path, name, told)
                assert "error" in told or told["trace_id"] == answer.headers["x-request-id"]
    assert running.upstream.bodies == []


BOUNDARY = b"b"


def part(content: bytes, name: bytes = b"file", more: bytes = b"") -> bytes:
    head = b'content-disposition: form-data; name="%s"; filename="a.csv"\r\n%s' % (name, more)
    return b"--" + BOUNDARY + b"\r\n" + head + b"\r\n" + content + b"\r\n"


FORMS = {
    "parts without end": part(b"x", b"other") * 100_000,
    "files without end": part(b"x") * 100_000,
    "a boundary without end": b"--" + BOUNDARY * 1_000_000,
    "boundaries alone": (b"--" + BOUNDARY + b"\r\n") * 100_000,
    "a head without end": b"--" + BOUNDARY + b"\r\ncontent-disposition: " + b"x" * 1_000_000,
    "heads without end": b"--" + BOUNDARY + b"\r\n" + b"a: b\r\n" * 100_000,
    "a field name without end": b"--" + BOUNDARY + b"\r\n" + b"a" * 1_000_000,
    "parameters without end": part(b"x", more=b"x-a: " + b"; a=b" * 100_000 + b"\r\n"),
    "a form in a form": part(part(b"a,b\n1,2\n")) + b"--" + BOUNDARY + b"--\r\n",
    "dashes": b"-" * 1_000_000,
    "line ends": b"\r\n" * 500_000,
    "a preamble": b"x" * 1_000_000 + part(b"a"),
    "nothing": b"",
    "encoded": part(b"YQ==", more=b"content-transfer-encoding: base64\r\n"),
    "almost the boundary": part((b"\r\n--" + BOUNDARY[:0] + b"c") * 200_000),
}


async def chunks(raw: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for at in range(0, len(raw), size):
        yield raw[at : at + size]


async def taken(content_type: str, raw: bytes, size: int) -> int:
    """Bytes of the file in the form."""
    file = await form_file(content_type, chunks(raw, size))
    return sum([len(content) async for content in file.chunks])


@pytest.mark.parametrize("size", [1 << 16, 977])
@pytest.mark.parametrize("name", FORMS)
def test_forms_that_hurt_are_taken_or_refused(name: str, size: int) -> None:
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    refused = refusal(lambda: asyncio.run(taken(kind, FORMS[name], size)))
    assert refused is None or refused.param == "file"
    assert (refused is None) == (name == "a form in a form")


@settings(max_examples=60, deadline=None)
@given(kind=st.text(st.characters(max_codepoint=255), max_size=60), raw=st.binary(max_size=300))
def test_any_content_type_and_any_form_is_taken_or_refused(kind: str, raw: bytes) -> None:
    """A head is latin-1 by the time that it is read."""
    for content_type in (
        kind,
        f"multipart/form-data; boundary={kind}",
        f'multipart/form-data; boundary="{kind}',
    ):
        refused = refusal(lambda content_type=content_type: asyncio.run(taken(content_type, raw, 7)))
        assert refused is None or refused.param in ("file", "content-type")


TABLES = {
    "a million columns": (TableFormat.CSV, b"a," * 1_000_000 + b"b\n1\n"),
    "columns of quotes": (TableFormat.CSV, b'"",' * 500_000 + b'""\n'),
    "an unclosed quote": (TableFormat.CSV, b'a,b\n1,"' + b"x\n" * 2_000_000),
    "a field without end": (TableFormat.CSV, b"a,b\n1," + b"x" * 20_000_000),
    "a head without end": (TableFormat.CSV, b"x" * 20_000_000),
    "blank lines": (TableFormat.CSV, b"a,b\n1,2\n" + b"\n" * 2_000_000 + b"1,2\n"),
    "carriage returns": (TableFormat.CSV, b"a,b\r1,2\r" + b"\r" * 2_000_000 + b"1,2"),
    "quotes": (TableFormat.CSV, b"a,b\n" + b'"' * 4_000_001),
    "an array without end": (TableFormat.JSON, b"[" * 5_000_000),
    "an object without end": (TableFormat.JSON, b'[{"a": 1, ' + b'"b": 1, ' * 1_000_000),
    "keys without end": (
        TableFormat.JSON,
        ("[" + json.dumps({f"k{n}": 1 for n in range(60_000)}) + "]").encode(),
    ),
    "spaces": (TableFormat.JSON, b" " * 5_000_000),
    "commas": (TableFormat.JSON, b"[" + b"," * 5_000_000),
    "a line without end": (TableFormat.JSONL, b'{"a": "' + b"x" * 20_000_000),
    "a line of braces": (TableFormat.JSONL, b'{"a":' * 1_000_000),
    "a million digits": (TableFormat.JSONL, b'{"a": ' + b"9" * 900_000 + b', "b": 1}\n'),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_hurt_are_refused(name: str, tmp_path: Path) -> None:
    form, content = TABLES[name]
    (tmp_path / "table").write_bytes(content)
    with pytest.raises(GatewayError) as refused:
        read_table(tmp_path / "table", form, 1_000)
    assert len(refused.value.message) + len(refused.value.detail or "") < 1_000


def seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        began = time.process_time()
        refusal(work)
        times.append(time.process_time() - began)
    return min(times)


GROWING: Mapping[str, Callable[[int], Callable[[], object]]] = {
    "brackets": lambda n: lambda: parse_json(b"[{" * n, BOUNDS),
    "strings of brackets": lambda n: lambda: parse_json(b'{"a": "' + b"[" * n + b'"}', BOUNDS),
    "strings": lambda n: lambda: parse_json(b'{"a": [' + b'"[",' * n + b'"["]}', BOUNDS),
    "digits in strings": lambda n: lambda: parse_json(b'{"a": "' + b"7" * n + b'"}', BOUNDS),
    "backslashes": lambda n: lambda: parse_json(b'{"[[": "' + b'\\"' * n, BOUNDS),
    "equal keys": lambda n: lambda: parse_json(b'{"a": 1' + b', "a": 1' * n + b"}", BOUNDS),
    "keys": lambda n: lambda: read_submission({f"k{place}": 1 for place in range(n)}),
    "constraints": lambda n: lambda: read_rubric({**RUBRIC, "constraints": ["if CR1 < 0." + "5" * n]}),
    "criteria": lambda n: (
        lambda: read_rubric(
            {
                **RUBRIC,
                "criteria": [{"id": f"C{place}", "description": "d", "weight": 0} for place in range(n)],
            }
        )
    ),
    "labels": lambda n: lambda: read_submission({"submission": "x", "labels": ["a"] * n}),
    "unknown tensors": lambda n: lambda: read_inference({"inputs": [TENSOR] * n}),
    "requests of a batch": lambda n: (
        lambda: read_requests([{"id": str(place), "submission": "x"} for place in range(n)], JOB, n)
    ),
    "form parts": lambda n: (
        lambda: asyncio.run(taken("multipart/form-data; boundary=b", part(b"\r\n--c" * n), 65_536))
    ),
}


@pytest.mark.parametrize("name", GROWING)
def test_twice_the_input_takes_about_twice_the_time(name: str) -> None:
    """2 is linear, 4 is quadratic; 3.2 leaves room for a machine that does something else meanwhile. It grows
    until it takes 10 ms: what never does is no way to hurt."""
    size = 1_000
    while (once := seconds(GROWING[name](size))) < 0.01 and size < 500_000:
        size *= 2
    ratios = []
    for _ in range(3):
        ratios.append(seconds(GROWING[name](2 * size)) / max(once, 0.01))
        if ratios[-1] < 3.2:
            return
        once = seconds(GROWING[name](size))
    raise AssertionError(ratios)
