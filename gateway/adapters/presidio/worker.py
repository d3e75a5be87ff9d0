"""The heavy half: Presidio's engine over every recogniser. Runs in worker processes only."""

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from gateway.adapters.presidio import addresses, births, handles, patterns, russian, student_ids
from gateway.adapters.presidio.citations import Heroes, heroes_of
from gateway.adapters.presidio.context import NearbyWords
from gateway.adapters.presidio.custom import CustomLists, DenyList
from gateway.adapters.presidio.english import EnglishNames
from gateway.adapters.presidio.file_names import FileNames
from gateway.adapters.presidio.findings import CITED, INTRODUCED
from gateway.adapters.presidio.folding import fold
from gateway.adapters.presidio.identity import Identities
from gateway.adapters.presidio.overlaps import Finding, resolve
from gateway.adapters.presidio.process import Start
from gateway.adapters.presidio.program_text import only_spoken, spoken_ranges
from gateway.adapters.presidio.russian_names import RussianNames
from gateway.adapters.presidio.slovnet_names import SlovnetNames
from gateway.adapters.presidio.windows import windows
from gateway.adapters.presidio.writing import LANGUAGE, PROGRAM_THRESHOLD, PROSE_THRESHOLD
from gateway.domain import KEPT, OPTIONAL_KINDS, Language, MaskingPolicy, Passage
from gateway.grading.placeholders import REPEATED

_PART_SCORE = 0.6
_SURROGATE = re.compile("[\ud800-\udfff]")
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
        self, text: str, kinds: frozenset[str], policy: MaskingPolicy, look: "Look"
    ) -> Iterator[Finding]:
        """What the policy calls personal, window by window; neighbours may say a thing twice."""
        wanted = sorted(kinds & policy.kinds & self.kinds)
        if not wanted:
            return
        foreign = _other_languages(policy.language)
        for start, end in windows(text):
            for result in self.analyzer.analyze(
                text[start:end], LANGUAGE, entities=wanted, score_threshold=look.threshold
            ):
                facts = result.recognition_metadata
                recogniser = facts[RecognizerResult.RECOGNIZER_NAME_KEY]
                first, last = start + result.start, start + result.end
                spared = facts.get(CITED) or (
                    result.entity_type == "PERSON"
                    and not facts.get(INTRODUCED)
                    and look.heroes.has(text[first:last])
                )
                if recogniser not in foreign and not (policy.spare_cited and spared):
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
    if start.spacy_model:
        from gateway.adapters.presidio.spacy_names import SpacyNames  # noqa: PLC0415 - spaCy

        recognizers.append(SpacyNames(start.spacy_model))
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


@dataclass(frozen=True, slots=True)
class Look:
    """How a passage is looked at."""

    heroes: Heroes
    threshold: float  # findings that score less fall


def _spans_of(engine: Engine, passage: Passage, policy: MaskingPolicy) -> list[Fields]:
    text = _SURROGATE.sub("\ufffd", passage.text)  # no library here takes them
    spares_heroes = policy.spare_cited and "PERSON" in policy.kinds
    heroes = heroes_of(f"{text}\n{passage.about}") if spares_heroes else Heroes()
    look = Look(heroes, PROGRAM_THRESHOLD if passage.program else PROSE_THRESHOLD)
    found, allowed = _find_in(engine, text, policy, look, program=passage.program)
    if passage.seams:
        # Also each part by itself: a word that ends a part and one that begins the next are two.
        for start, end in pairwise((0, *passage.seams, len(text))):
            more, _ = _find_in(engine, text[start:end], policy, look, program=passage.program)
            found += [one._replace(start=start + one.start, end=start + one.end) for one in more]
        found = [one for one in found if not _is_inside(allowed, one)]
    resolved = resolve(text, found)
    spans = [_fields(engine.identities, text, one) for one in resolved]
    return sorted([*spans, *_kept(allowed, resolved)])


def _kept(allowed: Sequence[tuple[int, int]], found: Sequence[Finding]) -> Iterator[Fields]:
    """What is allowed and holds nothing personal: no second mention is looked for in it either."""
    for start, end in allowed:
        index = bisect_left(found, (start,))
        before = index > 0 and found[index - 1].end > start
        if not before and (index == len(found) or found[index].start >= end):
            yield start, end, KEPT, 1.0, "", "", True, []


def _is_inside(ranges: Sequence[tuple[int, int]], found: Finding) -> bool:
    index = bisect_right(ranges, (found.start, sys.maxsize)) - 1
    return index >= 0 and found.end <= ranges[index][1]


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


def _find_in(
    engine: Engine, text: str, policy: MaskingPolicy, look: Look, *, program: bool
) -> tuple[list[Finding], list[tuple[int, int]]]:
    """What is personal in the text and not allowed, and where the allowed phrases are."""
    if program:
        # Blanked before it is folded: an escape that is read as a quote must not end a literal.
        spoken = _scanned(engine, only_spoken(text), policy.kinds & _SPOKEN, policy, look)
        found = [*_cut(spoken, spoken_ranges(text))]
        found += _scanned(engine, text, policy.kinds - _SPOKEN, policy, look)
    else:
        found = _scanned(engine, text, policy.kinds, policy, look)
    if not engine.lists.allows:
        return found, []
    folded = fold(text)
    allowed = [folded.original(start, end) for start, end in engine.lists.allowed_in(folded.text)]
    return [one for one in found if not _is_inside(allowed, one)], allowed


def _scanned(
    engine: Engine, text: str, kinds: frozenset[str], policy: MaskingPolicy, look: Look
) -> list[Finding]:
    """What recognisers find in the folded text, in the offsets of the text itself."""
    folded = fold(text)
    if not folded.text.strip():
        return []
    found = [*engine.findings(folded.text, kinds, policy, look)]
    found += _named_again(engine.identities, folded.text, [one for one in found if one.kind == "PERSON"])
    return [
        one._replace(start=start, end=end)
        for one in found
        for start, end in [folded.original(one.start, one.end)]
    ]


def _cut(found: Sequence[Finding], ranges: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    """Findings cut at the borders of literals and comments: what is between them is code."""
    for one in found:
        index = max(0, bisect_right(ranges, (one.start, sys.maxsize)) - 1)
        while index < len(ranges) and ranges[index][0] < one.end:
            start, end = max(one.start, ranges[index][0]), min(one.end, ranges[index][1])
            if start < end:
                yield one._replace(start=start, end=end)
            index += 1


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
