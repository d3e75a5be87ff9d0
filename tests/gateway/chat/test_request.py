"""The allow-list of chat fields and the bounds of their values."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat.request import ALLOWED, Bounds, parse_json, read_chat
from gateway.chat.texts import spoken_passages, with_texts
from gateway.errors import GatewayError, InvalidRequest, PayloadTooLarge, UnsupportedParameter
from gateway.grading.placeholders import mask

BOUNDS = Bounds(max_messages=3, max_message_chars=50, max_schema_bytes=200, max_json_depth=16)
BASE: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def read(**fields: Any) -> Any:
    return read_chat(orjson.dumps({**BASE, **fields}), BOUNDS)


def schema(**body: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": body}}


@pytest.mark.parametrize(
    "field",
    [
        *(
            "guided_json",
            "guided_regex",
            "guided_grammar",
            "structured_outputs",
            "best_of",
            "use_beam_search",
        ),
        *("mm_processor_kwargs", "prompt_logprobs", "chat_template", "documents", "priority", "functions"),
    ],
)
def test_a_field_that_is_not_listed_is_refused_by_name(field: str) -> None:
    with pytest.raises(UnsupportedParameter) as refusal:
        read(**{field: 1})
    assert refusal.value.param == field


def test_a_field_name_that_is_no_identifier_is_not_repeated() -> None:
    with pytest.raises(UnsupportedParameter) as refusal:
        read(**{"Анна Каренина": 1})
    assert refusal.value.param is None


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 5},
        {"n": 0},
        {"n": True},
        {"max_tokens": 100_000},
        {"max_completion_tokens": -1},
        {"temperature": "hot"},
        {"temperature": 2.1},
        {"temperature": 1e999},
        {"top_logprobs": 21},
        {"logit_bias": {"x": 1}},
        {"stop": ["a"] * 5},
        {"stream": "yes"},
        {"stream_options": {"include_usage": True}},
        {"messages": []},
        {"messages": "hi"},
        {"messages": [{"role": "root", "content": "x"}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": "x", "audio": {}}]},
        {"model": None},
        {"model": ""},
        {"tools": [{"type": "retrieval"}]},
        {"tool_choice": "always"},
        {"response_format": {"type": "regex"}},
        {"chat_template_kwargs": {"template": "{{ 7 * 7 }}"}},
        {"user": "x" * 5000},
    ],
    ids=json.dumps,
)
def test_a_value_out_of_bounds_is_refused(fields: Any) -> None:
    with pytest.raises(InvalidRequest):
        read_chat(json.dumps({**BASE, **fields}).replace("Infinity", "1e999").encode(), BOUNDS)


@pytest.mark.parametrize(
    "part",
    [{"type": "image_url", "image_url": {"url": "http://10.0.0.1/"}}, {"type": "input_audio", "text": "x"}],
)
def test_media_is_refused_before_anything_fetches_it(part: Any) -> None:
    with pytest.raises(UnsupportedParameter):
        read(messages=[{"role": "user", "content": [part]}])


@pytest.mark.parametrize(
    "body",
    [
        {"type": "string", "pattern": "(a+)+$"},
        {"properties": {"x": {"anyOf": [{"pattern": "a"}]}}},
        {"patternProperties": {"a": {}}},
        {"$ref": "http://10.0.0.1/schema"},
        {"maxItems": 10_000_000},
        {"properties": {"properties": {"pattern": "a"}}},
    ],
    ids=json.dumps,
)
def test_a_schema_with_a_regex_or_an_address_is_refused(body: Any) -> None:
    with pytest.raises(UnsupportedParameter):
        read(response_format=schema(**body))
    with pytest.raises(UnsupportedParameter):
        read(tools=[{"type": "function", "function": {"name": "f", "parameters": body}}])


@pytest.mark.parametrize(
    "body",
    [{"properties": {"pattern": {"type": "string"}}}, {"enum": [{"pattern": "x"}]}, {"$ref": "#/$defs/a"}],
)
def test_a_property_may_be_called_pattern(body: Any) -> None:
    assert read(response_format=schema(**body)).json_reply


def test_too_many_messages_too_long_a_message_and_too_large_a_schema_are_too_large() -> None:
    for fields in (
        {"messages": BASE["messages"] * 4},
        {"messages": [{"role": "user", "content": "x" * 51}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 26}] * 2}]},
        {"response_format": schema(description="x" * 200)},
    ):
        with pytest.raises(PayloadTooLarge):
            read(**fields)


def test_who_asks_is_taken_and_not_passed_on() -> None:
    kept = read(user="stu-123", metadata={"a": "b"}, store=True, safety_identifier="x").fields
    assert set(kept) == {"model", "messages"}


@pytest.mark.parametrize("depth", [17, 5000, 100_000])
def test_deep_nesting_is_refused_in_linear_time(depth: int) -> None:
    with pytest.raises(InvalidRequest, match="deeper than 16"):
        parse_json(b'{"a":' + b"[" * depth + b"]" * depth + b"}", BOUNDS)


@given(
    st.recursive(
        st.text('[]{}"\\\\a', max_size=6) | st.integers(0, 99),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text('[{"\\\\', max_size=3), inner, max_size=3)
        ),
        max_leaves=30,
    )
)
def test_nesting_is_counted_as_a_parser_would(value: Any) -> None:
    def depth(one: Any) -> int:
        inside = one.values() if isinstance(one, dict) else one if isinstance(one, list) else None
        return 0 if inside is None else 1 + max(map(depth, inside), default=0)

    raw = orjson.dumps({"a": value})
    deep = depth(value) + 1
    assert parse_json(raw, replace(BOUNDS, max_json_depth=deep)) == {"a": value}
    if deep > 1:
        with pytest.raises(InvalidRequest, match="nests deeper"):
            parse_json(raw, replace(BOUNDS, max_json_depth=deep - 1))


def test_brackets_inside_a_string_are_no_nesting() -> None:
    body = {"a": "[" * 1000 + '"' + "{" * 1000 + "\\"}
    assert parse_json(json.dumps(body).encode(), BOUNDS) == body


@pytest.mark.parametrize("number", ["1" * 20, "-" + "9" * 5000, "0." + "3" * 40, "1e" + "1" * 30])
def test_a_number_too_long_to_be_one_is_refused_and_in_a_string_it_is_not(number: str) -> None:
    with pytest.raises(InvalidRequest, match="20 digits"):
        parse_json(b'{"a": ' + number.encode() + b"}", BOUNDS)
    assert parse_json(b'{"a": "' + number.encode() + b'"}', BOUNDS) == {"a": number}


@pytest.mark.parametrize("raw", [b'"' + b'\\"' * 200_000, b"[" * 40 + b'"\\' * 200_000, b"1" * 500_000])
def test_hostile_bytes_cost_no_more_than_their_length(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_json(raw, BOUNDS)  # quadratic scanning would run into the test's timeout


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(sorted(ALLOWED)), json_values) | json_values)
def test_any_json_is_taken_or_refused_and_never_breaks_the_reader(body: Any) -> None:
    with suppress(GatewayError):
        read_chat(json.dumps(body).encode(), BOUNDS)


@given(st.binary())
def test_any_bytes_are_taken_or_refused(raw: bytes) -> None:
    with suppress(GatewayError):
        read_chat(raw, BOUNDS)


spoken = st.fixed_dictionaries({"messages": json_values, "tools": json_values, "temperature": st.just(1)})


@given(spoken)
def test_texts_go_back_to_where_they_were_found(fields: dict[str, Any]) -> None:
    fields = json.loads(json.dumps(fields))
    parts = pieces(fields)
    assert json.dumps(with_texts(fields, parts)) == json.dumps(fields)
    marked = with_texts(fields, [f"{part}\x00" for part in parts])
    assert pieces(marked) == [f"{part}\x00" for part in parts]


def pieces(fields: dict[str, Any]) -> list[str]:
    return list(mask(spoken := spoken_passages(fields), [()] * len(spoken), "").texts)
