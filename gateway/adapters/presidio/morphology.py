"""Russian names in all their cases: lemma, gender and case of each word of a name. pymorphy3 for what its
dictionary knows, tables of endings for the rest. 25 MB and 0.2 s to load, 60 to 230 microseconds per new
word: for worker processes only.

Over 250 lines: the tables and what reads them belong together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import product
from typing import Any

from gateway.adapters.presidio.lexicon import lexicon

_NAMES = ("Name", "Surn", "Patr")
_CASES = {
    "nomn": "nom",
    "gent": "gen",
    "gen2": "gen",
    "datv": "dat",
    "accs": "acc",
    "ablt": "ins",
    "loct": "loc",
    "loc2": "loc",
}
_EVERY_CASE = ("nom", "gen", "dat", "acc", "ins", "loc")
MAN, WOMAN = "m", "f"
_DECLINED_BY_WOMEN = ("ов", "ев", "ин", "ын", "ий", "ый", "ой")
_LONGEST = 50  # characters of a word that is looked at
_CONSONANTS = "бвгджзйклмнпрстфхцчшщ"

# The endings of surnames that the dictionary does not know -> cases, by the nominative's ending and sex.
_MAN_IN_OV = {"": ("nom",), "а": ("gen", "acc"), "у": ("dat",), "ым": ("ins",), "е": ("loc",)}
_WOMAN_IN_OVA = {"а": ("nom",), "ой": ("gen", "dat", "ins", "loc"), "ою": ("ins",), "у": ("acc",)}
_MAN_IN_SKY = {"ий": ("nom",), "ого": ("gen", "acc"), "ому": ("dat",), "им": ("ins",), "ом": ("loc",)}
_WOMAN_IN_SKAYA = {"ая": ("nom",), "ой": ("gen", "dat", "ins", "loc"), "ою": ("ins",), "ую": ("acc",)}
_MAN_IN_Y = {"ый": ("nom",), "ого": ("gen", "acc"), "ому": ("dat",), "ым": ("ins",), "ом": ("loc",)}
_WOMAN_IN_AYA = {"ая": ("nom",), "ой": ("gen", "dat", "ins", "loc"), "ую": ("acc",)}
_MAN_HARD = {
    "": ("nom",), "а": ("gen", "acc"), "у": ("dat",), "ом": ("ins",), "ем": ("ins",), "е": ("loc",)
}  # fmt: skip
_MAN_SOFT = {"я": ("gen", "acc"), "ю": ("dat",), "ем": ("ins",), "е": ("loc",)}
_IN_A = {
    "а": ("nom",), "ы": ("gen",), "и": ("gen",), "е": ("dat", "loc"), "у": ("acc",), "ой": ("ins",),
    "ей": ("ins",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a word as a part of a name."""

    lemma: str
    sex: str  # of MAN, WOMAN
    case: str  # of _EVERY_CASE
    given: bool = False  # a given name or patronymic
    rare: bool = False  # «Марин», where «Марина» is far more likely: counts for a word that stands alone


