"""The allow-list of chat completion fields, each with its bounds.

A field that is not listed is refused: the model server ignores some unknown fields silently (`guided_json`
answers unconstrained) and obeys others that one client should not have (regexes, grammars, beam search,
media addresses). Pure functions on parsed JSON; nothing here awaits.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.errors import InvalidRequest, PayloadTooLarge, UnsupportedParameter


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a request may be. Counts, bytes, characters and tokens as named."""

    max_json_depth: int = 32
    max_messages: int = 256
    max_message_chars: int = 200_000
    max_completion_tokens: int = 4096
    max_n: int = 4
    max_schema_bytes: int = 16_384


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked request: every field is on the allow-list and within bounds."""

    fields: Mapping[str, Any] = field(repr=False)
    model: str
    stream: bool
    tells_usage: bool  # a streamed answer ends with its usage
    json_reply: bool  # the answer's content is itself JSON


Check = Callable[[str, Any, Bounds], None]

_DIGIT = re.compile(rb"\d")  # a run of 20 digits has one at every 20th byte
_LONG_NUMBER = re.compile(rb"\d{20}")
_AS_ONE_KIND = bytes.maketrans(b"[{]}", b"(())")
_NO_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_ROLES = ("system", "developer", "user", "assistant", "tool")  # what is compared may be a list
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_MESSAGE_KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal"})
# Keywords that make a grammar out of a client's regex; `$ref` may only point inside the same schema.
_SCHEMA_REGEX_KEYS = frozenset({"pattern", "patternProperties"})


def parse_json(raw: bytes, bounds: Bounds) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidRequest when it is not one, nests too deep, or holds a number
    too long to be a number (a million digits take a parser quadratic time)."""
    brackets = raw.count(b"[") + raw.count(b"{")
    if brackets > bounds.max_json_depth or _DIGIT.search(raw[19::20]):
        outside = _outside_strings(raw)
        if brackets > bounds.max_json_depth and _nests_deeper(outside, bounds.max_json_depth):
            raise InvalidRequest(f"The body nests deeper than {bounds.max_json_depth} levels.")
        if _LONG_NUMBER.search(outside):
            raise InvalidRequest("The body holds a number of 20 digits or more.")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return body


def _outside_strings(raw: bytes) -> bytes:
    """What stands outside the strings of JSON. Of what is no JSON it is right up to the place where a parser
    stops: a backslash outside a string. By whole-buffer operations: a regex for each string and bracket held
    the loop for 200 ms over a megabyte of brackets, this for 60."""
    return b'"'.join(raw.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])


def _nests_deeper(outside: bytes, limit: int) -> bool:
    left = outside.translate(_AS_ONE_KIND, _NO_BRACKETS)
    for _ in range(limit):
        before = len(left)
        left = left.replace(b"()", b"")  # one level, everywhere
        if len(left) == before:
            break
    return b"(" in left


def read_chat(raw: bytes, bounds: Bounds) -> ChatRequest:
    """Parses and checks a body. Raises InvalidRequest, UnsupportedParameter or PayloadTooLarge."""
    body = parse_json(raw, bounds)
    for name, value in body.items():
        check = ALLOWED.get(name)
        if check is None:
            raise UnsupportedParameter(
                "The body holds a parameter that this gateway does not pass on.", param=_safe(name)
            )
        if value is not None:
            check(name, value, bounds)
    for required in ("model", "messages"):
        if body.get(required) is None:
            raise InvalidRequest(f"'{required}' is required.", param=required)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise InvalidRequest("'stream_options' needs 'stream': true.", param="stream_options")
    reply_format = body.get("response_format") or {}
    return ChatRequest(
        fields={name: value for name, value in body.items() if name not in _KEPT_HERE},
        model=body["model"],
        stream=bool(body.get("stream")),
        tells_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        json_reply=reply_format.get("type") in ("json_object", "json_schema"),
    )


def _safe(name: str) -> str | None:
    """A field name fit for an answer and a log: an identifier, or nothing."""
    return name if re.fullmatch(r"[a-z_]{1,40}", name) else None


def _fail(name: str, rule: str) -> InvalidRequest:
    return InvalidRequest(f"'{name}' must be {rule}.", param=name)


def _number(low: float, high: float) -> Check:
    def check(name: str, value: Any, _: Bounds) -> None:
        # The comparison is written so that NaN fails it.
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise _fail(name, f"a number from {low:g} to {high:g}")

    return check


def _integer(low: int, high: int | Callable[[Bounds], int]) -> Check:
    def check(name: str, value: Any, bounds: Bounds) -> None:
        top = high if isinstance(high, int) else high(bounds)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= top:
            raise _fail(name, f"an integer from {low} to {top}")

    return check


