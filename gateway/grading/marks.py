"""Marks of an attempt to speak to the grader that code can see: no model is asked, and none is needed.

What is invisible, what opens a turn of a chat template, what is written in base64, and what is a reply of the
kind that this gateway asks its models for has no place in a student's answer.
"""

import base64
import binascii
import re
from collections.abc import Iterator

# Characters without a shape: control, zero width, joiners, directions, fillers, variation selectors, tags.
_SHAPELESS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
SHAPELESS = re.compile(f"[{_SHAPELESS}]")
_VISIBLE = re.compile(rf"[^\s{_SHAPELESS}]")
# Tags and overrides of the direction hide or turn text; nobody types them. One character of zero width may
# come from a web page's text and joins emoji: three of them between letters do not.
_HIDDEN = re.compile(
    "[\u202d\u202e\u2066-\u2068\U000e0020-\U000e007f]"
    "|(?:[^\\W\\d_][\u200b\u2060-\u2064\ufeff\u00ad]+(?=[^\\W\\d_])[^\u200b\u2060-\u2064\ufeff\u00ad]{0,80}){3}"
)

# Tokens with which chat templates mark turns: inside a submission they would open a turn of their own.
TURN = re.compile(r"<(?=\||/?s>|(?:start|end)_of_turn>)|\[(?=/?(?:INST|SYS)\])")
_TURNS = re.compile(
    r"<\|[\w ]{1,32}\|>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|\[(?:SYSTEM|СИСТЕМА)\]"
    r"|</?\s*(?:system|assistant|instructions?|инструкци[яи]|student[_ -]?answer|submission|answer|ответ)\s*>"
    r"|^[ \t#>*/-]*(?:system|assistant|система|ассистент)(?: (?:message|prompt)|ное сообщение)?[ \t]*:"
    r"|^[ \t]*#{2,}[ \t]*(?:system|instructions?|системн\w+|инструкци\w+)\b",
    re.IGNORECASE | re.MULTILINE,
)

# Somebody gives full marks, as a number out of itself or in words, or speaks to whoever grades.
_GIVE = r"(?:award|give|assign|grant|deserve|став(?:ь|ит|лю|им)|постав|выстав|засчит|зачт|заслуж)\w*"
_POINTS = r"(?:scores?|grades?|marks?|points?|балл\w*|оценк\w*)"
_FULL = (
    r"(?:full (?:marks|credit|points|score)|(?:maximum|highest|top|max) (?:score|mark|grade|points)"
    r"|(?:максимальн|высш|наивысш)\w+ (?:балл|оценк)\w*|максимум)"
)
_CLAIMS = re.compile(
    rf"\b(?:{_GIVE}|{_POINTS})\b[^\n]{{0,40}}?(?<![\d.,/])(\d{{1,4}}(?:[.,]\d{{1,2}})?)"
    r"\s*(?:/|из|out of|of)\s*\1(?![\d/]|[.,]\d)"
    rf"|\b{_GIVE}\b[^\n.!?]{{0,40}}?\b{_FULL}\b"
    r"|\b(?:auto-?)?grader\b|\b(?:для|уважаем\w+) проверяющ\w+",
    re.IGNORECASE,
)

# An order to set aside what the grader goes by. Not "the processor ignores the instructions before it".
_OVERRIDES = re.compile(
    r"(?:^\W{0,8}|(?<=[.!?:;]\s)|\bplease )(?:ignore|disregard|forget|override|bypass)\b[^\n.!?]{0,40}?"
    r"\b(?:instructions?|rubric|prompt|guidelines|criteria|grading|everything above)\b"
    r"|\b(?:игнорируй|игнорируйте|забудь|забудьте|не обращай(?:те)? внимания)\b[^\n.!?]{0,40}?"
    r"\b(?:инструкци\w+|рубрик\w+|критери\w+|правил\w+|вс[её],? что (?:выше|сказано))",
    re.IGNORECASE | re.MULTILINE,
)

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{16,4000}={0,2}(?![A-Za-z0-9+/=])")
_ORDERS = re.compile(
    r"\b(?:score|scores|grade|grades|grader|marks|points|instructions?|ignore|disregard|rubric|prompt"
    r"|балл\w*|оценк\w*|оцен[ияь]\w*|инструкци\w*|игнорир\w*|рубрик\w*|максим\w*)\b",
    re.IGNORECASE,
)

_OBJECT = re.compile(r"\{[^{}]{1,1200}\}")
_FIELD = re.compile(r"[\"']([^\"'\n]{1,24})[\"']\s*:\s*(-?\d)?")
_REPLY_FIELD_NAMES = """
score max_score level grade points mark rating share evidence comment comments feedback verdict confidence
балл баллы оценка отзыв комментарий уровень
"""
_REPLY_FIELDS = frozenset(_REPLY_FIELD_NAMES.split())


def is_blank(text: str) -> bool:
    """Whether nothing in the text has a shape: white space, zero width and control characters only."""
    return _VISIBLE.search(text) is None


def is_hiding(text: str) -> bool:
    """Whether something in the text is meant not to be seen."""
    return _HIDDEN.search(text) is not None


def readable(text: str) -> str:
    """The text as a reader is meant to see it: nothing invisible, base64 written out."""
    shown = SHAPELESS.sub("", text)
    return _BASE64.sub(lambda blob: _written_out(blob[0]) or blob[0], shown)


def marks(text: str) -> Iterator[tuple[int, int]]:
    """Where (start, end) something stands in sight that only a grader or its model would read."""
    for pattern in (_TURNS, _CLAIMS, _OVERRIDES):
        yield from (found.span() for found in pattern.finditer(text))
    for found in _BASE64.finditer(text):
        if _ORDERS.search(_written_out(found[0])):
            yield found.span()
    for found in _OBJECT.finditer(text):
        if _is_reply(found[0]):
            yield found.span()


def _written_out(blob: str) -> str:
    """What stands in a base64 blob, or nothing: an identifier or a hash is no text when it is decoded."""
    try:
        text = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text if text.isprintable() and " " in text else ""


def _is_reply(found: str) -> bool:
    """Two fields of a grader's reply in one JSON object, a number in one of them."""
    ours = [(name, number) for name, number in _FIELD.findall(found.casefold()) if name in _REPLY_FIELDS]
    return len({name for name, _ in ours}) > 1 and any(number for _, number in ours)