class Morphology:
    """Readings are kept for the last 8,192 words, in this process only."""

    def __init__(self) -> None:
        import pymorphy3  # type: ignore[import-untyped] # noqa: PLC0415 - heavy, wanted in workers only

        self._common = lexicon().common_ru
        self._nobodys, self._surnames = lexicon().nobodys_ru, lexicon().nobodys_but_surnames_ru
        self._analyzer = pymorphy3.MorphAnalyzer(lang="ru")
        self.readings = lru_cache(maxsize=8_192)(self._readings)
        self.kinds = lru_cache(maxsize=8_192)(self._kinds)

    def agreeing(self, words: tuple[str, ...]) -> dict[tuple[str, str], tuple[str, ...]]:
        """(sex, case) -> the lemmas of `words`, for each sex and case in which all the words can stand."""
        return (len(words) > 1 and self._agreeing(words, rare=False)) or self._agreeing(words, rare=True)

    def _agreeing(self, words: tuple[str, ...], *, rare: bool) -> dict[tuple[str, str], tuple[str, ...]]:
        found = {}
        tables = [self._table(word, rare=rare) for word in words]
        for sex, case in product((MAN, WOMAN), _EVERY_CASE):
            if all((sex, case) in table for table in tables):
                found[sex, case] = tuple(table[sex, case] for table in tables)
        return found

    def are_given_and_surname(self, given: str, surname: str) -> bool:
        """Whether the two can stand in one case and sex, the first as a given name."""
        others = {(reading.sex, reading.case) for reading in self.readings(surname) if not reading.rare}
        return any(
            reading.given and (reading.sex, reading.case) in others
            for reading in self.readings(given)
            if not reading.rare
        )

    def _table(self, word: str, *, rare: bool) -> Mapping[tuple[str, str], str]:
        lemmas: dict[tuple[str, str], set[str]] = {}
        for reading in self.readings(word):
            if rare or not reading.rare:
                lemmas.setdefault((reading.sex, reading.case), set()).add(reading.lemma)
        return {key: "|".join(sorted(found)) for key, found in lemmas.items()}

    def _readings(self, word: str) -> tuple[Reading, ...]:
        head, dash, tail = word.rpartition("-")
        if len(word) > _LONGEST:
            return ()
        if dash and head and tail:
            return tuple(self._hyphenated(head, tail))
        return tuple({*self._of_dictionary(word)} or {*_by_endings(word.replace("ё", "е"))})

    def _hyphenated(self, head: str, tail: str) -> Iterator[Reading]:
        """«Анны-Марии»: both parts decline; «Бонч-Бруевича»: the last one does."""
        both = [
            Reading(
                f"{one.lemma}-{other.lemma}",
                one.sex,
                one.case,
                one.given and other.given,
                one.rare or other.rare,
            )
            for one in self.readings(head)
            for other in self.readings(tail)
            if (one.sex, one.case) == (other.sex, other.case)
        ]
        if both and any(self._of_dictionary(head)):
            yield from both
            return
        for other in self.readings(tail):
            yield replace(other, lemma=f"{head.replace('ё', 'е')}-{other.lemma}")

    def _of_dictionary(self, word: str) -> Iterator[Reading]:
        """As a name; else as a noun or adjective that may be one: «Мельника», «Белой», «Задорожному»."""
        parses = [parse for parse in self._analyzer.parse(word) if parse.is_known and _is_one(parse.tag)]
        names = [parse for parse in parses if any(kind in parse.tag for kind in _NAMES)]
        if not names:
            parses = [parse for parse in parses if parse.tag.POS in ("NOUN", "ADJF")]
        # The dictionary knows a woman «Дмитрия» and a «Камил» too. Beside a common name its rare twin of the
        # same sex is left out, and of the other sex where nobody is called so: a man and a woman whose names
        # have forms in common («Евгению») are never taken for one.
        common = {
            parse.tag.gender for parse in names if "Name" in parse.tag and parse.normal_form in self._common
        }
        for parse in names or parses:
            lemma, rare = parse.normal_form, False
            if common and lemma not in self._common:
                rare = "Name" not in parse.tag or lemma in self._surnames
                if not rare and (parse.tag.gender in common or lemma in self._nobodys):
                    continue
            for reading in _readings_of(parse):
                yield replace(reading, rare=rare)
                if reading.sex == MAN and lemma.endswith("ец") and word != lemma and "ц" in word:
                    stem = word[: word.rindex("ц") + 1]  # «Кравца» is of «Кравец», and of «Кравц»
                    yield replace(reading, lemma=stem.replace("ё", "е"), rare=True)

    def _kinds(self, word: str) -> frozenset[str]:
        """Of Name, Surn, Patr, Geox, Orgn, "word" (anything else) and "noun" (of what lives, or masculine
        in the nominative: «Мороз») what the dictionary knows the word (lower case) as; empty: unknown."""
        if len(word) > _LONGEST:
            return frozenset()
        found: set[str] = set()
        head, dash, tail = word.rpartition("-")
        if dash and head and tail and not self._analyzer.word_is_known(word):
            return self.kinds(head) & self.kinds(tail)
        for parse in self._analyzer.parse(word):
            if parse.is_known:
                kinds = {kind for kind in (*_NAMES, "Geox", "Orgn") if kind in parse.tag}
                found |= kinds or ({"word", "noun"} if _may_name(parse.tag) else {"word"})
        return frozenset(found)

    def forms(self, word: str, *, every_reading: bool) -> frozenset[str]:
        """The forms (lower case, е for ё) of a word by all its readings, or by those in which it stands in
        the nominative itself. About 0.3 ms; not kept."""
        forms = {word}
        for parse in self._analyzer.parse(word):
            if parse.is_known and (every_reading or _is_base(parse.tag)):
                forms.update(
                    form.word
                    for form in parse.lexeme
                    if every_reading or form.tag.gender in (None, parse.tag.gender)
                )
        if len(forms) == 1:  # a name that the dictionary does not know
            forms.update(_declined(word))
        return frozenset(form.replace("ё", "е") for form in forms)


def _is_base(tag: Any) -> bool:
    return tag.case in ("nomn", None) and tag.number in ("sing", None)


def _may_name(tag: Any) -> bool:
    return tag.POS == "NOUN" and ("anim" in tag or {"masc", "sing", "nomn"} in tag)


def _is_one(tag: Any) -> bool:
    return tag.number == "sing" and str(tag.case) in _CASES


