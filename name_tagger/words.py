"""words.yaml, read once."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from yaml import safe_load


@dataclass(frozen=True, slots=True)
class Words:
    syllables: dict[str, dict[str, str]]  # language -> "begin", "rest": syllables with blanks between
    particles: list[str]
    prefixes: list[str]
    titles: list[str]
    nations: list[str]
    streets: list[str]
    foreign_streets: list[str]  # with {} for the proper name
    street_names: list[str]
    units: list[str]  # with {n}, a number, or {s}, a small one
    states: list[str]
    company_ends: list[str]
    company_words: list[str]
    cities: list[str]
    roles: list[str]
    eponyms: list[str]
    terms: list[str]


@cache
def words() -> Words:
    content: dict[str, Any] = safe_load(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
    return Words(**content)
