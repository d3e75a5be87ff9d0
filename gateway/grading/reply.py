"""From a model's raw completion to a checked verdict, or to the reason why it is none."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.domain import Usage, Verdict
from gateway.errors import BackendError
from gateway.grading.prompt import Parts, Profile

_LEVEL = re.compile(rb'"level"\s*:\s*(\d+)')
_WORD = re.compile(r"<[a-z]+_[0-9]+_[0-9a-z]+>|([^\W\d_]{3,})")  # a placeholder is no word
# Words that carry no key to an answer; function words longer than these are rare in references.
_FUNCTION_WORDS = """
the and are was were has have had with that this from into for not but its their there they them than then
when which who what will would can could should must may also because been being does did done more most some
such only other each any all one two you your our his her
они это этот эта эти что как для или при над под без его она оно был была было были есть быть если чтобы
когда где который которая которые также только более менее можно нужно так там тут этого этой этом
"""
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True, slots=True)
class _Words:
    level: str
    missing: str


_ENGLISH = _Words("Level {} of {}.", "Key words of the reference not found in the answer")
_RUSSIAN = _Words("Уровень {} из {}.", "Ключевые слова эталона, которых нет в ответе")
_CYRILLIC = re.compile("[а-яёА-ЯЁ]")


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a reply is no verdict: our constant words, fit for a log and for the repair request."""

    fault: str


def parse_completion(answer: bytes) -> dict[str, Any]:
    """A completion's JSON. Raises BackendError when it is none."""
    try:
        completion = orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise BackendError("The model server's answer is not JSON.") from None
    if not isinstance(completion, dict):
        raise BackendError("The model server's answer is not an object.")
    return completion


def read_usage(completion: Mapping[str, Any]) -> Usage:
    """Tokens as the model server counted them; zero where it did not."""
    usage = completion.get("usage") or {}
    return Usage(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))


def read_verdict(completion: Mapping[str, Any], profile: Profile) -> Verdict | Unusable:
    """Checks a completion against the profile's contract; nothing is guessed.

    A 200 from the model server is not complete JSON: a grammar allows endless white space until the token
    limit, so the finish reason counts too.
    """
    choices = completion.get("choices") or []
    if not choices:
        return Unusable("it was empty")
    choice = choices[0]
    content = (choice.get("message") or {}).get("content")
    if choice.get("finish_reason") != "stop":
        return Unusable("it did not end")
    if not isinstance(content, str):
        return Unusable("it was empty")
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Unusable("it was not JSON")
    wanted = {"level": int, "evidence": str, "comment": str} if profile.explains else {"level": int}
    if not isinstance(data, dict) or data.keys() != wanted.keys():
        return Unusable("it had other fields")
    if not all(type(data[name]) is kind for name, kind in wanted.items()):
        return Unusable("a field had another type")
    if not 0 <= data["level"] <= profile.top_level:
        return Unusable("the level was out of range")
    return Verdict(
        level=data["level"],
        top_level=profile.top_level,
        confidence=level_confidence(content, data["level"], choice.get("logprobs"), profile.top_level),
        evidence=data.get("evidence", ""),
        comment=data.get("comment", ""),
    )


def level_confidence(
    content: str, level: int, logprobs: Mapping[str, Any] | None, top_level: int
) -> float | None:
    """p(level) / sum of p over the levels allowed, at the token that wrote the level; None when the model
    server gave no log-probabilities there.

    The server's log-probabilities are of the unconstrained distribution, so they are renormalised over the
    levels that the schema allows.
    """
    tokens = (logprobs or {}).get("content")
    found = _LEVEL.search(content.encode())
    if not tokens or not found:
        return None
    offset, position = found.start(1), 0
    for token in tokens:
        end = position + len(token.get("bytes") or token.get("token", "").encode())
        if end > offset:
            return _share(token, level, top_level)
        position = end
    return None


def _share(token: Mapping[str, Any], level: int, top_level: int) -> float | None:
    allowed = {str(value) for value in range(top_level + 1)}
    mass: dict[str, float] = {}
    for candidate in [token, *(token.get("top_logprobs") or ())]:
        text = candidate.get("token", "").strip()
        if text in allowed and text not in mass:
            mass[text] = math.exp(candidate["logprob"])
    total = sum(mass.values())
    return mass[str(level)] / total if total and str(level) in mass else None


def with_checked_evidence(verdict: Verdict, submission: str) -> tuple[Verdict, bool]:
    """The verdict with its quote kept only when the submission holds it (white space and case aside), and
    whether a quote had to be dropped."""
    if not verdict.evidence.strip():
        return replace(verdict, evidence=""), False
    quote = " ".join(verdict.evidence.split()).casefold()
    if quote in " ".join(submission.split()).casefold():
        return verdict, False
    return replace(verdict, evidence=""), True


def with_factual_comment(verdict: Verdict, parts: Parts) -> Verdict:
    """The verdict of a model that gives a level only, with a comment made by code: the level, and which key
    words of the reference the submission lacks. Exact, and claims no more than that."""
    russian = len(_CYRILLIC.findall(parts.submission)) > len(parts.submission) / 4
    said = _RUSSIAN if russian else _ENGLISH
    comment = said.level.format(verdict.level, verdict.top_level)
    missing = [] if parts.code else missing_key_words(parts.reference, parts.submission)
    if missing and verdict.level < verdict.top_level:
        comment += f" {said.missing}: {', '.join(missing)}."
    return replace(verdict, comment=comment)


def missing_key_words(reference: str, submission: str, limit: int = 6) -> list[str]:
    """Content words of the reference that the submission lacks, in the reference's order. Words are
    compared by their first five letters, a crude stem that serves both languages."""
    present = {word[:5] for word in _words(submission)}
    missing: dict[str, None] = {}
    for word in _words(reference):
        if word[:5] not in present:
            missing.setdefault(word)
    return list(missing)[:limit]


def _words(text: str) -> Sequence[str]:
    return [word for word in _WORD.findall(text.lower()) if word and word not in _STOP_WORDS]
