"""The heavy half: Presidio's engine over every recogniser. Runs in worker processes only."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from gateway.adapters.presidio import patterns, russian
from gateway.adapters.presidio.context import NearbyWords
from gateway.adapters.presidio.english import EnglishNames
from gateway.adapters.presidio.findings import CITED
from gateway.adapters.presidio.folding import fold
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.overlaps import Finding, resolve
from gateway.adapters.presidio.process import Start
from gateway.adapters.presidio.program_text import only_spoken
from gateway.adapters.presidio.russian_names import RussianNames, SlovnetNames
from gateway.domain import Language, MaskingPolicy, Passage
from gateway.grading.placeholders import REPEATED

_THRESHOLD = 0.5
_WINDOW = 2_000  # characters read at once: bounds every cost of Presidio's that grows with the square
_OVERLAP = 150  # characters two neighbours share: longer than any finding and its context
_NAMES = frozenset({"PERSON"})
_PART_SCORE = 0.6
_PART = re.compile(r"[^\W\d_]{4,}+")


# Names by recogniser: a policy may ask for one language's only.
_OF_LANGUAGE = {
    Language.RUSSIAN: frozenset({"RussianNames", "SlovnetNames"}),
    Language.ENGLISH: frozenset({"EnglishNames"}),
}

Fields = tuple[int, int, str, float, str, str, bool, list[tuple[int, int]]]  # of domain.Span, in its order


@dataclass(frozen=True, slots=True)
class Engine:
    analyzer: AnalyzerEngine
    kinds: frozenset[str]  # every kind that some recogniser knows

    def findings(self, text: str, kinds: Sequence[str], policy: MaskingPolicy) -> Iterator[Finding]:
        """What the policy calls personal, window by window; neighbours may say a thing twice."""
        if not kinds:
            return
        foreign = _other_languages(policy.language)
        for start, end in _windows(text):
            for result in self.analyzer.analyze(text[start:end], patterns.LANGUAGE, entities=[*kinds]):
                facts = result.recognition_metadata
                recogniser = facts[RecognizerResult.RECOGNIZER_NAME_KEY]
                if recogniser in foreign or (policy.spare_cited and facts.get(CITED)):
                    continue
                yield Finding(
                    start + result.start, start + result.end, result.entity_type, result.score, recogniser
                )


def build_engine(start: Start) -> Engine:
    """Everything that finds. Without `names` slovnet's NER is left out (100 MB, most of the time); the rules
    and lists for Russian and English names cost little and stay."""
    recognizers: list[EntityRecognizer] = [
        *patterns.recognizers(),
        *russian.recognizers(),
        EnglishNames(),
        RussianNames(),
    ]
    if start.names:
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
        kinds=frozenset(kind for r in recognizers for kind in r.supported_entities),
    )


def find(engine: Engine, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Fields]]:
    """For each passage the fields of its spans, sorted, not overlapping, in the passage's own offsets."""
    return [_spans_of(engine, passage, policy) for passage in passages]


def _spans_of(engine: Engine, passage: Passage, policy: MaskingPolicy) -> list[Fields]:
    found = _find_in(engine, passage.text, policy, program=passage.program)
    if (
        passage.seams
    ):  # also each part by itself: a word that ends a part and one that begins the next are two
        for start, end in pairwise((0, *passage.seams, len(passage.text))):
            for one in _find_in(engine, passage.text[start:end], policy, program=passage.program):
                found.append(one._replace(start=start + one.start, end=start + one.end))
        found = resolve(passage.text, found)
    return [(*one, "", True, []) for one in found]


def _find_in(engine: Engine, text: str, policy: MaskingPolicy, *, program: bool) -> list[Finding]:
    if not text.strip():
        return []
    folded = fold(text)
    spoken = only_spoken(folded.text) if program else folded.text
    kinds = policy.kinds & engine.kinds
    people = [*engine.findings(spoken, sorted(kinds & _NAMES), policy)]
    found = [
        *engine.findings(folded.text, sorted(kinds - _NAMES), policy),
        *people,
        *_named_again(spoken, people),
    ]
    resolved = resolve(folded.text, found)
    return [
        one._replace(start=start, end=end)
        for one in resolved
        for start, end in [folded.original(one.start, one.end)]
    ]


def _other_languages(language: Language | None) -> frozenset[str]:
    if language is None:
        return frozenset()
    return frozenset().union(*(names for other, names in _OF_LANGUAGE.items() if other is not language))


def _named_again(text: str, people: Sequence[Finding]) -> Iterator[Finding]:
    """ "Faina Yefremova ... early Yefremova": parts of a full name that stand alone elsewhere."""
    parts = {
        part
        for one in people
        for part in _PART.findall(text, one.start, one.end)
        if len(part) < one.end - one.start and lexicon().is_only_a_name(part)
    }
    if parts:
        words = [*_PART.finditer(text)]
        common = {word[0] for word in words}
        parts = {part for part in parts if part.lower() not in common}  # "Path", where "path" is said too
        for word in words:
            if word[0] in parts:
                yield Finding(word.start(), word.end(), "PERSON", _PART_SCORE, REPEATED)


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
