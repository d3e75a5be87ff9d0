"""The word lists, and the question they answer: is this name a person's, or is it subject matter?

«Закон Ньютона», "Dijkstra's algorithm", «Пушкин написал»: masking these would destroy an answer.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gateway.adapters.presidio.programming import is_a_programming_language

_FOLDER = Path(__file__).parent
# «Ньютон» -> «Ньютоном»
_ENDING = re.compile(
    r"(?:[аяуюеёиыоьй]|[оеё]м|[оеёы]й|[ыи]м|ий|ая|ую|ью|и[яюи]|ь[яеи]|[ое]го|[ое]му|ие[мй]|ье[мй])?"
)
_LETTERS = re.compile(r"[^\W\d_]+")
_JOINED = re.compile(r"[^\W\d_]+(?: ?[-\u2010-\u2015] ?[^\W\d_]+)+")

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
_RULER = re.compile(r" (I{1,3}|IV|VI{0,3}|IX|X[IV]{0,4})(?!\w)(?! ?(?:курс|групп|класс|тип|вариант|степен))")
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
    common_ru: frozenset[str]  # given names in the nominative
    nobodys_ru: frozenset[str]  # names of pymorphy's dictionary that nobody bears: a woman «Дмитрия»
    nobodys_but_surnames_ru: frozenset[str]  # the same, and there are such surnames: «Марин»
    given_ru: frozenset[str]  # their stems
    terms: dict[str, frozenset[str]]  # surname stem -> given-name stems
    shared_terms: dict[str, frozenset[str]]  # the same for surnames that students bear too

    def is_given_ru(self, word: str) -> bool:
        return bool(stem_in(word.lower(), self.given_ru))

    def is_a_word_too(self, word: str) -> bool:
        """«Роман», «Вера»: a given name in the nominative, and more often a word."""
        return word.lower() in _NAMES_AND_WORDS_RU

    def is_only_a_name(self, word: str) -> bool:
        """Whether a part of somebody's name may be taken for that person wherever it stands."""
        lower = word.lower()
        return word[0].isupper() and not (
            lower in self.ambiguous_en
            or lower in self.not_names_en
            or lower in _NAMES_AND_WORDS_RU
            or stem_in(lower, self.terms)
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
        if self._is_a_ruler(words, text, start):
            return True
        if len(words) == 1:
            return (
                bool(stem_in(words[0], self.terms))
                or _in_a_term(text, start, end)
                or is_a_programming_language(text, start, end)
            )
        if _JOINED.fullmatch(text, start, end) and self._are_terms(words):
            return True
        return any(self._is_the_famous(words[i], words[:i] + words[i + 1 :]) for i in (len(words) - 1, 0))

    def _is_a_ruler(self, words: list[str], text: str, start: int) -> bool:
        """«Александр II», the number within the span or behind it; "Peter V" and "Claire I" are no kings."""
        name = words[0]
        number = _RULER.match(text, start + len(name))
        if not number or (len(words) == 2 and words[1] != number[1].lower()) or len(words) > 2:
            return False
        return name in self.given_en and len(number[1]) > 1 if name.isascii() else self.is_given_ru(name)

    def _are_terms(self, words: list[str]) -> bool:
        """«Менделеева-Клапейрона», "Mann-Whitney": each half by itself, one of them nobody's at hand."""
        return any(stem_in(word, self.terms) for word in words) and all(
            stem_in(word, self.terms) or stem_in(word, self.shared_terms) for word in words
        )

    def _is_the_famous(self, surname: str, others: list[str]) -> bool:
        for known in (self.terms, self.shared_terms):
            stem = stem_in(surname, known)
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
        matches = bool(stem_in(first, stems))
    return matches and all(
        len(word) == 1 or stem_in(word, stems) or _PATRONYMIC.search(word) for word in words
    )


def _in_a_term(text: str, start: int, end: int) -> bool:
    if _TERM_AFTER.match(text, end):
        return True
    before = _TERM_BEFORE.search(text[max(0, start - 24) : start])
    return before is not None and not _BORNE_BY_STUDENTS.search(text[start:end])


def stem_in(word: str, stems: "frozenset[str] | dict[str, frozenset[str]]") -> str:
    """The stem of `stems` that `word` is a form of, or an empty string. Latin words are not inflected."""
    if word.isascii():
        return word if word in stems else ""
    for length in range(len(word), max(1, len(word) - 4), -1):
        if word[:length] in stems and _ENDING.fullmatch(word, length):
            return word[:length]
    return ""


def _stems(name: str) -> list[str]:
    """What an ending may follow; of a short name in a vowel («Оля») its forms: «ол» is too little."""
    if name in ("лев", "павел"):
        return [name, name.replace("е", "ь" if name == "лев" else "")]
    if name[-1] not in "аяйьиоэуе":
        return [name]
    if len(name) > 4:
        return [name[:-1]]
    return [name, *(name[:-1] + ending for ending in ("ы", "и", "е", "у", "ю", "ой", "ей", "ёй", "я"))]


@cache
def lexicon() -> Lexicon:
    plain, _, ambiguous = read_list("given_names_en.txt").partition("=")
    terms: dict[str, frozenset[str]] = {}
    shared: dict[str, frozenset[str]] = {}
    for entry in read_list("terms.txt").replace("\n", ";").split(";"):
        surname, _, given = entry.strip().partition(":")
        if surname:
            (shared if surname.startswith("~") else terms)[surname.lstrip("~")] = frozenset(given.split())
    common, _, nobodys = read_list("given_names_ru.txt").partition("=")
    common_ru = frozenset(common.split())
    ambiguous_en = frozenset(ambiguous.partition("\n")[2].split())
    return Lexicon(
        given_en=frozenset(plain.split()) - ambiguous_en,
        ambiguous_en=ambiguous_en,
        not_names_en=frozenset(read_list("not_names_en.txt").split()),
        common_ru=common_ru,
        nobodys_ru=frozenset(name for name in nobodys.split() if name[0] != "~"),
        nobodys_but_surnames_ru=frozenset(name[1:] for name in nobodys.split() if name[0] == "~"),
        given_ru=frozenset(stem for name in common_ru for stem in _stems(name)),
        terms=terms,
        shared_terms=shared,
    )


def read_list(name: str) -> str:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))
