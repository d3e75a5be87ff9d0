"""Numbers copied from a sheet or broken by a line's end: `45 08<tab>123456`, `4111|1111|1111|1111`."""

import re
from typing import ClassVar

from presidio_analyzer import PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.writing import NEEDS_CONTEXT

# One sign between two groups; a hyphen or bracket may stay before it: "123-<line end>45-67".
_CELL_EDGE = re.compile(r"[\t\r\n;|](?<=[\d)-].)\n?(?=[\d(])", re.DOTALL)
_DIGIT = re.compile(r"\d")
_CELL_ENDS = ("\t", "\n", "\r", ";", "|")  # most texts have none: 1 us to see it, 6 us per KB to search
_WRITTEN_AS_ONE = re.compile("[-(+]")


class CopiedNumber(PatternRecognizer):
    """Reads a text a second time with blanks where cells and lines meet within a number, and takes from there
    what the first reading could not see.

    Columns of numbers look the same. Alone stands a number with right check digits in cells of one row, or
    broken once; without check digits one that is broken once and holds a hyphen or a bracket. Any other needs
    a word."""

    checked: ClassVar[bool] = False  # whether `invalidate_result` knows check digits

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,
        regex_flags: int | None = None,
    ) -> list[RecognizerResult]:
        if not _DIGIT.search(text):  # as in most prose: 5 us a pattern saved
            return []
        results: list[RecognizerResult] = super().analyze(text, entities, nlp_artifacts, regex_flags)
        if not any(sign in text for sign in _CELL_ENDS):
            return results
        joined = _CELL_EDGE.sub(lambda edge: " " * len(edge[0]), text)
        if joined == text:
            return results
        for result in super().analyze(joined, entities, nlp_artifacts, regex_flags):
            edges = _CELL_EDGE.findall(text, result.start, result.end)
            if edges:
                if not self._stands_alone(text[result.start : result.end], edges):
                    result.score = min(result.score, NEEDS_CONTEXT)
                results.append(result)
        return results

    def _stands_alone(self, number: str, edges: list[str]) -> bool:
        if self.checked:
            return len(edges) == 1 or (len(set(edges)) == 1 and "\n" not in edges[0])
        return len(edges) == 1 and bool(_WRITTEN_AS_ONE.search(number))
