"""From a model's raw completion to checked verdicts, or to the reason why one is none."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from gateway.domain import Usage, Verdict
from gateway.errors import BackendError
from gateway.grading.prompt import Profile
from gateway.grading.words import plain_words

_LEVEL = re.compile(rb'"level"\s*:\s*(\d+)')
_SHORTEST_QUOTE = 3  # characters


class Fault(StrEnum):
    """Why a reply is no verdict: words fit for a log and for the repair request."""

    NOT_ENDED = "it did not end"
    EMPTY = "it was empty"
    NOT_JSON = "it was not JSON"
    OTHER_FIELDS = "it had other fields"
    OTHER_TYPE = "a field had another type"
    LEVEL_OUT_OF_RANGE = "the level was out of range"
    UNKNOWN_LABEL = "the label was not one of those given"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A reply that is no verdict."""

    fault: Fault


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


def choices_of(completion: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The replies in it, at least one: an empty one fails its check."""
    return list(completion.get("choices") or [{"finish_reason": "stop"}])


def read_object(choice: Mapping[str, Any], wanted: Mapping[str, type]) -> dict[str, Any] | Unusable:
    """A reply's fields, exactly the wanted ones; nothing is guessed.

    A 200 from the model server is not complete JSON: a grammar allows endless white space until the token
    limit, so the finish reason counts too.
    """
    content = content_of(choice)
    if choice.get("finish_reason") != "stop":
        return Unusable(Fault.NOT_ENDED)
    if content is None:
        return Unusable(Fault.EMPTY)
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Unusable(Fault.NOT_JSON)
    if not isinstance(data, dict) or data.keys() != wanted.keys():
        return Unusable(Fault.OTHER_FIELDS)
    if not all(type(data[name]) is kind for name, kind in wanted.items()):
        return Unusable(Fault.OTHER_TYPE)
    return data


def content_of(choice: Mapping[str, Any]) -> str | None:
    content = (choice.get("message") or {}).get("content")
    return content if isinstance(content, str) else None


def read_verdict(choice: Mapping[str, Any], profile: Profile) -> Verdict | Unusable:
    """Checks a reply against the profile's contract."""
    wanted = {"level": int, "evidence": str, "comment": str} if profile.explains else {"level": int}
    data = read_object(choice, wanted)
    if isinstance(data, Unusable):
        return data
    level = data["level"]
    if not 0 <= level <= profile.top_level:
        return Unusable(Fault.LEVEL_OUT_OF_RANGE)
    likely = level_probabilities(content_of(choice) or "", choice.get("logprobs"), profile.top_level)
    told = likely is not None and likely[level] > 0
    return Verdict(
        level=level,
        top_level=profile.top_level,
        confidence=likely[level] if likely and told else None,
        evidence=data.get("evidence", ""),
        comment=data.get("comment", ""),
        expected=sum(n * p for n, p in enumerate(likely)) / profile.top_level if likely and told else None,
    )


def level_probabilities(
    content: str, logprobs: Mapping[str, Any] | None, top_level: int
) -> tuple[float, ...] | None:
    """p(level) / sum of p over the levels allowed, for each of them, at the token that wrote the level; None
    when the model server gave no log-probabilities there. A level that is not among its likeliest tokens has
    0.

    The server's log-probabilities are of the unconstrained distribution, so they are renormalised over the
    levels that the schema allows.
    """
    found = _LEVEL.search(content.encode())
    if not found:
        return None
    for start, token in tokens_of(logprobs):
        if start + len(written(token)) > found.start(1):
            allowed = {str(level).encode(): level for level in range(top_level + 1)}
            mass = [0.0] * len(allowed)
            for text, p in alternatives(token):
                level = allowed.get(text.strip())
                if level is not None:
                    mass[level] = mass[level] or p
            total = sum(mass)
            return tuple(p / total for p in mass) if total else None
    return None


def tokens_of(logprobs: Mapping[str, Any] | None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each token of a reply with the byte it begins at."""
    start = 0
    for token in (logprobs or {}).get("content") or ():
        yield start, token
        start += len(written(token))


def written(token: Mapping[str, Any]) -> bytes:
    given = token.get("bytes")
    return bytes(given) if given else str(token.get("token", "")).encode()


def alternatives(token: Mapping[str, Any]) -> Iterator[tuple[bytes, float]]:
    """What could have stood in the token's place and how likely it was, the token itself first."""
    seen = set()
    for one in [token, *(token.get("top_logprobs") or ())]:
        text = written(one)
        if text not in seen:
            seen.add(text)
            yield text, math.exp(one["logprob"])


def with_checked_evidence(verdict: Verdict, submission: str, question: str = "") -> tuple[Verdict, bool]:
    """The verdict with its quote kept only when the submission holds it (white space and case aside), and
    whether one was made up. A quote too short to show anything, or of the question's words alone, goes
    too."""
    quote = _folded(verdict.evidence)
    if not quote:
        return replace(verdict, evidence=""), False
    if quote not in _folded(submission):
        return replace(verdict, evidence=""), True
    known = set(plain_words(question))
    shows = len(quote) >= _SHORTEST_QUOTE and not _all_known(plain_words(quote), known)
    return (verdict if shows else replace(verdict, evidence="")), False


def _all_known(words: Sequence[str], known: set[str]) -> bool:
    return bool(known) and all(word in known for word in words)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
