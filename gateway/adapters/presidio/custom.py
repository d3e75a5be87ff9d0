"""A deployment's own lists: words that are never masked, and words that always are.

An entry is a phrase of whole words; letter case, ё for е, blanks and `_` do not matter, nor whether the words
stand apart: "Project Kestrel" is also found in `project_kestrel.txt` and `ProjectKestrel`. Russian words are
found in all their forms: a denied one in those of every reading («Иванова» also finds «Иванов»: too much
rather than too little), an allowed one in those that it is itself the nominative of («Ньютон» also allows
«Ньютоном»).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from presidio_analyzer import RecognizerResult

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.folding import fold
from gateway.adapters.presidio.morphology import morphology
from gateway.adapters.presidio.reading import TextRecognizer
from gateway.adapters.presidio.writing import LANGUAGE, SURE, WORD, has_word

KIND = "CUSTOM"

_CYRILLIC = re.compile(r"[а-яё]+")
_APART = re.compile(  # what may stand between two words of one phrase
    r"(?:(?!\n)[\W_]){0,3}\n?(?:(?!\n)[\W_]){0,3}"
)
_CAMEL = re.compile(r"(?<=[a-zа-яё])(?=[A-ZА-ЯЁ])")  # between the words of "ProjectKestrel"
_LONG = 3  # letters: shorter words run together are another word, "may be" and "maybe"


class Phrases:
    """Stretches of a text that are one of the phrases: a tree of words, so time is linear in the text."""

    def __init__(self, entries: Iterable[str], *, every_reading: bool) -> None:
        self._every_reading = every_reading
        self._numbers: dict[str, int] = {}
        self._words: dict[str, tuple[int, ...]] = {}  # form -> numbers of the entries' words it is a form of
        self._tree: dict[int, Branch] = {}
        for entry in entries:
            if not has_word(entry):
                raise ValueError("an entry of the lists has no letter and no digit")
            for words in _spellings(fold(entry).text):
                self._add(words)

    def _add(self, words: Sequence[str]) -> None:
        branches = self._tree
        for word in words:
            branch = branches.setdefault(self._number_of(word), Branch())
            branches = branch.branches
        branch.ends = True

    def __bool__(self) -> bool:
        return bool(self._tree)

    def found_in(self, text: str) -> Iterator[tuple[int, int]]:
        """From left to right the longest phrase at each word; phrases do not overlap."""
        words = [*WORD.finditer(text)]
        index = 0
        while index < len(words):
            length = self._longest_at(text, words, index)
            if length:
                yield words[index].start(), words[index + length - 1].end()
            index += length or 1

    def _longest_at(self, text: str, words: Sequence[re.Match[str]], index: int) -> int:
        longest = 0
        reached = [self._tree]
        for length, position in enumerate(range(index, len(words))):
            if length and not _APART.fullmatch(text, words[position - 1].end(), words[position].start()):
                break
            numbers = self._words.get(_folded(words[position][0]), ())
            taken = [branches[number] for branches in reached for number in numbers if number in branches]
            if not taken:
                break
            if any(branch.ends for branch in taken):
                longest = length + 1
            reached = [branch.branches for branch in taken]
        return longest

    def _number_of(self, word: str) -> int:
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self._numbers)
            forms = {word}
            if _CYRILLIC.fullmatch(word):
                forms |= morphology().forms(word, every_reading=self._every_reading)
            for form in forms:
                self._words[form] = (*self._words.get(form, ()), number)
        return number


@dataclass(slots=True)
class Branch:
    """The words that may follow, by their numbers."""

    branches: "dict[int, Branch]" = field(default_factory=dict)
    ends: bool = False  # a phrase ends here


class CustomLists:
    """What the deployment allows and denies. Some 0.3 ms for each Russian entry, once, in the worker. Raises
    ValueError for an entry that could never be found."""

    def __init__(self, allow: Sequence[str], deny: Sequence[str]) -> None:
        self._allowed = Phrases(allow, every_reading=False)
        self.denied = Phrases(deny, every_reading=True)
        self.allows = bool(self._allowed)  # otherwise nothing need be read for it

    def allowed_in(self, text: str) -> list[tuple[int, int]]:
        """Where allowed phrases stand in a folded text, from left to right, apart. No part of one is
        personal: not «Каренина» either where «Анна Каренина» is allowed and written."""
        return [*self._allowed.found_in(text)] if self.allows else []


class DenyList(TextRecognizer):
    """Every phrase of the list is personal here: a project's name, a street, a nickname."""

    def __init__(self, lists: CustomLists) -> None:
        self._denied = lists.denied
        super().__init__([KIND], supported_language=LANGUAGE, name="DenyList")

    def read(self, text: str) -> list[RecognizerResult]:
        if not self._denied:
            return []
        return [found(self, KIND, start, end, SURE) for start, end in self._denied.found_in(text)]


def _spellings(entry: str) -> set[tuple[str, ...]]:
    """The words of an entry, as they stand, apart at inner capitals, and run together."""
    written = tuple(map(_folded, WORD.findall(entry)))
    apart = tuple(map(_folded, WORD.findall(_CAMEL.sub(" ", entry))))
    spellings = {written, apart}
    if all(len(word) >= _LONG and word.isalpha() for word in apart):
        spellings.add(("".join(apart),))
    return spellings


def _folded(word: str) -> str:
    return word.casefold().replace("ё", "е")
