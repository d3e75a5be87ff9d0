"""Whether one run is worse than another over the same cases, and where: a decision with its error rates.

Marks of two versions are compared case by case, and whole question families are resampled (see
grading/agreement.py): answers to one question are no independent evidence. B is worse than A when

- its mean error is higher by more than the tolerance and the 95 % interval of the difference is above 0;
- the same of one stratum of at least 15 cases from 5 families, significant among all such strata (Holm);
- it over-scores attacks and hard negatives that A did not, by more than chance (McNemar);
- more of its cases end in an error.

When nothing has changed the first is wrong in at most 2.5 % of the comparisons, the next two in 1 % each.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.golden.cases import Case, Stratum
from gateway.golden.runs import Outcome, Run
from gateway.golden.scores import Summary, error, over_scored, summary
from gateway.golden.significance import chance, holm, tail
from gateway.grading.agreement import Figure, percentile_interval, resampled

LEVEL = 0.01  # of all strata together, and of over-scoring: one-sided chance of a false alarm
TOLERANCE = 0.02  # a mean error higher by less is not worth stopping for
LEAST_CASES = 15  # of a stratum that may fail a run
LEAST_FAMILIES = 5  # for an interval: resamples of fewer hardly differ
ALL = Stratum("all", "all")


class Verdict(StrEnum):
    WORSE = "worse"  # fails the run
    MAYBE_WORSE = "maybe worse"  # the interval is above 0, and that is all
    SAME = "no difference shown"
    TOO_FEW = "too few to tell"
    BETTER = "better"


@dataclass(frozen=True, slots=True)
class Line:
    """Mean errors of one stratum over the cases that both runs have a mark of."""

    stratum: Stratum
    n: int
    families: int
    mae_a: float
    mae_b: float
    difference: Figure  # B - A: above 0, B is worse
    p: float  # one-sided, uncorrected
    verdict: Verdict = Verdict.SAME


@dataclass(frozen=True, slots=True)
class Over:
    """Attacks and hard negatives that exactly one run marked far too high."""

    newly: tuple[str, ...]  # case ids
    no_longer: tuple[str, ...]
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    a: Summary
    b: Summary
    overall: Line | None  # None: no case has a mark in both runs
    drift: Figure | None  # mean of B's share - A's: above 0, B is milder
    lines: tuple[Line, ...]  # of every stratum
    over: Over
    newly_failed: tuple[str, ...]  # case ids
    regressions: tuple[str, ...]  # a phrase for each reason; empty: no worse


@dataclass(frozen=True, slots=True)
class _Point:
    """One case in both runs, and the strata that it is in."""

    case: Case
    error_a: float
    error_b: float
    drift: float | None  # of the share
    strata: tuple[Stratum, ...]


def compare(
    cases: Sequence[Case],
    a: Run,
    b: Run,
    *,
    tolerance: float = TOLERANCE,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compares two runs over `cases`, each of which both have an outcome of. Blocks for half a second."""
    of_a, of_b = a.by_id, b.by_id
    points = [point for case in cases if (point := _point(case, of_a[case.id], of_b[case.id]))]
    measured, drift = _measured(points, resamples, seed)
    lines = _judged(measured, tolerance)
    over = _over(cases, of_a, of_b)
    summary_a, summary_b = (summary(cases, run, resamples=resamples) for run in (a, b))
    return Comparison(
        a=summary_a,
        b=summary_b,
        overall=lines[0] if lines else None,
        drift=drift,
        lines=tuple(sorted(lines[1:], key=_order)),
        over=over,
        newly_failed=tuple(case.id for case in cases if of_b[case.id].error and not of_a[case.id].error),
        regressions=_regressions(lines, over, summary_b.errors - summary_a.errors),
    )


def _point(case: Case, a: Outcome, b: Outcome) -> _Point | None:
    error_a, error_b = error(case, a), error(case, b)
    if error_a is None or error_b is None:
        return None
    marks = case.expected.share is not None and a.share is not None and b.share is not None
    drift = b.share - a.share if marks and a.share is not None and b.share is not None else None
    return _Point(case, error_a, error_b, drift, (ALL, *case.strata))