def _flag(name: str, value: Any, _: Bounds) -> None:
    if not isinstance(value, bool):
        raise _fail(name, "true or false")


def _effort(name: str, value: Any, _: Bounds) -> None:
    if not isinstance(value, str) or value not in _EFFORTS:
        raise _fail(name, "one of " + ", ".join(_EFFORTS))


def _string(limit: int) -> Check:
    def check(name: str, value: Any, _: Bounds) -> None:
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            raise _fail(name, f"a string of 1 to {limit} characters")

    return check


def _stop(name: str, value: Any, _: Bounds) -> None:
    stops = [value] if isinstance(value, str) else value
    if (
        not isinstance(stops, list)
        or len(stops) > 4
        or not all(isinstance(s, str) and 0 < len(s) <= 200 for s in stops)
    ):
        raise _fail(name, "a string or up to 4 strings of 1 to 200 characters")


def _logit_bias(name: str, value: Any, _: Bounds) -> None:
    if (
        not isinstance(value, dict)
        or len(value) > 300
        or not all(
            k.isdecimal() and len(k) < 8 and isinstance(v, int | float) and -100 <= v <= 100
            for k, v in value.items()
        )
    ):
        raise _fail(name, "up to 300 token ids, each with a bias from -100 to 100")


def _token_ids(name: str, value: Any, _: Bounds) -> None:
    if (
        not isinstance(value, list)
        or len(value) > 16
        or not all(type(v) is int and 0 <= v < 1 << 31 for v in value)
    ):
        raise _fail(name, "up to 16 token ids")


def _stream_options(name: str, value: Any, _: Bounds) -> None:
    if (
        not isinstance(value, dict)
        or not value.keys() <= {"include_usage", "continuous_usage_stats"}
        or not all(isinstance(v, bool) for v in value.values())
    ):
        raise _fail(name, '{"include_usage": true | false}')


def _template_arguments(name: str, value: Any, _: Bounds) -> None:
    # Templates are code: only the switches that public chat templates know.
    if (
        not isinstance(value, dict)
        or not value.keys() <= {"enable_thinking", "thinking"}
        or not all(isinstance(v, bool) for v in value.values())
    ):
        raise _fail(name, '{"enable_thinking": true | false}')


def _messages(name: str, value: Any, bounds: Bounds) -> None:
    if not isinstance(value, list) or not value:
        raise _fail(name, "a list of at least one message")
    if len(value) > bounds.max_messages:
        raise PayloadTooLarge(f"More than {bounds.max_messages} messages.", param=name)
    for message in value:
        if not isinstance(message, dict) or not message.keys() <= _MESSAGE_KEYS:
            raise _fail(name, "a list of objects with role and content")
        if message.get("role") not in _ROLES:
            raise _fail("messages.role", "system, developer, user, assistant or tool")
        _content(message.get("content"), bounds)
        for key in ("name", "tool_call_id", "refusal"):
            if not isinstance(message.get(key), str | None):
                raise _fail(f"messages.{key}", "a string")
        _tool_calls(message.get("tool_calls"), bounds)


def _content(content: Any, bounds: Bounds) -> None:
    if content is None:
        return
    texts = [content]
    if isinstance(content, list):
        if len(content) > bounds.max_messages:
            raise PayloadTooLarge(f"More than {bounds.max_messages} content parts.", param="messages")
        if not all(
            isinstance(p, dict) and p.keys() == {"type", "text"} and p["type"] == "text" for p in content
        ):
            # Media addresses would make the model server fetch what a client names.
            raise UnsupportedParameter("Only text content is passed on.", param="messages")
        texts = [part["text"] for part in content]
    if not all(isinstance(text, str) for text in texts):
        raise _fail("messages.content", "a string or a list of text parts")
    if sum(map(len, texts)) > bounds.max_message_chars:
        raise PayloadTooLarge(
            f"A message is longer than {bounds.max_message_chars} characters.", param="messages"
        )


def _tool_calls(calls: Any, bounds: Bounds) -> None:
    if calls is None:
        return
    if not isinstance(calls, list) or len(calls) > 64:
        raise _fail("messages.tool_calls", "a list of up to 64 tool calls")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if (
            not isinstance(function, dict)
            or not call.keys() <= {"id", "type", "function", "index"}
            or call.get("type", "function") != "function"
            or not isinstance(call.get("id"), str | None)
            or not isinstance(call.get("index", 0), int)
            or function.keys() != {"name", "arguments"}
            or not all(isinstance(v, str) and len(v) <= bounds.max_message_chars for v in function.values())
        ):
            raise _fail("messages.tool_calls", "a list of {id, type, function: {name, arguments}}")


