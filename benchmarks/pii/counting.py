"""How findings are counted against what people marked: by value, by token, with intervals. Pure.

By value: a value is found when half of it or more is covered by findings of its kind, and a finding is right
when half of it or more lies in values of its kind; what of it lies in values of other kinds is left aside (an
address takes its town along). Strictly: both begin and end at the same characters. Blanks and punctuation are
no part of either.

By token: as presidio-research's TokenEvaluator does (its base_evaluator.py and token_evaluator.py). A token
has the type of the span in which it begins; for "PII" it is right when it is marked and found, of whatever
type; a disagreement about a word that says nothing by itself (punctuation, stop words, `skip_words`) is not
counted, an agreement is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.pii.sets import Document, Value
from gateway.domain import Span
from gateway.grading.agreement import Figure, percentile_interval, resampled

_RESAMPLES = 1000
_SEED = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """Of values or of tokens."""

    values: int = 0  # that people marked
    hit: int = 0  # of them found
    gone: int = 0  # of them with no letter or digit left
    found: int = 0
    right: int = 0  # of them

    def __add__(self, other: "Tally") -> "Tally":
        mine, theirs = self.sums(), other.sums()
        return Tally(*(a + b for a, b in zip(mine, theirs, strict=True)))

    def sums(self) -> tuple[int, int, int, int, int]:
        return self.values, self.hit, self.gone, self.found, self.right


@dataclass(frozen=True, slots=True)
class Score:
    """None where a figure is undefined: nothing marked, or nothing found."""

    values: int
    found: int
    precision: Figure | None
    recall: Figure | None
    f: Figure | None  # F beta
    gone: Figure | None


def score(tallies: Iterable[tuple[str, Tally]], beta: float = 2.0) -> Score:
    """Figures with 95 % intervals by a bootstrap over whole groups."""
    groups: dict[str, Tally] = {}
    for group, tally in tallies:
        groups[group] = groups.get(group, Tally()) + tally
    rows = [tally.sums() for tally in groups.values()]
    total = tuple(map(sum, zip(*rows, strict=True))) or Tally().sums()
    drawn = list(resampled(rows, _RESAMPLES, _SEED)) if len(rows) > 1 else []

    def figure(of: Callable[[Sequence[float]], float | None]) -> Figure | None:
        value = of(total)
        if value is None:
            return None
        told = [one for one in map(of, drawn) if one is not None]
        return Figure(value, percentile_interval(told) if told else None)

    return Score(
        values=int(total[0]),
        found=int(total[3]),
        precision=figure(_precision),
        recall=figure(_recall),
        f=figure(lambda sums: f_beta(_precision(sums), _recall(sums), beta)),
        gone=figure(lambda sums: sums[2] / sums[0] if sums[0] else None),
    )


def f_beta(precision: float | None, recall: float | None, beta: float) -> float | None:
    """van Rijsbergen's F: recall counts `beta` times as much as precision. 0 when nothing was right."""
    if recall is None:
        return None
    if not precision or not recall:
        return 0.0
    square = beta * beta
    return (1 + square) * precision * recall / (square * precision + recall)


def _precision(sums: Sequence[float]) -> float | None:
    return sums[4] / sums[3] if sums[3] else None


def _recall(sums: Sequence[float]) -> float | None:
    return sums[1] / sums[0] if sums[0] else None


def by_value(document: Document, found: Sequence[Span], kind: str, *, strict: bool = False) -> Tally:
    """Values and findings of one kind."""
    values = [value for value in document.values if value.kind == kind]
    ours = [span for span in found if span.kind == kind]
    if strict:
        edges = {_trimmed(document.text, span.start, span.end) for span in ours}
        known = {_trimmed(document.text, value.start, value.end) for value in values}
        return Tally(
            len(known), len(known & edges), _gone(document, found, values), len(edges), len(edges & known)
        )
    others = [value for value in document.values if value.kind != kind]
    return _tally(document, values, ours, others, found)


def of_any_kind(document: Document, found: Sequence[Span], scope: Callable[[str], bool]) -> Tally:
    """As by_value(), all kinds as one. Values of types outside of `scope` count neither for nor against."""
    values = [value for value in document.values if scope(value.type)]
    others = [value for value in document.values if not scope(value.type)]
    ours = [
        span
        for span in found
        if _covered(document.text, span, values) or not _covered(document.text, span, others)
    ]
    return _tally(document, values, ours, others, found)


def _tally(
    document: Document,
    values: Sequence[Value],
    ours: Sequence[Span],
    others: Sequence[Value],
    found: Sequence[Span],
) -> Tally:
    text = document.text
    right = 0
    for span in ours:
        within = _covered(text, span, values)
        elsewhere = _covered(text, span, others)
        right += within > 0 and 2 * within >= _size(text, span.start, span.end) - elsewhere
    hit = sum(2 * _covered(text, value, ours) >= _size(text, value.start, value.end) for value in values)
    return Tally(len(values), hit, _gone(document, found, values), len(ours), right)


def _gone(document: Document, found: Sequence[Span], values: Sequence[Value]) -> int:
    text = document.text
    return sum(_covered(text, value, found) == _size(text, value.start, value.end) for value in values)


def _covered(text: str, one: Span | Value, by: Sequence[Span] | Sequence[Value]) -> int:
    """Letters and digits of one that lie in others, which do not overlap."""
    return sum(_size(text, max(one.start, other.start), min(one.end, other.end)) for other in by)


def _size(text: str, start: int, end: int) -> int:
    return sum(map(str.isalnum, text[start:end])) if start < end else 0


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return start, end


@dataclass(frozen=True, slots=True)
class Token:
    start: int
    silent: bool  # it says nothing by itself


def by_token(
    tokens: Sequence[Token],
    document: Document,
    found: Sequence[Span],
    scope: Callable[[str], bool] = lambda _: True,
    *,
    aside: bool = False,
) -> Tally:
    """Tokens of any type: presidio-research's "PII" row. The set's types outside of `scope` do not exist: a
    token of one that was found all the same is wrong or, with `aside`, not counted."""
    values = [value for value in document.values if scope(value.type)]
    others = [value for value in document.values if not scope(value.type)] if aside else []
    annotated = predicted = both = 0
    for token in tokens:
        is_marked = _kind_at(token, values) is not None
        is_found = _kind_at(token, found) is not None
        if is_marked is not is_found and (token.silent or _kind_at(token, others) is not None):
            continue
        annotated += is_marked
        predicted += is_found
        both += is_marked and is_found
    return Tally(annotated, both, both, predicted, both)


def by_token_of_kind(tokens: Sequence[Token], document: Document, found: Sequence[Span], kind: str) -> Tally:
    """Tokens of one kind: one found as another kind is missed here and wrong there."""
    annotated = predicted = both = 0
    for token in tokens:
        told = _kind_at(token, document.values)
        said = _kind_at(token, found)
        if told != said and token.silent:
            continue
        annotated += told == kind
        predicted += said == kind
        both += told == said == kind
    return Tally(annotated, both, both, predicted, both)


def _kind_at(token: Token, spans: Sequence[Span] | Sequence[Value]) -> str | None:
    return next((span.kind for span in spans if span.start <= token.start < span.end), None)
