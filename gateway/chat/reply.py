"""A model's answer on its way back: the caller's own words return to where their placeholders stand.

Streams are not buffered: an event leaves as it comes, and only a tail that could be the beginning of a
placeholder waits for the next one.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import orjson

from gateway.domain import Usage, UsageSeen
from gateway.errors import BackendError
from gateway.grading.reply import read_usage
from gateway.grading.unmasking import StreamUnmasker, unmask

DONE = b"data: [DONE]\n\n"
_TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
_MAX_EVENT_BYTES = 1 << 20
_END = b"\n\n"  # of an event
# A text that says one of these has backslashes before its quotes. Of an event of text, as vLLM writes it:
_CHOICES = b'"choices":[{'
_TO_LIST = len(b'"choices":')
# Of the one event without a text: its usage.
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')


def last_event(tail: bytes) -> bytes:
    """The JSON of a finished stream's last event before `[DONE]`: there its usage stands, where the caller
    asked for it. Empty where the tail ends otherwise."""
    event = tail.removesuffix(DONE).rstrip().rpartition(b"\n\n")[2]
    return event.removeprefix(b"data: ") if event.startswith(b"data: ") else b""


def unmask_completion(answer: dict[str, Any], originals: Mapping[str, str], *, json_reply: bool) -> None:
    """Resolves the placeholders of a parsed completion, in place."""
    for choice in answer.get("choices") or ():
        message = choice.get("message") or {}
        for name in _TEXT_FIELDS:
            if message.get(name):
                message[name] = unmask(
                    message[name], originals, json_escaped=_holds_json(name, json_reply=json_reply)
                )
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            for name in ("name", "arguments"):
                if function.get(name):
                    escaped = _holds_json(name, json_reply=json_reply)
                    function[name] = unmask(function[name], originals, json_escaped=escaped)


def _holds_json(name: str, *, json_reply: bool) -> bool:
    """Whether a text of an answer is itself JSON, so that what is put back must stay a JSON string. What a
    model reasons is prose, also before a JSON reply."""
    return name == "arguments" or (json_reply and name == "content")


async def whole_stream(
    chunks: AsyncIterator[bytes], seen: UsageSeen, *, show_usage: bool
) -> AsyncIterator[bytes]:
    """Raw SSE bytes, cut at the ends of events, without the event that tells the usage unless it is to be
    shown. Raises BackendError when they end without `data: [DONE]`: a cut stream must not pass for a short
    answer. Half an event is not passed on: what tells the error would be read as its other half."""
    last = rest = b""
    async for piece in chunks:
        chunk = piece
        # Nearly every piece is one event with a text, and goes as it came. Looking for single bytes finds
        # that out in 0.3 microseconds.
        if (
            not rest
            and chunk.endswith(_END)
            and chunk.find(b"\n", 0, -2) < 0
            and chunk.startswith(_CHOICES, chunk.find(b"[") - _TO_LIST)
        ):
            seen.events += 1
        else:
            whole, end, rest = (rest + chunk).rpartition(_END)
            if len(rest) > _MAX_EVENT_BYTES:
                raise BackendError("The model server sent an event without an end.")
            chunk = b"".join(_told(whole + end, seen, show_usage=show_usage))
            if not chunk:
                continue
            seen.events += chunk.count(_END)
        last = chunk
        yield chunk
    if rest or not last.endswith(DONE):
        raise BackendError("The model server broke off its answer.")


def _told(events: bytes, seen: UsageSeen, *, show_usage: bool) -> Iterator[bytes]:
    """The events that the caller gets."""
    if not _NO_CHOICES.search(events):
        yield events
        return
    for event in events.split(_END)[:-1]:
        if _NO_CHOICES.search(event) and _takes_usage(event, seen) and not show_usage:
            continue
        yield event + _END


def _takes_usage(event: bytes, seen: UsageSeen) -> bool:
    """Whether it tells the usage and nothing else. What the model server says here cannot fail an answer."""
    try:
        data = orjson.loads(event.removeprefix(b"data:"))
        if data["choices"] or not data["usage"]:
            return False
        seen.usage = read_usage(data)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return seen.usage != Usage()


async def unmasked_stream(
    chunks: AsyncIterator[bytes], originals: Mapping[str, str], *, json_reply: bool
) -> AsyncIterator[bytes]:
    """SSE bytes in, cut anywhere; SSE bytes out with the placeholders resolved. Raises BackendError when
    an event is not JSON or never ends."""
    events = _Unmasking(originals, json_reply=json_reply)
    buffer = b""
    async for chunk in chunks:
        *whole, buffer = (buffer + chunk).split(b"\n\n")
        if len(buffer) > _MAX_EVENT_BYTES:
            raise BackendError("The model server sent an event without an end.")
        out = b"".join(events.event(event) for event in whole)
        if out:
            yield out
    if buffer.strip():
        yield events.event(buffer)


class _Unmasking:
    """One streamed answer: an un-masker for each text that grows in it."""

    def __init__(self, originals: Mapping[str, str], *, json_reply: bool) -> None:
        self._originals = originals
        self._json_reply = json_reply
        self._growing: dict[tuple[int, str, int], StreamUnmasker] = {}
        self._head: dict[str, Any] = {}  # id, model, created: for an event of our own making

    def event(self, event: bytes) -> bytes:
        if not event.startswith(b"data: "):
            return event + b"\n\n"
        if event == b"data: [DONE]":
            return b"".join(self._left_over()) + DONE
        try:
            data = orjson.loads(event[6:])
        except orjson.JSONDecodeError:
            raise BackendError("The model server sent an event that is not JSON.") from None
        if "choices" not in data:
            return event + b"\n\n"
        self._head = {name: data[name] for name in ("id", "object", "created", "model") if name in data}
        for choice in data["choices"]:
            self._choice(choice)
        return b"data: " + orjson.dumps(data) + b"\n\n"

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        delta = choice.setdefault("delta", {})
        for name in _TEXT_FIELDS:
            if delta.get(name):
                delta[name] = self._unmasker(index, name, 0).feed(delta[name])
        for call in delta.get("tool_calls") or ():
            function = call.get("function") or {}
            if function.get("name"):
                function["name"] = unmask(function["name"], self._originals)
            if function.get("arguments"):
                function["arguments"] = self._unmasker(index, "arguments", call.get("index", 0)).feed(
                    function["arguments"]
                )
        if choice.get("finish_reason"):
            for key in [key for key in self._growing if key[0] == index]:
                _append(delta, key, self._growing.pop(key).flush())

    def _unmasker(self, index: int, name: str, call: int) -> StreamUnmasker:
        key = (index, name, call)
        if key not in self._growing:
            escaped = _holds_json(name, json_reply=self._json_reply)
            self._growing[key] = StreamUnmasker(self._originals, json_escaped=escaped)
        return self._growing[key]

    def _left_over(self) -> Iterator[bytes]:
        """Tails of choices that never got a finish_reason: nothing the model said is swallowed."""
        for key, unmasker in self._growing.items():
            delta: dict[str, Any] = {}
            _append(delta, key, unmasker.flush())
            if delta:
                choice = {"index": key[0], "delta": delta, "finish_reason": None}
                yield b"data: " + orjson.dumps({**self._head, "choices": [choice]}) + b"\n\n"
        self._growing.clear()


def _append(delta: dict[str, Any], key: tuple[int, str, int], tail: str) -> None:
    if not tail:
        return
    _, name, call_index = key
    if name != "arguments":
        delta[name] = (delta.get(name) or "") + tail
        return
    calls = delta.setdefault("tool_calls", [])
    for call in calls:
        if call.get("index", 0) == call_index:
            function = call.setdefault("function", {})
            function["arguments"] = (function.get("arguments") or "") + tail
            return
    calls.append({"index": call_index, "function": {"arguments": tail}})
