"""Where the caller's words are in a request, and a request with other words in the same places."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from gateway.domain import Passage

# Walked as a whole: keys and values. Everything else in a request is a number, a switch or a closed list.
_SPOKEN_FIELDS = ("messages", "tools", "tool_choice", "response_format", "stop")
# Hardly anything personal is one word of lower-case Latin letters and underscores: roles, types, JSON Schema
# keywords and most property names need no look. But a caller's own speech may be one denied word.
_PLAIN_WORD = re.compile(r"[a-z_]{1,64}")
_FREE = frozenset({"content", "text", "name", "arguments", "stop", "description"})
_LONG_NUMBER = 10**8


def with_speakers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The request with `speaker_1`, `speaker_2` in the place of its speakers' names, whatever their spelling.
    A tool's name stays: it is no person's."""
    speakers: dict[str, str] = {}
    messages = []
    for message in fields["messages"]:
        name = message.get("name")
        if name and message["role"] not in ("tool", "function"):
            message = {**message, "name": speakers.setdefault(name, f"speaker_{len(speakers) + 1}")}  # noqa: PLW2901
        messages.append(message)
    return {**fields, "messages": messages}


def spoken_passages(fields: Mapping[str, Any]) -> list[Passage]:
    """Every string in which a caller could have written personal data, in a fixed order. Text parts of one
    message that follow each other are one passage: a name may stand across them."""
    found: list[list[str]] = []

    def hear(text: str, follows: bool) -> str:
        if follows:
            found[-1].append(text)
        else:
            found.append([text])
        return text

    _walked(fields, hear)
    return [passage_of(parts) for parts in found]


def with_texts(fields: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """The same request with `texts` in the places that spoken_passages() named, in its order, one for each
    part."""
    replacement = iter(texts)
    return _walked(fields, lambda _text, _follows: next(replacement))


def passage_of(parts: Sequence[str]) -> Passage:
    """A message's text parts, at least one, as they are read."""
    if len(parts) == 1:
        return Passage(parts[0], json=_is_json(parts[0]))
    seams, length = [], 0
    for part in parts[:-1]:
        length += len(part)
        seams.append(length)
    return Passage("".join(parts), seams=tuple(seams))


def _is_json(text: str) -> bool:
    """Whether a string is a JSON document of its own, as a tool call's arguments and many tools' answers."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


Say = Callable[[str, bool], str]  # a string and whether it goes on with the one before -> what stands there


def _walked(fields: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """The request with what `say` answers in the place of every spoken string."""
    spoken = {
        name: _rebuilt(fields[name], say, free=name in _FREE) for name in _SPOKEN_FIELDS if name in fields
    }
    return {name: spoken.get(name, value) for name, value in fields.items()}


def _rebuilt(node: Any, say: Say, *, free: bool = False) -> Any:
    if isinstance(node, str):
        return node if not free and _PLAIN_WORD.fullmatch(node) else say(node, False)
    if isinstance(node, int) and abs(node) >= _LONG_NUMBER:  # a card among a schema's constants
        said = say(str(node), False)
        return node if said == str(node) else said
    if isinstance(node, list):
        return _rebuilt_list(node, say, free=free)
    if isinstance(node, dict):
        return _rebuilt_object(node, say)
    return node


def _rebuilt_object(node: Mapping[str, Any], say: Say) -> dict[str, Any]:
    rebuilt: dict[str, Any] = {}
    for key, value in node.items():
        name = _rebuilt(key, say)
        while name in rebuilt:  # two cases of one person's name: still two properties
            name += "_"
        rebuilt[name] = _rebuilt(value, say, free=key in _FREE)
    return rebuilt


def _rebuilt_list(items: Sequence[Any], say: Say, *, free: bool) -> list[Any]:
    rebuilt = []
    goes_on = False
    for item in items:
        if _is_text_part(item):
            rebuilt.append({**item, "text": say(item["text"], goes_on)})
            goes_on = True
        else:
            rebuilt.append(_rebuilt(item, say, free=free))
            goes_on = False
    return rebuilt


def _is_text_part(item: Any) -> bool:
    """`{"type": "text", "text": "..."}`, and nothing else in it that could be spoken."""
    return (
        isinstance(item, dict)
        and item.keys() == {"type", "text"}
        and item["type"] == "text"
        and isinstance(item["text"], str)
    )
