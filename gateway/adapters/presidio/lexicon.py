"""The word lists, and the question they answer: is this name a person's, or is it subject matter?

«Закон Ньютона», "Dijkstra's algorithm", «Пушкин написал»: masking these would destroy an answer.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
# «Ньютон» -> «Ньютоном»
_ENDING = re.compile(
    r"(?:[аяуюеёиыоьй]|[оеё]м|[оеы]й|[ыи]м|ий|ая|ую|ью|и[яюи]|ь[яеи]|[ое]го|[ое]му|ие[мй]|ье[мй])?"
)
_LETTERS = re.compile(r"[^\W\d_]+")

_TERM_NOUN = (
    r"(?i)(?<!\w)(?:закон|теорем|метод|алгоритм|формул|дерев|уравнени|неравенств|правил|критери|распределени|интеграл"
    r"|преобразовани|принцип|эффект|парадокс|лемм|постулат|аксиом|гипотез|тождеств|постоянн|коэффициент|бином|признак"
    r"|theorem of|law of|laws of|method of|principle of|paradox of)\w{0,4}\s+"
)
_TERM_BEFORE = re.compile(_TERM_NOUN + "$")
_TERM_INSIDE = re.compile(_TERM_NOUN)
_TERM_AFTER = re.compile(
    r"(?i)(?:['’]s?)?\s+(?:(?:first|second|third)\s+)?(?:law|theorem|algorithm|method|equation|formula|constant|principle"
    r"|distribution|inequality|transform|series|paradox|effect|lemma|postulate|hypothesis|tree|sort|number|machine"
    r"|triangle|test|rule|criterion|process|chain|diagram|matrix|circuit|cipher|code)s?(?!\w)"
)
_NAMES_AND_WORDS_RU = frozenset(
    (
        "вера",
        "надежда",
        "любовь",
        "лев",
        "роман",
        "слава",
        "майя",
        "марк",
        "мира",
        "злата",
        "роза",
        "лилия",
        "клим",
        "рада",
    )
)
_PATRONYMIC = re.compile(r"(?:[оеё]вич|[ьмк]ич|[оеё]вн|ичн)(?:а|у|ем|ом|е|ы|ой)?$")
_BORNE_BY_STUDENTS = re.compile(r"(?i)(?:ов|ев|ёв|ин|ын)(?:а|у|ым|е|ой|ы|ых)?$")


@dataclass(frozen=True, slots=True)
class Lexicon:
    given_en: frozenset[str]
    ambiguous_en: frozenset[str]  # also words: "Will", "Grace"
    not_names_en: frozenset[str]  # "The", "Monday"
    given_ru: frozenset[str]  # stems
    terms: dict[str, frozenset[str]]  # surname stem -> given-name stems
    shared_terms: dict[str, frozenset[str]]  # the same for surnames that students bear too

    def is_given_ru(self, word: str) -> bool:
        return bool(_stem_in(word.lower(), self.given_ru))

    def is_only_a_name(self, word: str) -> bool:
        """Whether a part of somebody's name may be taken for that person wherever it stands."""
        lower = word.lower()
        return word[0].isupper() and not (
            lower in self.ambiguous_en
            or lower in self.not_names_en
            or lower in _NAMES_AND_WORDS_RU
            or _stem_in(lower, self.terms)
        )

    def is_subject_matter(self, text: str, start: int, end: int) -> bool:
        """Whether the name `text[start:end]` is a theorem's, a writer's, a hero's: no person at hand."""
        term = _TERM_INSIDE.match(text, start, end)  # NER takes «Теорема Пифагора» for a person
        if term:
            start = term.end()
        words = [
            word.lower()
            for word in _LETTERS.findall(text[start:end])
            if word not in ("s", "van", "von", "де")
        ]
        if sum(map(len, words)) < 2:
            return True
        if len(words) == 1:
            return bool(_stem_in(words[0], self.terms)) or _in_a_term(text, start, end)
        return any(self._is_the_famous(words[i], words[:i] + words[i + 1 :]) for i in (len(words) - 1, 0))

    def _is_the_famous(self, surname: str, others: list[str]) -> bool:
        for known in (self.terms, self.shared_terms):
            stem = _stem_in(surname, known)
            if stem and (not others or _are_given(others, known[stem])):
                return True
        return False


def _are_given(words: list[str], stems: frozenset[str]) -> bool:
    """Whether `words` are the given names `stems`, in full or as initials, with or without a patronymic."""
    if not stems:
        return True
    first = words[0]
    if len(first) == 1:
        matches = any(stem.startswith(first) for stem in stems)
    else:
        matches = bool(_stem_in(first, stems))
    return matches and all(
        len(word) == 1 or _stem_in(word, stems) or _PATRONYMIC.search(word) for word in words
    )


def _in_a_term(text: str, start: int, end: int) -> bool:
    if _TERM_AFTER.match(text, end):
        return True
    before = _TERM_BEFORE.search(text[max(0, start - 24) : start])
    return before is not None and not _BORNE_BY_STUDENTS.search(text[start:end])


def _stem_in(word: str, stems: "frozenset[str] | dict[str, frozenset[str]]") -> str:
    """The stem of `stems` that `word` is a form of, or an empty string. Latin words are not inflected."""
    if word.isascii():
        return word if word in stems else ""
    for length in range(len(word), max(1, len(word) - 4), -1):
        if word[:length] in stems and _ENDING.fullmatch(word, length):
            return word[:length]
    return ""


@cache
def lexicon() -> Lexicon:
    plain, _, ambiguous = _read("given_names_en.txt").partition("=")
    terms: dict[str, frozenset[str]] = {}
    shared: dict[str, frozenset[str]] = {}
    for entry in _read("terms.txt").replace("\n", ";").split(";"):
        surname, _, given = entry.strip().partition(":")
        if surname:
            (shared if surname.startswith("~") else terms)[surname.lstrip("~")] = frozenset(given.split())
    ambiguous_en = frozenset(ambiguous.partition("\n")[2].split())
    return Lexicon(
        given_en=frozenset(plain.split()) - ambiguous_en,
        ambiguous_en=ambiguous_en,
        not_names_en=frozenset(_read("not_names_en.txt").split()),
        given_ru=frozenset(_read("given_names_ru.txt").split()),
        terms=terms,
        shared_terms=shared,
    )


def _read(name: str) -> str:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))
