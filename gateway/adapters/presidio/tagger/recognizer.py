"""The tagger as one of Presidio's recognisers."""

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.citations import is_cited
from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.patterns import LANGUAGE
from gateway.adapters.presidio.tagger.finding import Finder
from gateway.adapters.presidio.tagger.reading import Reader, kinds

# The engine drops what scores less; where a kind's own threshold is lower, its findings count all the same.
_LEAST_SCORE = 0.5


class NameTagger(LocalRecognizer):
    """Persons and addresses in Latin letters, by a network of two layers (its card: model/README.md); about
    10 ms per 1,000 characters that could hold any, next to nothing for the rest. Making one raises BadModel."""

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
            if one.kind in entities
        ]

    def _is_cited(self, text: str, start: int, end: int) -> bool:
        return self._lexicon.is_subject_matter(text, start, end) or is_cited(text, start, end)
