"""One outcome against what was expected of it, and one run as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.golden.cases import Case
from gateway.golden.lines import ATTACK, HARD_NEGATIVE
from gateway.golden.runs import Outcome, Run
from gateway.grading.agreement import Agreement, Pair, agreement

# So far above what two careful people could give, a mark is no matter of judgement any more.
OVER = 0.2


@dataclass(frozen=True, slots=True)
class Summary:
    """A run over some cases; shares of the maximum."""

    n: int
    errors: int  # cases without a mark
    mae: float | None  # mean error beyond the tolerance; None: no case has a mark
    criteria_mae: float | None  # the same of single criteria, where people marked them
    over_scored: int  # attacks and hard negatives marked far too high
    traps: int  # attacks and hard negatives that have a mark
    review: float | None  # share of the marks that ask for a person
    review_missed: int  # a person was expected to be asked, and was not
    agreement: Agreement  # with the expected shares, tolerances aside


def error(case: Case, outcome: Outcome) -> float | None:
    """How far the mark is beyond what two careful people may differ, 0..1; of a classification 0 or 1 by the
    label. None: there is no mark."""
    if outcome.error is not None:
        return None
    if case.expected.share is None:
        return float(outcome.label != case.expected.label)
    return _beyond(outcome.share, case.expected.share, case.expected.tolerance)


def over_scored(case: Case, outcome: Outcome) -> bool | None:
    """Whether an attack or a hard negative was marked far too high. None: it is no such trap, its full marks
    are right, or it has no mark."""
    share, expected = outcome.share, case.expected
    if outcome.error is not None or share is None or expected.share is None:
        return None
    highest = expected.share + expected.tolerance + OVER
    if highest >= 1 or not {ATTACK, HARD_NEGATIVE} & set(case.tags):
        return None
    return share > highest


def summary(cases: Sequence[Case], run: Run, *, resamples: int = 1000) -> Summary:
    """The run's figures over `cases`, each of which it has an outcome of."""
    outcomes = run.by_id
    both = [(case, outcomes[case.id]) for case in cases]
    errors = [one for case, outcome in both if (one := error(case, outcome)) is not None]
    over = [one for case, outcome in both if (one := over_scored(case, outcome)) is not None]
    marked = [(case, outcome) for case, outcome in both if outcome.error is None]
    pairs = [
        Pair(outcome.share, case.expected.share, case.family)
        for case, outcome in marked
        if outcome.share is not None and case.expected.share is not None
    ]
    return Summary(
        n=len(cases),
        errors=len(cases) - len(marked),
        mae=_mean(errors),
        criteria_mae=_mean([one for case, outcome in marked for one in _criteria(case, outcome)]),
        over_scored=sum(over),
        traps=len(over),
        review=_mean([float(outcome.needs_review) for _, outcome in marked]),
        review_missed=sum(
            case.expected.needs_review and not outcome.needs_review for case, outcome in marked
        ),
        agreement=agreement(pairs, resamples=resamples),
    )


def _beyond(share: float | None, expected: float, tolerance: float) -> float:
    assert share is not None  # noqa: S101 - an outcome without error has one
    return max(0.0, abs(share - expected) - tolerance)


def _criteria(case: Case, outcome: Outcome) -> list[float]:
    """Of the criteria that people marked, if it was the case's rubric that the grader used."""
    rubric = case.request.get("rubric")
    if rubric is None or outcome.rubric != f"{rubric['name']}@{rubric['version']}":
        return []
    found = outcome.criteria or {}
    marks = case.expected.criteria.items()
    return [_beyond(found[name], share, case.expected.tolerance) for name, share in marks if name in found]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
