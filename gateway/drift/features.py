"""What is measured of a text and an answer before the text is forgotten."""

import re
from collections.abc import Sequence
from datetime import datetime

from gateway.drift.facts import Observation, Sighting

RUSSIAN, ENGLISH, OTHER = "ru", "en", "other"

_NAMES = {"ru": RUSSIAN, "russian": RUSSIAN, "en": ENGLISH, "english": ENGLISH}
_FORMS = frozenset({"text", "plain", "markdown"})  # callers name them where a language is asked for
_TOLD_BY = 500  # characters: the language of a text is that of its beginning (0.05 ms)
_LONGEST_LABEL = 200  # characters
_LARGEST_HALF = 65_504
_PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_[0-9]+_[0-9a-z]+>")  # Latin letters that are not the text's own
_LETTERS = re.compile(r"[^\W\d_]+")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]+")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]+")


def measured(sighting: Sighting, at: datetime) -> Observation:
    """The sighting as it is kept, without an embedding."""
    text = sighting.text
    return Observation(
        at=at,
        model=sighting.model,
        version=sighting.version,
        text_length=None if text is None else len(text),
        language=None if text is None else language_of(text, sighting.language),
        label=None if sighting.label is None else _label(sighting.label),
        score=sighting.score,
        confidence=sighting.confidence,
        embedding=None,
    )


def language_of(text: str, said: str | None = None) -> str:
    """ru | en | other: what the caller said, else what most letters of its beginning are. By script alone
    Ukrainian is ru and German en; a programming language that was said is other."""
    known = (said or "").strip().lower()
    if known and known not in _FORMS:
        return _NAMES.get(known, OTHER)
    beginning = _PLACEHOLDER.sub(" ", text[:_TOLD_BY])
    letters = _count(_LETTERS, beginning)
    shares = {RUSSIAN: _count(_CYRILLIC, beginning), ENGLISH: _count(_LATIN, beginning)}
    likely = max(shares, key=lambda language: shares[language])
    return likely if shares[likely] * 2 > letters else OTHER


def keepable(vector: Sequence[float]) -> bool:
    """Whether it can be kept as half floats."""
    return bool(vector) and all(abs(one) <= _LARGEST_HALF for one in vector)  # NaN is not


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(map(len, pattern.findall(text)))


def _label(label: str) -> str:
    """Some callers' labels no database keeps: half a surrogate pair, a NUL."""
    return label[:_LONGEST_LABEL].encode(errors="replace").decode().replace("\0", "?")