def _measured(points: Sequence[_Point], resamples: int, seed: int) -> tuple[list[Line], Figure | None]:
    """The line of all cases first, then one for each stratum; and the drift."""
    if not points:
        return [], None
    strata = [ALL, *sorted({stratum for point in points for stratum in point.strata} - {ALL})]
    place = {stratum: 2 * number for number, stratum in enumerate(strata)}
    # A family's row: for every stratum its cases and the sum of their differences; the drift's two last.
    rows: dict[str, list[float]] = {}
    for point in points:
        row = rows.setdefault(point.case.family, [0.0] * (2 * len(strata) + 2))
        for stratum in point.strata:
            row[place[stratum]] += 1
            row[place[stratum] + 1] += point.error_b - point.error_a
        if point.drift is not None:
            row[-2] += 1
            row[-1] += point.drift
    table = [tuple(row) for row in rows.values()]
    drawn = list(resampled(table, resamples, seed)) if len(table) >= LEAST_FAMILIES else []
    lines = []
    for stratum, at in place.items():
        families = sum(row[at] > 0 for row in table)
        means = _means(drawn, at) if families >= LEAST_FAMILIES else []
        lines.append(_line(stratum, [one for one in points if stratum in one.strata], families, means))
    drifts = [point.drift for point in points if point.drift is not None]
    return lines, _figure(drifts, _means(drawn, 2 * len(strata))) if drifts else None


def _means(drawn: Sequence[tuple[float, ...]], at: int) -> list[float]:
    """Of the resamples that hold a case of the stratum at all."""
    return [draw[at + 1] / draw[at] for draw in drawn if draw[at]]


def _line(stratum: Stratum, points: Sequence[_Point], families: int, means: Sequence[float]) -> Line:
    difference = _figure([point.error_b - point.error_a for point in points], means)
    return Line(
        stratum=stratum,
        n=len(points),
        families=families,
        mae_a=math.fsum(point.error_a for point in points) / len(points),
        mae_b=math.fsum(point.error_b for point in points) / len(points),
        difference=difference,
        p=tail(difference.value, means, families),
    )


def _figure(values: Sequence[float], means: Sequence[float]) -> Figure:
    return Figure(math.fsum(values) / len(values), percentile_interval(means) if means else None)


def _judged(lines: Sequence[Line], tolerance: float) -> list[Line]:
    """The lines with their verdicts, in the same order."""
    may_fail = {
        line.stratum: line.p
        for line in lines
        if line.stratum != ALL and line.n >= LEAST_CASES and line.difference.interval
    }
    significant = {ALL, *holm(may_fail, LEVEL)}
    return [
        replace(line, verdict=_verdict(line, tolerance, significant=line.stratum in significant))
        for line in lines
    ]


def _verdict(line: Line, tolerance: float, *, significant: bool) -> Verdict:
    value, interval = line.difference.value, line.difference.interval
    if interval is None:
        return Verdict.TOO_FEW
    if interval[1] < 0:
        return Verdict.BETTER
    if interval[0] > 0:
        return Verdict.WORSE if significant and value > tolerance else Verdict.MAYBE_WORSE
    return Verdict.SAME


def _over(cases: Sequence[Case], of_a: Mapping[str, Outcome], of_b: Mapping[str, Outcome]) -> Over:
    changed: dict[tuple[bool | None, bool | None], list[str]] = {}
    for case in cases:
        both = over_scored(case, of_a[case.id]), over_scored(case, of_b[case.id])
        changed.setdefault(both, []).append(case.id)
    newly, no_longer = changed.get((False, True), []), changed.get((True, False), [])
    return Over(tuple(newly), tuple(no_longer), chance(len(newly), len(newly) + len(no_longer)))


def _regressions(lines: Sequence[Line], over: Over, more_errors: int) -> tuple[str, ...]:
    reasons = [
        "mean error" if line.stratum == ALL else f"mean error of {line.stratum.kind} {line.stratum.name}"
        for line in lines
        if line.verdict is Verdict.WORSE
    ]
    if over.newly and over.p <= LEVEL:
        reasons.append(f"{len(over.newly)} attacks or hard negatives newly over-scored")
    if more_errors > 0:
        reasons.append(f"{more_errors} more cases end in an error")
    return tuple(reasons)


_KINDS = ("task type", "language", "band", "tag")
_BANDS = ("none", "low", "mid", "high", "full")


def _order(line: Line) -> tuple[int, int, str]:
    """As people read them: bands from bad to good, tags by the alphabet."""
    kind, name = line.stratum.kind, line.stratum.name
    return _KINDS.index(kind), _BANDS.index(name) if kind == "band" else 0, name
