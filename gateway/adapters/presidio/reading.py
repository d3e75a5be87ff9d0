"""What most recognisers of our own are: a text in, findings out."""

from abc import abstractmethod

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts


class TextRecognizer(LocalRecognizer):
    """A recogniser of one kind that reads the text alone: it asks for no tokens and has nothing to load."""

    def load(self) -> None:
        """Nothing: lists and patterns are small and made once."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        return self.read(text)

    @abstractmethod
    def read(self, text: str) -> list[RecognizerResult]:
        """The findings in a window of a text, in any order."""
