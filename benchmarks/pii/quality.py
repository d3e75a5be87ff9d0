"""What is found in the public sets and what is masked where nothing is personal: Markdown tables.

The analyser is asked as the gateway asks it, and second mentions are looked for as the gateway does: counted
is what a model would not have seen.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from benchmarks.grading_figures import markdown, mean, shown
from benchmarks.pii import counting
from benchmarks.pii.counting import Score, Tally, score
from benchmarks.pii.sets import ANSWERS, Document, answers, files, marked, programs
from benchmarks.pii.tokens import tokenizer
from gateway.adapters.masking_file import read_masking_file
from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.domain import KINDS, OPTIONAL_KINDS, MaskingPolicy, Passage, Span
from gateway.grading.placeholders import mask, new_nonce

ENGLISH, RUSSIAN, NEWS = "pii_presidio_en", "pii_ru_synth", "ner_factrueval_ru"
PROGRAMS = "code_refactory"
# Of the published evaluation of Presidio's defaults: types that Presidio does not know count as not personal.
_UNKNOWN_TO_PRESIDIO = frozenset({"AGE", "TITLE", "ZIP_CODE"})
_VALUE_HEAD = "set,kind,values,precision,recall,F,nothing left,F2 by token"
_TOTAL_HEAD = "count,policy,values or tokens,precision,recall,F2"
_FALSE_HEAD = "set,texts,read as,changed,share changed,found in them"

_ABOUT_INTERVALS = (
    "Intervals are 95 %, by a bootstrap over templates (documents, questions); one without a width says only "
    "that no template differs."
)

Found = Sequence[tuple[Document, Sequence[Span]]]
Scope = Callable[[str], bool]  # of the set's types


def served(task: str) -> MaskingPolicy:
    """What a gateway does that was told nothing."""
    return read_masking_file(None)[1][task]


@asynccontextmanager
async def analyser(names: bool = True) -> AsyncIterator[AnalyzerPool]:
    """As the gateway has it, with one worker. Raises SystemExit when that does not start."""
    pool = AnalyzerPool(names=names, timeout_s=50)
    await pool.start()
    try:
        if not await pool.ready():
            raise SystemExit("the analyser does not start")
        yield pool
    finally:
        await pool.close()


async def found_in(
    documents: Sequence[Document],
    pool: AnalyzerPool,
    policy: MaskingPolicy,
    *,
    program: bool = False,
    what: str = "",
) -> Found:
    """For each document what would be replaced in it."""
    found = []
    for document in tqdm(documents, desc=what, unit="text", disable=not what):
        passage = Passage(document.text, program=program)
        spans = await pool.analyze([passage], policy)
        found.append((document, mask([passage], spans, new_nonce([document.text])).spans[0]))
    return found


async def quality(data: Path, part: str, pool: AnalyzerPool, *, show: bool = False) -> str:
    """Every table. With `show` the words that were masked where nothing is personal are printed, for whoever
    mends a recogniser: they are the sets' and go into no file. Raises SystemExit when a set is not there."""

    async def read(name: str, policy: MaskingPolicy) -> Found:
        documents = [one for file in files(data, name, part) for one in marked(file)]
        return await found_in(documents, pool, policy, what=name)

    text = served("text")
    english = await read(ENGLISH, text)
    everything = await read(ENGLISH, replace(text, kinds=KINDS | OPTIONAL_KINDS))
    russian, news = await read(RUSSIAN, text), await read(NEWS, replace(text, spare_cited=False))
    by_kind = [*_kinds(ENGLISH, english, everything), *_kinds(RUSSIAN, russian, russian), *_people(news)]
    innocent = [line async for line in _innocent(data, part, pool, russian)]
    if show:
        for name, _, found in innocent:
            said = Counter(_told(document, span) for document, spans in found for span in spans)
            print(f"{name}: {', '.join(f'{n} x {words}' for words, n in said.most_common()) or '-'}")
    tables = [
        f"Part: {part}. {_ABOUT_INTERVALS}",
        markdown(_VALUE_HEAD.split(","), by_kind),
        "F is F2, in the factRuEval rows F1. Kinds in brackets are optional, and on for their row only.",
        markdown(_TOTAL_HEAD.split(","), _totals(english, everything)),
        markdown(_FALSE_HEAD.split(","), [_changed(*line) for line in innocent]),
    ]
    return "\n\n".join(tables)


