"""The heavy half: Presidio's engine over every recogniser. Runs in worker processes only."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from gateway.adapters.presidio import addresses, births, handles, patterns, russian, student_ids
from gateway.adapters.presidio.context import NearbyWords
from gateway.adapters.presidio.custom import CustomLists, DenyList
from gateway.adapters.presidio.english import EnglishNames
from gateway.adapters.presidio.file_names import FileNames
from gateway.adapters.presidio.findings import CITED
from gateway.adapters.presidio.folding import Folded, fold
from gateway.adapters.presidio.identity import Identities
from gateway.adapters.presidio.overlaps import Finding, resolve
from gateway.adapters.presidio.process import Start
from gateway.adapters.presidio.program_text import only_spoken
from gateway.adapters.presidio.russian_names import RussianNames
from gateway.adapters.presidio.slovnet_names import SlovnetNames
from gateway.adapters.presidio.writing import LANGUAGE, PROGRAM_THRESHOLD, PROSE_THRESHOLD
from gateway.domain import OPTIONAL_KINDS, Language, MaskingPolicy, Passage
from gateway.grading.placeholders import REPEATED

_WINDOW = 2_000  # characters read at once: bounds every cost of Presidio's that grows with the square
_OVERLAP = 300  # characters two neighbours share: longer than any finding and its context
_PART_SCORE = 0.6
_WORD = re.compile(r"[^\W\d_]++")


# Names by recogniser: a policy may ask for one language's only.
_OF_LANGUAGE = {
    Language.RUSSIAN: frozenset({"RussianNames", "SlovnetNames"}),
    Language.ENGLISH: frozenset({"EnglishNames", "NameTagger"}),
}
# In a program people speak in comments and literals only; numbers and denied words may stand anywhere.
_SPOKEN = frozenset({"PERSON", "ADDRESS", "DATE_OF_BIRTH", "USERNAME"}) | OPTIONAL_KINDS

Fields = tuple[int, int, str, float, str, str, bool, list[tuple[int, int]]]  # of domain.Span, in its order


@dataclass(frozen=True, slots=True)
class Engine:
    analyzer: AnalyzerEngine
    identities: Identities
    lists: CustomLists
    kinds: frozenset[str]  # every kind that some recogniser knows

    def findings(
        self, text: str, kinds: frozenset[str], policy: MaskingPolicy, threshold: float
    ) -> Iterator[Finding]:
        """What the policy calls personal, window by window; neighbours may say a thing twice."""
        wanted = sorted(kinds & policy.kinds & self.kinds)
        if not wanted:
            return
        foreign = _other_languages(policy.language)
        for start, end in _windows(text):
            for result in self.analyzer.analyze(
                text[start:end], LANGUAGE, entities=wanted, score_threshold=threshold
            ):
                facts = result.recognition_metadata
                recogniser = facts[RecognizerResult.RECOGNIZER_NAME_KEY]
                if recogniser in foreign or (policy.spare_cited and facts.get(CITED)):
                    continue
                first, last = start + result.start, start + result.end
                if not self.lists.is_allowed(text[first:last]):
                    yield Finding(first, last, result.entity_type, result.score, recogniser)


def build_engine(start: Start) -> Engine:
    """Everything that finds. Without `names` the two taggers are left out (most of the memory and time); the
    rules and lists for Russian and English names cost little and stay."""
    lists = CustomLists(start.lists.allow, start.lists.deny)
    recognizers: list[EntityRecognizer] = [
        DenyList(lists),
        *patterns.recognizers(),
        *russian.recognizers(),
        *addresses.recognizers(),
        *births.recognizers(),
        *handles.recognizers(),
        *student_ids.recognizers(start.lists.student_ids),
        EnglishNames(),
        RussianNames(),
        FileNames(),
    ]
    if start.names:
        # ONNX Runtime and numpy: wanted with the taggers only.
        from gateway.adapters.presidio.tagger.recognizer import NameTagger  # noqa: PLC0415

        recognizers += [SlovnetNames(), NameTagger()]
    return Engine(
        analyzer=AnalyzerEngine(
            registry=RecognizerRegistry(recognizers, supported_languages=[LANGUAGE]),
            # No tokens, lemmas or entities of spaCy's are read by any recogniser here.
            nlp_engine=NoOpNlpEngine([{"lang_code": LANGUAGE, "model_name": "none"}]),
            supported_languages=[LANGUAGE],
            context_aware_enhancer=NearbyWords(),
        ),
        identities=Identities(bytes.fromhex(start.salt)),
        lists=lists,
        kinds=frozenset(kind for r in recognizers for kind in r.supported_entities),
    )


def find(engine: Engine, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Fields]]:
    """For each passage the fields of its spans, sorted, not overlapping, in the passage's own offsets."""
    return [_spans_of(engine, passage, policy) for passage in passages]


def _spans_of(engine: Engine, passage: Passage, policy: MaskingPolicy) -> list[Fields]:
    folded = fold(passage.text)
    found = _find_in(engine, folded, policy, program=passage.program)
    if (
        passage.seams
    ):  # also each part by itself: a word that ends a part and one that begins the next are two
        for start, end in pairwise((0, *passage.seams, len(passage.text))):
            part = fold(passage.text[start:end])
            for one in _find_in(engine, part, policy, program=passage.program):
                found.append(one._replace(start=start + one.start, end=start + one.end))
        found = resolve(passage.text, found)
    return [_fields(engine.identities, passage.text, one) for one in found]


def _fields(identities: Identities, text: str, found: Finding) -> Fields:
    written = text[found.start : found.end]
    folded = fold(written)
    identity = identities.of(found.kind, folded.text)
    parts: list[tuple[int, int]] = []
    if found.kind == "PERSON":
        for start, end in identities.parts(folded.text):
            first, last = folded.original(start, end)
            parts.append((found.start + first, found.start + last))
    return (*found, identity.key, identity.base_form, parts)


def _find_in(engine: Engine, folded: Folded, policy: MaskingPolicy, *, program: bool) -> list[Finding]:
    if not folded.text.strip():
        return []
    spoken = only_spoken(folded.text) if program else folded.text
    if program:
        found = [
            *engine.findings(spoken, _SPOKEN, policy, PROGRAM_THRESHOLD),
            *engine.findings(folded.text, policy.kinds - _SPOKEN, policy, PROGRAM_THRESHOLD),
        ]
    else:
        found = [*engine.findings(spoken, policy.kinds, policy, PROSE_THRESHOLD)]
    found.extend(_named_again(engine.identities, spoken, [one for one in found if one.kind == "PERSON"]))
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


def _named_again(identities: Identities, text: str, people: Sequence[Finding]) -> Iterator[Finding]:
    """ "Faina Yefremova ... early Yefremova": parts of a full name that stand alone elsewhere."""
    parts = {
        text[one.start + start : one.start + end]
        for one in people
        for start, end in identities.parts(text[one.start : one.end])
    }
    if parts:
        words = [*_WORD.finditer(text)]
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
