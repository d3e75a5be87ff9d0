"""Names in Latin letters by rules and lists: honorifics, introductions, given names beside a capital.

Beside the tagger these rules add little; where names are switched off they are all there is.
"""

import re
from collections.abc import Iterator

from presidio_analyzer import RecognizerResult

from gateway.adapters.presidio.citations import is_cited
from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.lexicon import Lexicon, lexicon
from gateway.adapters.presidio.patterns import LANGUAGE, SURE
from gateway.adapters.presidio.reading import TextRecognizer

Range = tuple[int, int]

# Letters with accents, to the end of Latin Extended-B.
_UP = "[" + "".join(filter(str.isupper, map(chr, range(0x41, 0x250)))) + "]"
_LOW = "[" + "".join(filter(str.islower, map(chr, range(0x61, 0x250)))) + "]"
_NAME = rf"(?:(?:Mc|Mac|[OD]['’]){_UP}{_LOW}++|{_UP}{_LOW}++(?:-{_UP}{_LOW}++)*+)"
_PARTICLE = r"(?:van der|van den|van|von|de la|de|del|di|da|bin|ibn|al|el)"

_TOKEN = re.compile(rf"(?<!\w)(?<!\w['’])(?:{_NAME}|{_UP}\.|[B-HJ-Z](?=[ ]{_UP}{_LOW}))(?!\w|['’]t)")
_BETWEEN = re.compile(rf"(?:[ ]|[ ]{_PARTICLE}[ ])")
_LONGEST_RUN = 6

