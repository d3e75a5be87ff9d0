"""Sources and heroes: names that an answer is about, by what stands around them.

Privacy wins in doubt. A year behind a name is a citation only beside a verb or word of scholarship, or inside
brackets that hold nothing but authors and years: «Иванов и Петров (2024) сдали работу» and "Ivanov (2006),
group 3" are people at hand, "Ivanov (2010) argues", «согласно Иванову (2010)» and "(Ivanov & Petrov, 2010)"
are sources. In «роман "..." NAME» the name is the writer's; of a story or an essay, which a class writes too,
it is not.

Sources show within a line; the book that a hero is of may be named pages before, or in the question only:
`heroes_of` reads the whole of both, once.
"""

import re
from dataclasses import dataclass
from functools import cache

from presidio_analyzer import EntityRecognizer, RecognizerResult

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.lexicon import lexicon, read_list, stem_in
from gateway.adapters.presidio.patterns import SURE

_AROUND = 160  # characters read before and after a name

_UP, _LETTER = "[A-ZÀ-ÖØ-ÞĀ-ſА-ЯЁ]", r"[^\W\d_]"
_YEAR = r"(?:1[5-9]\d\d|20[0-3]\d)[a-zа-д]?(?!\w)"
_SURNAME = rf"{_UP}{_LETTER}++(?:[-'’]{_LETTER}++)*+"
_INITIALS = rf"(?:{_UP}\.[ ]?-?){{1,3}}"
_AUTHOR = rf"(?:{_INITIALS})?{_SURNAME}(?:,?[ ]{_INITIALS})?"
_AND = r"(?:,[ ](?:(?:and|и)[ ]|&[ ])?|[ ](?:and|&|и)[ ])"
_ET_AL = (
    r"(?:,?[ ](?:et[ ]al\.?|и[ ]др(?:\.|угие)|и[ ]соавт(?:\.|оры)|с[ ]соавт\.|and[ ]colleagues|и[ ]коллеги))"
)
_AUTHORS = rf"{_AUTHOR}(?:{_AND}{_AUTHOR}){{0,5}}{_ET_AL}?"
_PAGES = r"(?:[,:][ ]?(?:pp?\.|с\.|стр\.|ch\.|гл\.)?[ ]?\d{1,4}(?:[-–]\d{1,4})?)?"
_SOURCE = rf"{_AUTHORS},?[ ]{_YEAR}(?:,[ ]{_YEAR})*{_PAGES}"
_SEE = r"(?:(?:see|cf\.|e\.g\.,?|i\.e\.,?|also|см\.|ср\.|цит\.[ ]по:?|напр\.,?|например,)[ ])*"

# "(Ivanov, 2010; Smith & Lee, 2011, p. 5)", «[см. Иванов, 2010]»
_IN_BRACKETS = re.compile(rf"{_SEE}{_SOURCE}(?:;[ ]?{_SEE}{_SOURCE}){{0,9}}")
_BRACKET = re.compile(r"[(\[]([^()\[\]\n]*)$")
_REST_OF_BRACKET = re.compile(r"[^()\[\]\n]*(?=[)\]])")
_ROLE_BEFORE = re.compile(
    r"(?i)(?:студент|учени[кц]|автор|групп|преподавател|выполнил|старост|student|pupil|author|group|teacher|submitted)"
    r"[\w ,:]{0,20}[(\[]?$"
)
# "Ivanov and Petrov (2010) argue", "Ivanov et al. (2010)"
_WITH_YEAR = re.compile(rf"(?P<authors>{_AUTHORS})[ ]\({_YEAR}{_PAGES}\)")
_WITH_OTHERS = re.compile(rf"{_SURNAME}(?:{_AND}{_SURNAME}){{0,5}},?[ ]et[ ]al(?!\w)")
_ARGUES = re.compile(
    r"(?i),?[ ](?:(?:also|first|later|has|have|had|в|своей|работе|также|первым|впервые)[ ]){0,3}"
    r"(?:argu|claim|suggest|propos|demonstrat|defin|introduc|conclud|hypothes|maintain|point(?:s|ed)? out"
    r"|describ|emphasi|report(?:s|ed)? (?:that|a)|show(?:s|ed|n)? (?:that|how)|f(?:ind|inds|ound) that"
    r"|not(?:es?|ed) that"
    r"|writes? that|утвержда|отмеча|полага|предложил|предлага|определ[яи]|вводит|ввел|ввёл|пишет"
    r"|писал|указыва|подч[её]ркива|рассматрива|обоснов|сформулир"
    r"|(?:показ|доказ|обнаруж|счита|опис)\w*,? (?:что|как))"
)
_ACCORDING = re.compile(
    r"(?i)(?<!\w)(?:according to|following|as in|see|cf\.|cited (?:by|in)|quoted (?:by|in)"
    r"|(?:theory|study|model|findings|research|work|paper|framework|definition|results) (?:of|by)"
    r"|согласно|по мнению|вслед за|по|см\.|ср\."
    rf"|(?:теори|исследовани|модел|концепци|монографи|стать|классификаци|определени)\w*)[ ]"
    rf"(?:{_AUTHOR}{_AND}){{0,3}}$"
)