def _kinds(name: str, served: Found, everything: Found) -> Iterator[list[object]]:
    types: dict[str, set[str]] = {}
    for value in (value for document, _ in everything for value in document.values):
        types.setdefault(value.kind, set()).add(value.type)
    for kind in sorted(types, key=lambda kind: (kind not in KINDS, kind)):
        theirs = ", ".join(sorted(types[kind] - {kind}))
        label = f"{kind} ({theirs})" if theirs else kind
        if kind not in KINDS:
            label = f"[{label}]" if kind in OPTIONAL_KINDS else f"{label}: no kind of ours"
        found = served if kind in KINDS else everything
        yield [
            *_line(name, label, score(_by_value(found, kind))),
            _by_token(found, kind) if name == ENGLISH else "-",
        ]


def _people(news: Found) -> Iterator[list[object]]:
    half, strict = _by_value(news, "PERSON"), _by_value(news, "PERSON", strict=True)
    yield [*_line(NEWS, "PERSON, half of it", score(half, beta=1.0)), "-"]
    yield [*_line(NEWS, "PERSON, strictly", score(strict, beta=1.0)), "-"]


def _by_value(found: Found, kind: str, *, strict: bool = False) -> Iterator[tuple[str, Tally]]:
    for document, spans in found:
        yield document.group, counting.by_value(document, spans, kind, strict=strict)


def _by_token(found: Found, kind: str) -> str:
    tokens = tokenizer()
    tallies = (
        (one.group, counting.by_token_of_kind(tokens(one.text), one, spans, kind)) for one, spans in found
    )
    return shown(score(tallies).f, 3)


def _line(name: str, kind: str, of: Score) -> list[object]:
    return [name, kind, of.values, *(shown(one, 3) for one in (of.precision, of.recall, of.f, of.gone))]


def _totals(english: Found, everything: Found) -> Iterator[list[object]]:
    """The English set as a whole: (a) what the served policy is for, (b) all that the set holds, (c) the same
    with the optional kinds on; and as the published figure of Presidio's defaults is counted."""
    ours = {value.type for document, _ in english for value in document.values if value.kind in KINDS}
    ways: list[tuple[str, str, Found, Scope]] = [
        ("(a) only kinds that the policy masks", "served", english, ours.__contains__),
        ("(b) every type of the set", "served", english, _every),
        ("(c) every type of the set", "with optional kinds", everything, _every),
    ]
    for label, policy, found, scope in ways:
        tallies = [(one.group, counting.of_any_kind(one, spans, scope)) for one, spans in found]
        yield _total(f"values {label}", policy, score(tallies))
    without = f"as presidio-research: without {', '.join(sorted(_UNKNOWN_TO_PRESIDIO))}"
    ways += [
        (without, "served", _as_presidio(english), _known_to_presidio),
        (without, "with optional kinds", _as_presidio(everything), _known_to_presidio),
    ]
    tokens = tokenizer()
    for label, policy, found, scope in ways:
        aside = scope not in (_every, _known_to_presidio)
        tallies = [
            (one.group, counting.by_token(tokens(one.text), one, spans, scope, aside=aside))
            for one, spans in found
        ]
        yield _total(f"tokens {label}", policy, score(tallies))


def _as_presidio(found: Found) -> Found:
    """Without findings of kinds that Presidio does not know."""
    return [(one, [span for span in spans if _known_to_presidio(span.kind)]) for one, spans in found]


def _every(_: str) -> bool:
    return True


def _known_to_presidio(type_: str) -> bool:
    return type_ not in _UNKNOWN_TO_PRESIDIO


def _total(label: str, policy: str, of: Score) -> list[object]:
    return [label, policy, of.values, *(shown(one, 3) for one in (of.precision, of.recall, of.f))]


def _told(document: Document, span: Span) -> str:
    return f"{document.text[span.start : span.end]!r} ({span.kind}, {span.recogniser})"


async def _innocent(
    data: Path, part: str, pool: AnalyzerPool, russian: Found
) -> AsyncIterator[tuple[str, str, Found]]:
    """Texts in which next to nothing is personal, and what they are read as."""
    yield f"{RUSSIAN}, hard negatives", "text", [one for one in russian if one[0].innocent]
    for name in ANSWERS:
        documents = [one for file in files(data, name, part) for one in answers(file)]
        yield f"{name}, answers", "text", await found_in(documents, pool, served("text"), what=name)
    documents = [one for file in files(data, PROGRAMS, part) for one in programs(file)]
    found = await found_in(documents, pool, served("code"), program=True, what=PROGRAMS)
    yield f"{PROGRAMS}, programs", "code", found


def _changed(label: str, task: str, found: Found) -> list[object]:
    kinds = Counter(span.kind for _, spans in found for span in spans)
    changed = mean((document.group, float(bool(spans))) for document, spans in found)
    number = sum(bool(spans) for _, spans in found)
    told = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    return [label, len(found), task, number, shown(changed, 4), told or "-"]
