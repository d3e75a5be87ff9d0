"""A deployment's own spaCy pipeline as one more recogniser, in whatever language it reads."""

import spacy
from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.citations import person
from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.writing import LANGUAGE

_SCORE = 0.85
# The labels of spaCy's own pipelines: OntoNotes' and WikiNER's.
_KINDS = {
    "PERSON": "PERSON",
    "PER": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "ORG": "ORGANIZATION",
    "DATE": "DATE",
    "NORP": "NRP",
}


class SpacyNames(LocalRecognizer):
    """`model`: an installed pipeline's name, or the folder of one. Raises OSError when it is neither. spaCy
    itself adds 60 MB and a second to a worker's start, its pipelines as much as they are large."""

    def __init__(self, model: str) -> None:
        self._pipeline = spacy.load(model)
        super().__init__(sorted({*_KINDS.values()}), supported_language=LANGUAGE, name="SpacyNames")

    def load(self) -> None:
        """Loaded already: a name that is wrong ends the start."""

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        results = []
        for one in self._pipeline(text).ents:
            kind = _KINDS.get(one.label_)
            if kind not in entities:
                continue
            if kind == "PERSON":
                results.append(person(self, text, one.start_char, one.end_char, score=_SCORE))
            else:
                results.append(found(self, kind, one.start_char, one.end_char, _SCORE))
        return results
