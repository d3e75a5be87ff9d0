"""Raises the score of a finding near a word that names it: «паспорт», "card".

Presidio's own enhancer wants tokens and lemmas, walks all of them for every finding (quadratic) and puts the
text into its exception. This one reads the characters around the finding: no spaCy pipeline is run at all.
"""

import re
from collections.abc import Sequence

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts

_BEFORE, _AFTER = 60, 25  # characters
_WHOLE_WORD = 4  # context words up to this long must be whole words ("тел"), longer ones may be inflected


class NearbyWords(ContextAwareEnhancer):
    def __init__(self) -> None:
        super().__init__(
            context_similarity_factor=0.35,
            min_score_with_context_similarity=0.55,
            context_prefix_count=0,
            context_suffix_count=0,
        )
        self._compiled: dict[str, re.Pattern[str]] = {}

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,  # noqa: ARG002
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        context_of = {recognizer.id: recognizer.context for recognizer in recognizers if recognizer.context}
        for result in raw_results:
            recognizer = result.recognition_metadata[RecognizerResult.RECOGNIZER_IDENTIFIER_KEY]
            words = context_of.get(recognizer)
            if words and result.score < self.min_score_with_context_similarity:
                near = (
                    text[max(0, result.start - _BEFORE) : result.start]
                    + "\n"
                    + text[result.end : result.end + _AFTER]
                )
                if self._pattern(recognizer, words).search(near):
                    result.score = max(
                        result.score + self.context_similarity_factor, self.min_score_with_context_similarity
                    )
        return raw_results

    def _pattern(self, recognizer: str, words: Sequence[str]) -> re.Pattern[str]:
        pattern = self._compiled.get(recognizer)
        if pattern is None:
            alternatives = "|".join(
                re.escape(word) + (r"(?!\w)" if len(word) <= _WHOLE_WORD else "") for word in words
            )
            pattern = self._compiled[recognizer] = re.compile(rf"(?<!\w)(?:{alternatives})", re.IGNORECASE)
        return pattern
