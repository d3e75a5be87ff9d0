"""Who is who: a keyed hash that is one for all the forms of one person's name, or of one number.

People are told apart rather than merged. These stay apart though they may be one:
- «Иванов», «Иванов Пётр», «И. И. Иванов», «Иванов Иван Иванович»: what is left out could be anybody's.
- «Валентина Иванова», «Александру», «Иванова», «Иванову»: a woman in one case, a man in another. Such a form
  is only ever equal to itself: «Иванов» and «Иванову» are nearly always one, and now and then two students.
- A name in Cyrillic and its transcription; a full given name and a short one («Екатерина», «Катя»).
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.morphology import morphology

_CYRILLIC = re.compile(r"[А-ЯЁа-яё]")
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_PART = re.compile(r"[^\W\d_]{4,}+")
_NOT_DIGIT = re.compile(r"\D")
_EXTENSION = re.compile(r"(?i)[\s,;(]*(?:доб|вн|ext|x)[^\W\d_]*\.?:?\s*\d{1,6}\)?$")
_NOT_SIGN = re.compile(r"[\W_]")
_NUMBERS = frozenset(("CARD", "INN", "SNILS", "OMS", "PASSPORT", "IBAN", "US_SSN"))
_NATIONAL = 10  # digits of a Russian or North American number without its country's or the 8


@dataclass(frozen=True, slots=True)
class Identity:
    key: str  # 16 hex digits
    base_form: bool  # the words stand in the nominative, or are not Russian


class Identities:
    """Needs pymorphy3: 25 MB, 0.2 s. A new name takes 0.2 ms per word, a known one microseconds: the last
    4,096 findings are kept, in this process only."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._morphology = morphology()
        self.of = lru_cache(maxsize=4_096)(self._of)

    def _of(self, kind: str, words: str) -> Identity:
        if kind == "PERSON" and _CYRILLIC.search(words):
            normal, base = self._person(words)
        else:
            normal, base = _normal(kind, words), True
        data = f"{kind}\0{normal}".encode("utf-8", "surrogatepass")
        return Identity(hashlib.blake2b(data, digest_size=8, key=self._salt).hexdigest(), base)

    def parts(self, words: str) -> list[tuple[int, int]]:
        """The pieces of a full name that may stand for the person elsewhere."""
        known = lexicon()
        return [
            part.span()
            for part in _PART.finditer(words)
            if len(part[0]) < len(words) and known.is_only_a_name(part[0])
        ]

    def _person(self, words: str) -> tuple[str, bool]:
        found = _WORD.findall(words.lower())
        initials = "".join(word.replace("ё", "е") for word in found if len(word) == 1)
        full = tuple(sorted(word for word in found if len(word) > 1))
        agreeing = self._morphology.agreeing(full)
        lemmas = {tuple(sorted(lemmas)) for lemmas in agreeing.values()}
        if len(lemmas) == 1:
            [one] = lemmas
            base = any(case == "nom" and tuple(sorted(form)) == one for (_, case), form in agreeing.items())
            return " ".join((*one, initials)), base
        return " ".join((*(word.replace("ё", "е") for word in full), "?", initials)), True


def _normal(kind: str, words: str) -> str:
    if kind == "PHONE":
        return _phone(words) or words
    if kind in _NUMBERS:
        return _NOT_SIGN.sub("", words).casefold()
    return " ".join(words.casefold().split())


def _phone(words: str) -> str:
    """Digits with the country's; an extension does not count. Without a "+" a number is taken for a Russian
    one: «8 903 ...», «7 903 ...» and «903 ...» are "+7 903 ..."."""
    number = _EXTENSION.sub("", words).strip()
    digits = _NOT_DIGIT.sub("", number)
    if number.startswith("+"):
        return digits
    if len(digits) == _NATIONAL + 1 and digits[0] in "78":
        return "7" + digits[1:]
    return "7" + digits if len(digits) == _NATIONAL else digits