# Of long forms only: a class writes stories, essays and verses itself.
_WORK = (
    r"(?i:роман|повест|поэм|трагеди|комеди|эпопе|опер|симфони|балет|novel|poem|tragedy|comedy|epic|opera|symphony)"
    r"(?i:[а-яё]{0,3}|s|s')"
)
_TITLE = r"(?:«[^»\n]{1,80}»|\"[^\"\n]{1,80}\"|“[^”\n]{1,80}”|'[^'\n]{1,80}')"
_WORK_BEFORE = re.compile(rf"(?<!\w){_WORK}[ ]{_TITLE},?[ ](?:(?:by|of)[ ])?$")
_WORK_OF = re.compile(rf"(?<!\w){_WORK}[ ](?:(?:by|of)[ ])?$")
_TITLE_AFTER = re.compile(rf"[ ]{_TITLE}")
_WORK_AFTER = re.compile(rf"['’]s?[ ]{_WORK}[ ]{_TITLE}")

_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Book:
    titles: tuple[str, ...]
    authors: tuple[str, ...]
    heroes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Heroes:
    """Whose heroes may be spoken of: those of books whose title, and of books whose author is named."""

    of_titles: tuple[Book, ...] = ()
    of_authors: tuple[Book, ...] = ()

    def has(self, words: str) -> bool:
        """Whether each word of a name is a hero's, all of one book. Beside the author alone it takes more
        than a given name. Whoever introduces himself (findings.INTRODUCED) is not to be asked about."""
        name = [word.lower() for word in _WORD.findall(words) if word != "s"]
        if not name:
            return False
        if _are_of(self.of_titles, name):
            return True
        known = lexicon()
        return _are_of(self.of_authors, name) and not all(
            known.is_given_ru(word) or word in known.given_en or word in known.ambiguous_en for word in name
        )


def heroes_of(text: str) -> Heroes:
    """The heroes to be expected where this is read: an answer and its question."""
    lower = " ".join(text.lower().split())
    return Heroes(
        tuple(book for book in _books() if any(title in lower for title in book.titles)),
        tuple(book for book in _books() if any(author in lower for author in book.authors)),
    )


def person(
    recognizer: EntityRecognizer, text: str, start: int, end: int, *, score: float = SURE
) -> RecognizerResult:
    """The finding that `text[start:end]` names a person, flagged when it is subject matter."""
    cited = lexicon().is_subject_matter(text, start, end) or is_cited(text, start, end)
    return found(recognizer, "PERSON", start, end, score, cited=cited)


def is_cited(text: str, start: int, end: int) -> bool:
    """Whether the name `text[start:end]` is a source's or a writer's here, by 160 characters around it."""
    before, after = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    name = text[start:end]
    return (
        _in_brackets(before, name, after)
        or _in_the_sentence(before, name, after)
        or _of_a_work(before, after)
    )


def _in_brackets(before: str, name: str, after: str) -> bool:
    opened, rest = _BRACKET.search(before), _REST_OF_BRACKET.match(after)
    if not opened or not rest:
        return False
    inside = opened[1] + name + rest[0]
    return bool(_IN_BRACKETS.fullmatch(inside)) and not _ROLE_BEFORE.search(before[: opened.start() + 1])


def _in_the_sentence(before: str, name: str, after: str) -> bool:
    here = name + after
    if name.rstrip(".") == "al" and before.endswith("et "):  # a tagger takes it for a name
        return True
    if _ROLE_BEFORE.search(before):
        return False
    if _WITH_OTHERS.match(here):
        return True
    source = _WITH_YEAR.match(here)
    if not source or source.end("authors") < len(name):
        return False
    return bool(_ARGUES.match(here, source.end()) or _ACCORDING.search(before))


def _of_a_work(before: str, after: str) -> bool:
    if _WORK_BEFORE.search(before) or _WORK_AFTER.match(after):
        return True
    return bool(_WORK_OF.search(before) and _TITLE_AFTER.match(after))


def _are_of(books: tuple[Book, ...], name: list[str]) -> bool:
    return any(all(stem_in(word, book.heroes) for word in name) for book in books)


@cache
def _books() -> tuple[Book, ...]:
    books = []
    for line in read_list("heroes.txt").splitlines():
        titles, authors, heroes = (part.strip() for part in line.split("|"))
        books.append(Book(tuple(titles.split(",")), tuple(authors.split(",")), frozenset(heroes.split())))
    return tuple(books)
