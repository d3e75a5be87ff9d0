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
_RAISE = 0.35
_SURE = 0.9  # from here on no word is asked for


class NearbyWords(ContextAwareEnhancer):
    def __init__(self) -> None:
        super().__init__(
            context_similarity_factor=_RAISE,
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
        if all(result.score >= _SURE for result in raw_results):
            return raw_results
        context_of = {recognizer.id: recognizer.context for recognizer in recognizers if recognizer.context}
        for result in raw_results:
            recognizer = result.recognition_metadata[RecognizerResult.RECOGNIZER_IDENTIFIER_KEY]
            words = context_of.get(recognizer)
            if words and result.score < _SURE:
                near = around(text, result.start, result.end)
                if self._pattern(recognizer, words).search(near.lower()):
                    result.score = min(1.0, result.score + self.context_similarity_factor)
        return raw_results

    def _pattern(self, recognizer: str, words: Sequence[str]) -> re.Pattern[str]:
        pattern = self._compiled.get(recognizer)
        if pattern is None:
            pattern = self._compiled[recognizer] = any_of(words)
        return pattern


def around(text: str, start: int, end: int) -> str:
    """What stands before and after `text[start:end]`, a line for each."""
    return f"{text[max(0, start - _BEFORE) : start]}\n{text[end : end + _AFTER]}"


def any_of(words: Sequence[str]) -> re.Pattern[str]:
    """Finds one of the words, given in lower case, in a text in lower case. Short ones must be whole; a word
    may stand in an identifier: `phone_number`, `card2`."""
    alternatives = "|".join(
        re.escape(word) + (r"(?![^\W\d_])" if len(word) <= _WHOLE_WORD else "") for word in words
    )
    return re.compile(rf"(?<![^\W\d_])(?:{alternatives})")
