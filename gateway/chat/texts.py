"""Where the caller's words are in a request, and a request with other words in the same places."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Walked as a whole: keys and values. Everything else in a request is a number, a switch or a closed list.
_SPOKEN_FIELDS = ("messages", "tools", "tool_choice", "response_format", "stop")
# No kind of personal data is spelled with lower-case Latin letters and underscores only: roles, types,
# JSON Schema keywords and most property names need no look.
_PLAIN_WORD = re.compile(r"[a-z_]{1,64}")


def spoken_texts(fields: Mapping[str, Any]) -> list[str]:
    """Every string in which a caller could have written personal data, in a fixed order."""
    found: list[str] = []
    for name in _SPOKEN_FIELDS:
        if name in fields:
            _collect(fields[name], found)
    return found


def with_texts(fields: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """The same request with `texts` in the places that spoken_texts() named, in its order."""
    replacement = iter(texts)
    return {
        name: _rebuild(value, replacement) if name in _SPOKEN_FIELDS else value
        for name, value in _ordered(fields)
    }


def _ordered(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in _SPOKEN_FIELDS:
        if name in fields:
            yield name, fields[name]
    for name, value in fields.items():
        if name not in _SPOKEN_FIELDS:
            yield name, value


def _collect(node: Any, found: list[str]) -> None:
    if isinstance(node, str):
        if not _PLAIN_WORD.fullmatch(node):
            found.append(node)
    elif isinstance(node, list):
        for item in node:
            _collect(item, found)
    elif isinstance(node, dict):
        for key, value in node.items():
            _collect(key, found)
            _collect(value, found)


def _rebuild(node: Any, replacement: Iterator[str]) -> Any:
    if isinstance(node, str):
        return node if _PLAIN_WORD.fullmatch(node) else next(replacement)
    if isinstance(node, list):
        return [_rebuild(item, replacement) for item in node]
    if isinstance(node, dict):
        return {_rebuild(key, replacement): _rebuild(value, replacement) for key, value in node.items()}
    return node
