"""How a prompt's parts are cut to a context window."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.grading.prompt import Parts

_FLOORS: Mapping[str, int] = {"question": 240, "reference": 400, "submission": 80}  # characters


def cut(parts: Parts, characters: int) -> Parts | None:
    """`parts` with about `characters` fewer, or None when nothing is left to cut.

    The stated order: the question loses its beginning down to its last 240 characters (the task proper
    tends to stand last), then the reference its end down to 400, then the submission its middle, keeping
    seven tenths of what stays from its head, then question and reference altogether. Cuts fall on white
    space, so no placeholder is cut in two.
    """
    for name in ("question", "reference", "submission"):
        text: str = getattr(parts, name)
        spare = len(text) - _FLOORS[name]
        if spare > 0:
            return _with(parts, name, _shortened(text, len(text) - min(spare, characters), name))
    if parts.question:
        return replace(parts, question="")
    if parts.reference:
        return replace(parts, reference="")
    return None


def _with(parts: Parts, name: str, text: str) -> Parts:
    if name == "question":
        return replace(parts, question=text)
    return replace(parts, reference=text) if name == "reference" else replace(parts, submission=text)


def _shortened(text: str, keep: int, name: str) -> str:
    if name == "question":
        return _tail(text, keep)
    if name == "reference":
        return _head(text, keep)
    head = keep * 7 // 10
    return f"{_head(text, head)} ... {_tail(text, max(keep - head - 5, 1))}"


def _head(text: str, length: int) -> str:
    """At most `length` characters from the start, ending before white space where there is any."""
    if len(text) <= length:
        return text
    at = max(text.rfind(" ", 0, length + 1), text.rfind("\n", 0, length + 1))
    return text[: at if at > 0 else length]


def _tail(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    start = len(text) - length
    spaces = [at for at in (text.find(" ", start - 1), text.find("\n", start - 1)) if at >= 0]
    return text[min(spaces) + 1 if spaces else start :]
