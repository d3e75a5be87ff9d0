"""The tagger as one of Presidio's recognisers."""

import re

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.citations import is_cited
from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.patterns import LANGUAGE
from gateway.adapters.presidio.tagger.finding import Finder
from gateway.adapters.presidio.tagger.plausible import SURE
from gateway.adapters.presidio.tagger.reading import Found, Reader, kinds

# The engine drops what scores less; where a kind's own threshold is lower, its findings count all the same.
_LEAST_SCORE = 0.5
_AROUND = 80  # characters to either side that tell the language
_CYRILLIC, _LATIN = re.compile("[А-Яа-яЁё]"), re.compile("[A-Za-z]")
_RUSSIAN_LEAD = re.compile(
    r"(?i)(?<!\w)(?:студент|автор|преподавател|учител|учени[кц]|одно(?:курсни|группни|классни)|зовут|имя|фамили|фио"
    r"|выполнил|подготовил|сдал|подпись|друг|подруг|товарищ|коллег)\w{0,6}\W{1,4}$"
)
_NEXT_WORD = re.compile(" [A-Z][a-z]+(?!\\w)")


class NameTagger(LocalRecognizer):
    """Persons and addresses in Latin letters, by a network of two layers (its card: README.md); about
    10 ms per 1,000 characters that could hold any, next to nothing for the rest. May raise BadModel."""

    def load(self) -> None:
        self._finder = Finder(Reader())

    def __init__(self) -> None:
        self._lexicon = lexicon()
        super().__init__(kinds(), supported_language=LANGUAGE, name="NameTagger")

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        return [
            found(
                self,
                one.kind,
                one.start,
                one.end,
                max(one.score, _LEAST_SCORE),
                cited=one.kind == "PERSON" and self._is_cited(text, one.start, one.end),
            )
            for one in self._finder.find(text)
            if one.kind in entities and not self._is_a_word(text, one) and not self._is_a_brand(text, one)
        ]

    def _is_a_word(self, text: str, one: Found) -> bool:
        """An unsure "Sender", a shouted "MAX HEAP"; "Ivan King" is a person whatever a king is."""
        words = text[one.start : one.end]
        if one.kind != "PERSON" or words.rpartition(" ")[2].lower() not in self._lexicon.not_names_en:
            return False
        return words.isupper() if " " in words else one.score < SURE

    def _is_a_brand(self, text: str, one: Found) -> bool:
        """Latin words amid Russian ones: there people are written in Cyrillic and firms are not. A person is
        introduced («Студент Bao Tran») or has a given name of the list; slovnet may still know others."""
        words = text[one.start : one.end]
        known = self._lexicon
        if one.kind != "PERSON" or any(
            word in known.given_en or word in known.ambiguous_en for word in words.lower().split()
        ):
            return False
        if _RUSSIAN_LEAD.search(text[max(0, one.start - _AROUND) : one.start]):
            return False
        around = text[max(0, one.start - _AROUND) : one.start] + text[one.end : one.end + _AROUND]
        return len(_CYRILLIC.findall(around)) > len(_LATIN.findall(around))

    def _is_cited(self, text: str, start: int, end: int) -> bool:
        # The tagger has learnt that "Einstein" alone may be a term, and then finds "Albert" only.
        surname = _NEXT_WORD.match(text, end)
        return (
            self._lexicon.is_subject_matter(text, start, end)
            or (surname is not None and self._lexicon.is_subject_matter(text, start, surname.end()))
            or is_cited(text, start, end)
        )
