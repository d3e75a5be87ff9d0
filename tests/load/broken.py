"""What is wrong in every way that a client was seen or can be imagined to be wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_CHAT = "/v1/chat/completions"
_GRADER = "/v1/models/grader-llm:predict"
_MODEL = "any"  # refused for what is wrong, whatever is served


@dataclass(frozen=True, slots=True)
class Broken:
    name: str
    path: str
    body: bytes
    status: int = 400  # that refuses it; another 4xx would refuse something else
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    keyless: bool = False  # sent without the key


def _chat(name: str, **fields: Any) -> Broken:
    body = {"model": _MODEL, "messages": [{"role": "user", "content": "Hello"}], **fields}
    return Broken(name, _CHAT, json.dumps(body).encode())


def _message(name: str, **fields: Any) -> Broken:
    return _chat(name, messages=[{"role": "user", "content": "Hello", **fields}])


def _grade(name: str, **fields: Any) -> Broken:
    return Broken(name, _GRADER, json.dumps({"submission": "print('Hello')", **fields}).encode())


_WHOLE = _chat("").body
_DEEP = 100_000
_WITH_REGEX = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"pattern": "(a+)+$"}}}

BROKEN = (
    # No JSON.
    Broken("empty body", _CHAT, b""),
    Broken("cut short", _CHAT, _WHOLE[:-9]),
    Broken("a list", _CHAT, b"[1, 2]"),
    Broken("not UTF-8", _CHAT, _WHOLE.replace(b"Hello", b"\xff\xfe\xfa")),
    Broken("half a surrogate", _CHAT, _WHOLE.replace(b"Hello", rb"\ud800")),
    Broken("not a number", _CHAT, _WHOLE[:-1] + b', "temperature": NaN}'),
    Broken("a long number", _CHAT, _WHOLE[:-1] + b', "seed": ' + b"9" * 50_000 + b"}"),
    Broken("deep lists", _CHAT, b'{"model": "m", "messages": ' + b"[" * _DEEP + b"]" * _DEEP + b"}"),
    Broken("deep objects", _GRADER, b'{"submission": ' * 5_000 + b"1" + b"}" * 5_000),
    # Wrong names.
    Broken("misspelt field", _CHAT, _WHOLE.replace(b'"messages"', b'"mesages"')),
    _chat("unknown field", guided_json={"type": "object"}),
    _grade("unknown grading field", rubrik="essay"),
    # Wrong types and values.
    _chat("messages are words", messages="Hello"),
    _chat("no messages", messages=[]),
    _chat("model is a number", model=5),
    _chat("stream is a word", stream="yes"),
    _chat("fewer than no tokens", max_tokens=-1),
    _chat("a thousand million answers", n=1_000_000_000),
    _chat("a regex in a schema", response_format=_WITH_REGEX),
    _message("unknown role", role="root"),
    _message("content is a number", content=7),
    _message("media", content=[{"type": "image_url", "image_url": {"url": "http://127.0.0.1/"}}]),
    _grade("submission is a number", submission=5),
    _grade("language is a number", language=17),
    _grade("score below nothing", metadata={"max_score": -1}),
    _grade("score is a word", metadata={"max_score": "ten"}),
    _grade("rubric of nothing", rubric={"criteria": []}),
    Broken("vectors of a number", "/v1/embeddings", b'{"model": "any", "input": 5}'),
    # Wrong doors.
    Broken("compressed", _CHAT, b"\x1f\x8b" + bytes(64), 415, headers={"content-encoding": "gzip"}),
    Broken("deadline of words", _CHAT, _WHOLE, headers={"x-request-timeout": "soon"}),
    Broken("no key", _CHAT, _WHOLE, 401, keyless=True),
    Broken("wrong key", _CHAT, _WHOLE, 401, headers={"authorization": "Bearer nobodys"}, keyless=True),
    Broken("wrong method", _CHAT, b"", 405, method="GET"),
    Broken("no such path", "/v1/chat/completion", _WHOLE, 404),
    Broken("no such model", "/v1/models/nobody:predict", b'{"instances": [1]}', 404),
    Broken("a way up", "/v1/models/..%2f..%2fetc%2fpasswd:predict", b"{}", 405),
)