_HONORIFICS = frozenset(
    ("mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "madam", "doctor", "judge", "captain")
)

# After these words a capitalised word is a person, whatever the lists say.
_SURE_LEAD = re.compile(
    r"(?i)(?<!\w)(?:my (?:full |first |last |maiden )?name(?:['’]s| is)"
    r"|(?:her|his|maiden|last|first|full) name(?:['’]?s| is|:|\?)|call me"
    r"|(?:name|author|student|pupil|user|teacher|supervisor|directed by|submitted by|prepared by|written by"
    r"|completed by|done by|signed|sincerely|regards|yours)(?:[ ]*[:,][ ]*|[ ]*,?\n+[ ]*))\s*"
)
_GREETING = re.compile(
    r"(?i)(?<!\w)(?:dear|hi|hello|hey|thanks|i am|i['’]m|this is|yours truly,?|called|named|name)[ ]+"
)
# It begins with a class: `re` then looks at nothing else (a Russian KB took 180 us).
_SHOUTED = re.compile(r"[A-Z](?<!\w[A-Z])[A-Z]{2,19}+(?: [A-Z]{2,20}+){1,2}+(?!\w)")
_BEFORE_AN_INITIAL = re.compile(r"(?i)(?<!\w)(?:by|with|from|and|dear|hi|of|to|student|author)[ ]$")
_LOWER_LEAD = re.compile(r"(?i)(?<!\w)my name(?:['’]s| is) ([^\W\d_]++)(?: ([^\W\d_]++))?")


class EnglishNames(TextRecognizer):
    """Case matters: what is written all in lower case is found after "my name is" only."""

    def __init__(self) -> None:
        self._lexicon = lexicon()
        super().__init__(["PERSON"], supported_language=LANGUAGE, name="EnglishNames")

    def read(self, text: str) -> list[RecognizerResult]:
        text = _SHOUTED.sub(lambda shouted: shouted[0].title(), text)  # "JOHN SMITH" on a title page
        sure = {match.end() for match in _SURE_LEAD.finditer(text)}
        greeted = {match.end() for match in _GREETING.finditer(text)}
        introduced = [*self._lower_case(text)]
        people: list[tuple[int, int, bool]] = []
        for run in _runs(text, _TOKEN, _BETWEEN):
            if one := self._introduced(text, run, sure):
                introduced.append(one)
            else:
                people.extend(self._people(text, run, greeted))
        return [
            *(found(self, "PERSON", start, end, SURE, introduced=True) for start, end in introduced),
            *(found(self, "PERSON", start, end, SURE, cited=cited) for start, end, cited in people),
        ]

    def _introduced(self, text: str, run: list[Range], sure: set[int]) -> Range | None:
        if run[0][0] not in sure:
            return None
        last = _name_length([text[start:end] for start, end in run], 0, self._lexicon)
        return (run[0][0], run[last - 1][1]) if last else None

    def _people(self, text: str, run: list[Range], greeted: set[int]) -> Iterator[tuple[int, int, bool]]:
        """Start, end, and whether it is subject matter."""
        words = [text[start:end] for start, end in run]
        index = 0
        while index < len(run):
            length, certain = _person_at(words, index, self._lexicon, text, run, greeted)
            if length:
                first = index + (words[index].rstrip(".").lower() in _HONORIFICS)
                start, end = run[first][0], run[index + length - 1][1]
                cited = self._lexicon.is_subject_matter(text, start, end) or is_cited(text, start, end)
                yield start, end, cited and not certain
            index += max(length, 1)

    def _lower_case(self, text: str) -> Iterator[Range]:
        for match in _LOWER_LEAD.finditer(text):
            first = match[1].lower()
            if first in self._lexicon.given_en or first in self._lexicon.ambiguous_en:
                surname = match[2] and match[2].lower() not in self._lexicon.not_names_en
                yield match.start(1), match.end(2) if surname else match.end(1)


def _person_at(
    words: list[str], index: int, known: Lexicon, text: str, run: list[Range], greeted: set[int]
) -> tuple[int, bool]:
    """How many words from `index` on are a person (0: none), and whether no list of terms may object."""
    word = words[index].rstrip(".").lower()
    word = word if word in known.given_en else word.partition("-")[0]  # "Anna-Maria"
    rest = len(words) - index
    if word in _HONORIFICS and rest > 1:
        length = _name_length(words, index + 1, known)
        return (length + 1, True) if length else (0, False)
    if word in known.not_names_en and not _is_initial(words[index]):
        return 0, False
    length = _name_length(words, index, known)
    if _is_initial(words[index]):  # "J. R. Smith"; "by J. Smith", but not the enumeration "A. Force"
        initials = next((i for i, w in enumerate(words[index:]) if not _is_initial(w)), 0)
        if initials == 0 or words[index + initials].lower() in known.not_names_en:
            return 0, False
        introduced = initials > 1 or _BEFORE_AN_INITIAL.search(
            text, max(0, run[index][0] - 12), run[index][0]
        )
        return (initials + 1, False) if introduced else (0, False)
    if length >= 3 and any(len(w) == 2 and _is_initial(w) for w in words[index + 1 : index + length - 1]):
        return length, False  # "Faina D. Yefremova"
    if length > 1 and (word in known.given_en or word in known.ambiguous_en):
        return min(length, 3), False
    if run[index][0] in greeted and (length > 1 or word in known.ambiguous_en):
        return length, False
    if word in known.given_en:
        return 1, False
    return 0, False


def _name_length(words: list[str], index: int, known: Lexicon) -> int:
    """Words from `index` on that may be parts of one name; a last lone initial is the end of a sentence."""
    length = 0
    for word in words[index : index + 4]:
        if word.lower() in known.not_names_en:
            break
        length += 1
    while length > 1 and _is_initial(words[index + length - 1]):
        length -= 1
    return 0 if length == 1 and _is_initial(words[index]) else length


def _is_initial(word: str) -> bool:
    return len(word.rstrip(".")) == 1


def _runs(text: str, token: re.Pattern[str], between: re.Pattern[str]) -> Iterator[list[Range]]:
    """Neighbouring capitalised words and initials, at most six together."""
    run: list[Range] = []
    for match in token.finditer(text):
        honorific = run and text[run[-1][1] : match.start()] == ". " and _is_honorific(text, run[-1])
        joined = run and (honorific or between.fullmatch(text, run[-1][1], match.start()))
        if run and (not joined or len(run) == _LONGEST_RUN):
            yield run
            run = []
        run.append(match.span())
    if run:
        yield run


def _is_honorific(text: str, span: Range) -> bool:
    return text[span[0] : span[1]].lower() in _HONORIFICS
