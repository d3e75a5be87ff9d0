"""The heavy half: Presidio's engine over every recogniser. Runs in worker processes only."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from gateway.adapters.presidio import patterns, russian
from gateway.adapters.presidio.context import NearbyWords
from gateway.adapters.presidio.english import EnglishNames
from gateway.adapters.presidio.folding import fold
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.overlaps import Finding, resolve
from gateway.adapters.presidio.program_text import only_spoken
from gateway.adapters.presidio.russian_names import RussianNames, SlovnetNames

_THRESHOLD = 0.5
_WINDOW = 2_000  # characters read at once: bounds every cost of Presidio's that grows with the square
_OVERLAP = 150  # characters two neighbours share: longer than any finding and its context
_NAMES = ["PERSON"]
_PART = re.compile(r"[^\W\d_]{4,}+")


@dataclass(frozen=True, slots=True)
class Engine:
    analyzer: AnalyzerEngine
    numbers: list[str]  # every kind but PERSON

    def findings(self, text: str, kinds: list[str]) -> Iterator[Finding]:
        for start, end in _windows(text):
            for result in self.analyzer.analyze(text[start:end], patterns.LANGUAGE, entities=kinds):
                yield start + result.start, start + result.end, result.entity_type


def build_engine(names: bool) -> Engine:
    """Everything that finds. `names=False` leaves out slovnet's NER (100 MB, most of the time); the rules and
    lists for Russian and English names cost little and stay."""
    recognizers: list[EntityRecognizer] = [
        *patterns.recognizers(),
        *russian.recognizers(),
        EnglishNames(),
        RussianNames(),
    ]
    if names:
        recognizers.append(SlovnetNames())
    return Engine(
        analyzer=AnalyzerEngine(
            registry=RecognizerRegistry(recognizers, supported_languages=[patterns.LANGUAGE]),
            # No tokens, lemmas or entities of spaCy's are read by any recogniser here.
            nlp_engine=NoOpNlpEngine([{"lang_code": patterns.LANGUAGE, "model_name": "none"}]),
            supported_languages=[patterns.LANGUAGE],
            context_aware_enhancer=NearbyWords(),
            default_score_threshold=_THRESHOLD,
        ),
        numbers=sorted({kind for r in recognizers for kind in r.supported_entities} - set(_NAMES)),
    )


def find(engine: Engine, texts: Sequence[str], *, code: bool) -> list[list[Finding]]:
    """For each text its findings, sorted, not overlapping, in the text's own offsets."""
    return [_find_in(engine, text, code) for text in texts]


def _find_in(engine: Engine, text: str, code: bool) -> list[Finding]:
    if not text.strip():
        return []
    folded = fold(text)
    spoken = only_spoken(folded.text) if code else folded.text
    people = [*engine.findings(spoken, _NAMES)]
    found = [*engine.findings(folded.text, engine.numbers), *people, *_named_again(spoken, people)]
    return [(*folded.original(start, end), kind) for start, end, kind in resolve(folded.text, found)]


def _named_again(text: str, people: Sequence[Finding]) -> Iterator[Finding]:
    """ "Faina Yefremova ... early Yefremova": parts of a full name that stand alone elsewhere."""
    parts = {
        part
        for start, end, _ in people
        for part in _PART.findall(text, start, end)
        if len(part) < end - start and lexicon().is_only_a_name(part)
    }
    if parts:
        words = [*_PART.finditer(text)]
        common = {word[0] for word in words}
        parts = {part for part in parts if part.lower() not in common}  # "Path", where "path" is said too
        for word in words:
            if word[0] in parts:
                yield word.start(), word.end(), "PERSON"


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Overlapping stretches that begin and end at a blank where there is one near."""
    start = 0
    while True:
        end = start + _WINDOW
        if end >= len(text):
            yield start, len(text)
            return
        end = _blank_before(text, end)
        yield start, end
        start = _blank_before(text, end - _OVERLAP)


def _blank_before(text: str, position: int) -> int:
    """The nearest blank among the hundred characters before, or the position itself."""
    for index in range(position, position - 100, -1):
        if text[index].isspace():
            return index
    return position
