"""A deployment's own lists: words that are never masked, and words that always are.

An entry is a phrase of whole words; letter case, ё for е and blanks do not matter. Russian words are found in
all their forms: a denied one in those of every reading («Иванова» also finds «Иванов»: too much rather than
too little), an allowed one in those that it is itself the nominative of («Ньютон» also allows «Ньютоном»).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.morphology import morphology
from gateway.adapters.presidio.patterns import LANGUAGE, SURE

KIND = "CUSTOM"

_MARKS = " .,;:!?\"'«»“”()"

_WORD = re.compile(r"\w+")
_CYRILLIC = re.compile(r"[а-яё]+")
_APART = re.compile(r"[^\w\n]{0,3}\n?[^\w\n]{0,3}")  # what may stand between two words of one phrase


class Phrases:
    """Stretches of a text that are one of the phrases: a tree of words, so time is linear in the text."""

    def __init__(self, entries: Iterable[str], *, every_reading: bool) -> None:
        self._every_reading = every_reading
        self._numbers: dict[str, int] = {}
        self._words: dict[str, tuple[int, ...]] = {}  # form -> numbers of the entries' words it is a form of
        self._tree: dict[int, Branch] = {}
        for entry in entries:
            branch: Branch | None = None
            for word in map(_folded, _WORD.findall(entry)):
                branches = self._tree if branch is None else branch.branches
                branch = branches.setdefault(self._number_of(word), Branch())
            if branch is not None:
                branch.ends = True

    def __bool__(self) -> bool:
        return bool(self._tree)

    def found_in(self, text: str) -> Iterator[tuple[int, int]]:
        """From left to right the longest phrase at each word; phrases do not overlap."""
        words = [*_WORD.finditer(text)]
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
    """What the deployment allows and denies. Some 0.3 ms for each Russian entry, once, in the worker."""

    def __init__(self, allow: Sequence[str], deny: Sequence[str]) -> None:
        self._allowed = Phrases(allow, every_reading=False)
        self.denied = Phrases(deny, every_reading=True)

    def is_allowed(self, words: str) -> bool:
        """Whether the whole of a finding is an allowed phrase."""
        if not self._allowed:
            return False
        first = _WORD.search(words)
        return first is not None and (first.start(), len(words.rstrip(_MARKS))) in self._allowed.found_in(
            words
        )


class DenyList(LocalRecognizer):
    """Every phrase of the list is personal here: a project's name, a street, a nickname."""

    def __init__(self, lists: CustomLists) -> None:
        self._denied = lists.denied
        super().__init__([KIND], supported_language=LANGUAGE, name="DenyList")

    def load(self) -> None:
        """Nothing to load: the lists come from the caller."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        if not self._denied:
            return []
        return [found(self, KIND, start, end, SURE) for start, end in self._denied.found_in(text)]


def _folded(word: str) -> str:
    return word.casefold().replace("ё", "е")