def _readings_of(parse: Any) -> Iterator[Reading]:
    tag = parse.tag
    case = _CASES[str(tag.case)]
    lemma = parse.normal_form.replace("ё", "е")
    given = "Name" in tag or "Patr" in tag
    surname_of_both = (
        tag.POS == "NOUN" and tag.gender == "femn" and not given and "Surn" not in tag
    )  # «Сорока»
    sexes = {"masc": (MAN,), "femn": (MAN, WOMAN) if surname_of_both else (WOMAN,), "neut": ()}
    for sex in sexes.get(str(tag.gender), (MAN, WOMAN)):
        declined = tag.gender == "femn" and "Name" not in tag and not surname_of_both
        yield Reading(lemma + "+" * declined, sex, case, given)
    if tag.gender == "masc" and case == "nom" and not given and tag.POS == "NOUN" and _is_fixed(lemma):
        yield from (Reading(lemma + "+", WOMAN, each) for each in _EVERY_CASE)


def _is_fixed(lemma: str) -> bool:
    """«Анна Шевчук», «Анне Шевчук»: a man's surname in a consonant does not decline with a woman."""
    return lemma[-1] in _CONSONANTS + "ь" and (len(lemma) < 5 or not lemma.endswith(_DECLINED_BY_WOMEN))


def _by_endings(word: str) -> Iterator[Reading]:
    """Surnames by their endings; whatever else there may be stands in the nominative or never declines."""
    found = False
    for ending, cases in (*_MAN_IN_OV.items(), *_WOMAN_IN_OVA.items()):
        stem = word.removesuffix(ending) if ending else word
        if stem + ending == word and len(stem) > 3 and stem.endswith(("ов", "ев", "ин", "ын")):
            found = True
            sexes = [MAN] * (_MAN_IN_OV.get(ending) == cases) + [WOMAN] * (_WOMAN_IN_OVA.get(ending) == cases)
            for sex in sexes:
                for case in cases:
                    yield Reading(stem + "+" * (sex == WOMAN), sex, case)
    for sex, endings in ((MAN, _MAN_IN_SKY), (WOMAN, _WOMAN_IN_SKAYA)):
        for ending, cases in endings.items():
            stem = word.removesuffix(ending)
            if stem != word and stem.endswith(("ск", "цк")):
                found = True
                for case in cases:
                    yield Reading(stem + "ий" + "+" * (sex == WOMAN), sex, case)
    if not found:
        yield from _unusual(word)


def _unusual(word: str) -> Iterator[Reading]:
    for sex, endings in ((MAN, _MAN_IN_Y), (WOMAN, _WOMAN_IN_AYA)):
        for ending, cases in endings.items():
            stem = word.removesuffix(ending)
            if stem != word and len(stem) > 3:
                yield from (Reading(stem + "ый" + "+" * (sex == WOMAN), sex, case) for case in cases)
    if word.endswith(("ый", "ого", "ому", "ым", "ая", "ую")):
        return
    if len(word) < 3 or word.endswith(("о", "ых", "их", "ли", "дзе", "и", "э")):
        yield from (Reading(word, sex, case) for sex in (MAN, WOMAN) for case in _EVERY_CASE)
        return
    if word[-1] in _CONSONANTS + "ь":
        yield from (Reading(word + "+", WOMAN, case) for case in _EVERY_CASE)
        yield Reading(word, MAN, "nom")
    for ending, cases in _MAN_HARD.items():
        stem = word.removesuffix(ending)
        if ending and stem != word and stem[-1:] in _CONSONANTS and stem[-1:]:
            yield from (Reading(stem, MAN, case) for case in cases)
    for ending, cases in _MAN_SOFT.items():
        stem = word.removesuffix(ending)
        if stem != word and stem[-1:] and stem[-1:] in _CONSONANTS + "еаоиу":
            last = "ь" if stem[-1] in _CONSONANTS else "й"
            yield from (Reading(stem + last, MAN, case) for case in cases)
    for ending, cases in _IN_A.items():
        stem = word.removesuffix(ending)
        if stem != word and stem[-1:] and stem[-1:] in _CONSONANTS:
            yield from (Reading(stem + "а", sex, case) for sex in (MAN, WOMAN) for case in cases)
    if word[-1] in "еёуюэяы":
        yield from (Reading(word, sex, case) for sex in (MAN, WOMAN) for case in _EVERY_CASE)


def _declined(word: str) -> Iterator[str]:
    """Forms of a surname that the dictionary does not know, from its nominative."""
    if word.endswith(("ов", "ев", "ёв", "ин", "ын")):
        yield from (word + ending for ending in _MAN_IN_OV)
    elif word.endswith(("ова", "ева", "ёва", "ина", "ына")):
        yield from (word[:-1] + ending for ending in _WOMAN_IN_OVA)
    elif word.endswith(("ский", "цкий")):
        yield from (word[:-2] + ending for ending in _MAN_IN_SKY)
    elif word.endswith(("ская", "цкая")):
        yield from (word[:-2] + ending for ending in _WOMAN_IN_SKAYA)
    elif word[-1:] and word[-1] in _CONSONANTS:
        yield from (word + ending for ending in _MAN_HARD)


@cache
def morphology() -> Morphology:
    return Morphology()