def _tools(name: str, value: Any, bounds: Bounds) -> None:
    if not isinstance(value, list) or len(value) > 64:
        raise _fail(name, "a list of up to 64 tools")
    for tool in value:
        function = tool.get("function") if isinstance(tool, dict) else None
        if (
            not isinstance(function, dict)
            or tool.keys() != {"type", "function"}
            or tool["type"] != "function"
            or not function.keys() <= {"name", "description", "parameters", "strict"}
            or not isinstance(function.get("name"), str)
        ):
            raise _fail(name, "a list of {type: function, function: {name, description, parameters}}")
        _schema(name, function.get("parameters") or {}, bounds)


def _tool_choice(name: str, value: Any, _: Bounds) -> None:
    if isinstance(value, str) and value in ("none", "auto", "required"):
        return
    if (
        not isinstance(value, dict)
        or value.keys() != {"type", "function"}
        or not isinstance(value["function"], dict)
    ):
        raise _fail(name, "none, auto, required or a function")


def _response_format(name: str, value: Any, bounds: Bounds) -> None:
    if not isinstance(value, dict) or value.get("type") not in ("text", "json_object", "json_schema"):
        raise _fail(name, "an object with type text, json_object or json_schema")
    if value["type"] == "json_schema":
        wrapper = value.get("json_schema")
        if not isinstance(wrapper, dict) or not isinstance(wrapper.get("schema"), dict):
            raise _fail("response_format.json_schema", "an object with name and schema")
        _schema(name, wrapper["schema"], bounds)


def _schema(name: str, schema: Any, bounds: Bounds) -> None:
    if not isinstance(schema, dict):
        raise _fail(name, "given with a JSON Schema object")
    if len(orjson.dumps(schema)) > bounds.max_schema_bytes:
        raise PayloadTooLarge(f"A schema is larger than {bounds.max_schema_bytes} bytes.", param=name)
    _schema_node(name, schema)


def _schema_node(name: str, node: Any, *, names_properties: bool = False) -> None:
    """Walks a schema. Under `properties` the keys are the caller's names, so none is a keyword there."""
    if isinstance(node, list):
        for item in node:
            _schema_node(name, item)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if not names_properties:
            if key in _SCHEMA_REGEX_KEYS:
                raise UnsupportedParameter("Regular expressions in a schema are not passed on.", param=name)
            if key == "$ref" and not (isinstance(value, str) and value.startswith("#")):
                raise UnsupportedParameter("A schema may only refer to itself.", param=name)
            if key in ("minItems", "maxItems", "minLength", "maxLength") and not (
                type(value) is int and value <= 10_000
            ):
                raise UnsupportedParameter("A schema's lengths are bounded by 10000.", param=name)
            if key in ("enum", "const", "default", "examples"):
                continue
        _schema_node(
            name,
            value,
            names_properties=not names_properties and key in ("properties", "$defs", "definitions"),
        )


def _anything_small(name: str, value: Any, _: Bounds) -> None:
    if len(orjson.dumps(value)) > 4096:
        raise _fail(name, "at most 4096 bytes")


# Fields that say who asks: taken, so that every client works, and never sent to a model.
_KEPT_HERE = frozenset({"user", "metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier"})

_tokens = _integer(1, lambda bounds: bounds.max_completion_tokens)

ALLOWED: Mapping[str, Check] = {
    # OpenAI's
    "model": _string(256),
    "messages": _messages,
    "stream": _flag,
    "stream_options": _stream_options,
    "max_tokens": _tokens,
    "max_completion_tokens": _tokens,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "n": _integer(1, lambda bounds: bounds.max_n),
    "stop": _stop,
    "seed": _integer(-(1 << 63), (1 << 63) - 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "logit_bias": _logit_bias,
    "logprobs": _flag,
    "top_logprobs": _integer(0, 20),
    "response_format": _response_format,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _flag,
    "reasoning_effort": _effort,
    **dict.fromkeys(sorted(_KEPT_HERE), _anything_small),
    # vLLM's own
    "top_k": _integer(-1, 1 << 20),
    "min_p": _number(0, 1),
    "repetition_penalty": _number(0.01, 10),
    "length_penalty": _number(-10, 10),
    "min_tokens": _integer(0, lambda bounds: bounds.max_completion_tokens),
    "stop_token_ids": _token_ids,
    "include_stop_str_in_output": _flag,
    "skip_special_tokens": _flag,
    "spaces_between_special_tokens": _flag,
    "add_generation_prompt": _flag,
    "continue_final_message": _flag,
    "chat_template_kwargs": _template_arguments,
}
