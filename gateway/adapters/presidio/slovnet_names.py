"""Names in Cyrillic by slovnet's NER: a convolution over word vectors that sees three words either side."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.citations import person
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.morphology import morphology
from gateway.adapters.presidio.patterns import LANGUAGE

Range = tuple[int, int]

_SCORE = 0.85  # under the rules': of two equal findings always the same one is kept
_SIGHT = 5  # words read to either side of a capital: more than the three of the net, for the tags' chain
_LENGTH = 96  # words of a piece
_CAPITALISED = re.compile(r"[А-ЯЁ][а-яёА-ЯЁ]")
_WORD = re.compile(r"\S+")
_FIRST_LETTERS = re.compile(r"[^\W\d_][\w-]*")
_BEFORE_A_SENTENCE = re.compile(r"(?:\A|\n|[.!?…][\"»)]?\s)[^\w\n]*$")

# A name's borders: «Скотт Хоровитц (Scott Horowitz», «Сёмин, Фёдоров», «• Ирина».
_APART = re.compile(r"[\n\r\v\f\x85\u2028\u2029,;:()\[\]{}•*|/\\\"«»„“”<>=]+|\s-+\s")
_PARTICLES = frozenset((
    "де", "фон", "ван", "дер", "бин", "бен", "ибн", "эль", "аль", "ди", "да", "дель", "ла", "оглы", "кызы",
))  # fmt: skip
_ROLE = re.compile(
    r"(?i)(?:(?:преподавател|студент|учител|учени[кц]|профессор|доцент|автор|господин|госпож)\w*\s+)+"
)
_LIKE_A_SURNAME = re.compile(r"(?:[оеё]в|[иы]н)(?:а|у|ым|ой|е)?$")
_NAME = re.compile(r"[А-ЯЁ][а-яё]{3,}+")


@dataclass(frozen=True, slots=True)
class Piece:
    """`text[start:end]` is read, and what begins in its core is believed."""

    start: int
    end: int
    core_start: int
    core_end: int


class SlovnetNames(LocalRecognizer):
    """slovnet's NER, persons only, over navec vectors; 206 MB, 8 ms per 1,000 characters of news."""

    def load(self) -> None:
        """Reads the files in natasha's wheel; natasha itself (with its old dependencies) is not imported."""
        from navec import Navec  # noqa: PLC0415 - a model of 26 MB, wanted only with names switched on
        from slovnet import NER  # noqa: PLC0415

        spec = find_spec("natasha")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("natasha")
        data = Path(spec.origin).parent / "data"
        ner = NER.load(data / "model" / "slovnet_ner_news_v1.tar")
        self._ner = ner.navec(Navec.load(data / "emb" / "navec_news_v1_1B_250K_300d_100q.tar"))

    def __init__(self) -> None:
        self._lexicon = lexicon()
        self._morphology = morphology()
        super().__init__(["PERSON"], supported_language=LANGUAGE, name="SlovnetNames")

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        if not _CAPITALISED.search(text):
            return []
        pieces = [*self._worth_reading(text)]
        people: list[Range] = []
        read = self._ner.map(text[piece.start : piece.end] for piece in pieces)
        for piece, markup in zip(pieces, read, strict=True):
            for span in markup.spans:
                start, end = piece.start + span.start, piece.start + span.stop
                if span.type == "PER" and piece.core_start <= start < piece.core_end:
                    people.extend(self._names_in(text, start, end))
        people.extend(self._again(text, people))
        return [person(self, text, start, end, score=_SCORE) for start, end in people]

    def _worth_reading(self, text: str) -> Iterator[Piece]:
        """Pieces around every word with a capital that is more than the first word of a sentence."""
        words = [word.span() for word in _WORD.finditer(text)]
        telling = [index for index, (start, end) in enumerate(words) if self._is_telling(text, start, end)]
        first = last = -1
        for index in (*telling, len(words) + 3 * _SIGHT):
            if first >= 0 and index - last > _SIGHT:
                yield from _cut(words, max(0, first - _SIGHT), min(len(words), last + 1 + _SIGHT))
                first = -1
            if first < 0:
                first = index
            last = index

    def _is_telling(self, text: str, first: int, last: int) -> bool:
        letters = _FIRST_LETTERS.search(text, first, last)
        if letters is None or letters[0].islower():
            return False
        return not (letters[0].istitle() and _begins(text, first) and self._is_ordinary(letters[0]))

    def _is_ordinary(self, word: str) -> bool:
        """A word of the dictionary that nobody is called; «Шумов», «Мороз» and «Квиллфезер» are not."""
        return self._morphology.kinds(word.lower()) == {"word"} and not _LIKE_A_SURNAME.search(word)

    def _names_in(self, text: str, start: int, end: int) -> Iterator[Range]:
        """The names in what the net calls a person, with exact borders."""
        cursor = start
        for gap in (*_APART.finditer(text, start, end), None):
            yield from self._trimmed(text, cursor, gap.start() if gap else end)
            if gap:
                cursor = gap.end()

    def _trimmed(self, text: str, start: int, end: int) -> Iterator[Range]:
        role = _ROLE.match(text, start, end)
        words = [word.span() for word in _WORD.finditer(text, role.end() if role else start, end)]
        while words and not self._may_begin(text, words):
            words.pop(0)
        while words and not self._may_end(text[slice(*words[-1])]):
            if text[slice(*words[-1])] in _PARTICLES:
                break
            words.pop()
        if not words:
            return
        start, end = words[0][0], words[-1][1]
        while start < end and not text[start].isalnum():
            start += 1
        while end > start and not (
            text[end - 1].isalnum() or (text[end - 1] == "." and _is_initial(text, end))
        ):
            end -= 1
        if (
            end - start > 1
            and not any(map(str.isdigit, text[start:end]))
            and self._may_be_a_name(text, start, end)
        ):
            yield start, end

    def _may_end(self, word: str) -> bool:
        """Not a small word, nor the next line's: the net sees no lines, «Т. П. Залесский / My name is»."""
        return any(map(str.isupper, word)) and word.lower() not in self._lexicon.not_names_en

    def _may_be_a_name(self, text: str, start: int, end: int) -> bool:
        """Not a country, nor a sentence's first word that is an ordinary one («Подана заявка»)."""
        kinds = [self._morphology.kinds(word.lower()) for word in text[start:end].split()]
        if all(kind == {"Geox"} for kind in kinds):
            return False
        return len(kinds) > 1 or not self._is_ordinary(text[start:end]) or not _begins(text, start)

    def _may_begin(self, text: str, words: list[Range]) -> bool:
        """«Украины Виктор Янукович», «вдова Ельцина»: what is no name and stands before a given name goes."""
        word = text[slice(*words[0])]
        if word.lower().rstrip(".") in _PARTICLES:
            return len(words) > 1
        if word[0].islower() and "-" not in word:
            return False
        if len(words) < 2:
            return True
        if self._is_ordinary(word) and _begins(text, words[0][0]):
            return False
        if len(words) == 2 and self._is_a_word_of_another(word, text[slice(*words[1])]):
            return False
        following = text[slice(*words[1])]
        if not self._lexicon.is_given_ru(following) or self._lexicon.is_given_ru(word):
            return True
        kinds = self._morphology.kinds(word.lower())
        return not kinds or bool(kinds & {"Surn", "Patr"}) or ("Name" in kinds and "Geox" not in kinds)

    def _is_a_word_of_another(self, word: str, name: str) -> bool:
        """«Роман Тургенева», «Слава Иванову»: the first would be a given name, did the cases agree."""
        if not self._lexicon.is_a_word_too(word):
            return False
        return not self._morphology.are_given_and_surname(word.lower(), name.lower())

    def _again(self, text: str, people: list[Range]) -> Iterator[Range]:
        """The same surname or given name elsewhere in another case: «Егор Свиридов ... без Егора»."""
        known: dict[str, set[str]] = {}  # the first three letters -> lemmas
        for start, end in people:
            for part in _NAME.finditer(text, start, end):
                if self._lexicon.is_only_a_name(part[0]):
                    known.setdefault(part[0][:3], set()).update(self._lemmas(part[0]))
        if not known:
            return
        taken = sorted(people)
        index = 0
        for word in _NAME.finditer(text):
            while index < len(taken) and taken[index][1] <= word.start():
                index += 1
            if index < len(taken) and taken[index][0] < word.end():
                continue
            lemmas = known.get(word[0][:3])
            if (
                lemmas
                and not self._morphology.kinds(word[0].lower()) & {"word", "Geox", "Orgn"}
                and self._lemmas(word[0]) & lemmas
                and self._lexicon.is_only_a_name(word[0])
            ):
                yield word.span()

    def _lemmas(self, word: str) -> frozenset[str]:
        readings = self._morphology.readings(word.lower())
        return frozenset(reading.lemma.rstrip("+") for reading in readings if not reading.rare)


def _begins(text: str, start: int) -> bool:
    """Whether a sentence or line begins at `start`."""
    return bool(_BEFORE_A_SENTENCE.search(text, max(0, start - 6), start))


def _is_initial(text: str, end: int) -> bool:
    return end >= 2 and text[end - 2].isupper() and (end < 3 or not text[end - 3].isalpha())


def _cut(words: list[Range], first: int, last: int) -> Iterator[Piece]:
    """The words `first..last` in pieces of one length (read at once), with what the net sees beyond."""
    for begin in range(first, last, _LENGTH):
        end = min(last, begin + _LENGTH)
        yield Piece(
            words[max(first, begin - _SIGHT)][0],
            words[min(last, end + _SIGHT) - 1][1],
            words[begin][0],
            words[end - 1][1],
        )
