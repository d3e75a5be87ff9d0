"""A text as words: stems, numbers, letter trigrams, negation, and words with an opposite. No model in it.

Russian words are stemmed by Snowball's algorithm (Porter 2001); of English ones only common endings are cut,
as in the answers that the graders learned from.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import snowballstemmer

_WORD = re.compile(r"[a-z0-9'а-яё]+")
_CYRILLIC = re.compile("[а-яё]")
_LAST_LATIN = "\u024f"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nothing|cannot|without|\w+n't|не|нет|ни|нельзя|без|никогда)\b"
)
_FUNCTION_WORDS = frozenset(
    """
    the a an of to in is are was were be it its that this and or on for with as by at from they you he
    she we i because so if then than when would could can will do does did not have has had there which
    what how why one also their your his her them
    и в во на с со к ко у о об от до из за по при для что это как так то же бы ли а но или если когда который
    он она оно они мы вы я его её их ему ей им был была было были есть тоже также потому этот эта эти
    """.split()  # noqa: SIM905 - a list of this many strings is not read
)
_SUFFIXES = ("ing", "edly", "ed", "es", "ly", "s")
# What a cosine cannot tell apart: an answer that says the opposite stands as near as one that agrees.
_OPPOSITES = """
more-less higher-lower high-low increase-decrease increases-decreases increased-decreased hot-cold
hotter-colder warm-cool warmer-cooler positive-negative open-closed same-different before-after
connected-disconnected connected-separated fast-slow faster-slower big-small bigger-smaller large-small
larger-smaller up-down hard-soft harder-softer heavy-light heavier-lighter long-short longer-shorter
loud-quiet louder-softer most-least many-few all-none always-never yes-no true-false inside-outside
above-below over-under first-last left-right on-off greater-smaller greater-less strong-weak stronger-weaker
thick-thin thicker-thinner wet-dry solid-liquid sink-float complete-incomplete changes-same changed-same
change-same different-equal attract-repel push-pull acid-base north-south east-west tight-loose
tighter-looser near-far closer-farther tall-short taller-shorter old-new dark-bright brighter-dimmer
expand-contract gain-lose empty-full begin-end live-die public-private static-dynamic best-worst
minimum-maximum parallel-series ascending-descending
"""


def _opposites() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = defaultdict(set)
    for pair in _OPPOSITES.split():
        one, other = pair.split("-")
        table[one].add(other)
        table[other].add(one)
    return {word: frozenset(others) for word, others in table.items()}


OPPOSITES = _opposites()


@cache
def _russian() -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer("russian")


@dataclass(frozen=True, slots=True)
class Wording:
    """One text; everything in lower case."""

    words: frozenset[str]
    bigrams: frozenset[tuple[str, str]]
    stems: frozenset[str]  # of words that carry meaning
    numbers: frozenset[str]
    trigrams: Counter[str]  # of letters, over word ends too: they forgive spelling
    negated: bool
    foreign: float  # share of the letters that are not Latin


def wording(text: str) -> Wording:
    lowered = text.lower()
    letters = [letter for letter in lowered if letter.isalpha()]
    words = _WORD.findall(lowered)
    spaced = f" {' '.join(words)} "
    return Wording(
        words=frozenset(words),
        bigrams=frozenset(pairwise(words)),
        stems=frozenset(_stem(word) for word in words if word not in _FUNCTION_WORDS),
        numbers=frozenset(_NUMBER.findall(lowered)),
        trigrams=Counter(spaced[i : i + 3] for i in range(len(spaced) - 2)),
        negated=_NEGATION.search(lowered) is not None,
        foreign=len(letters) and sum(letter > _LAST_LATIN for letter in letters) / len(letters),
    )


def _stem(word: str) -> str:
    if _CYRILLIC.search(word):
        found: str = _russian().stemWord(word)
        return found
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word.removesuffix(suffix)
    return word
