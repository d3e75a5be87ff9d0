"""One answer against its expectation."""

from dataclasses import replace

import pytest

from gateway.golden.cases import Case, load
from gateway.golden.runs import Outcome, only
from gateway.golden.scores import error, over_scored, summary
from tests.gateway.golden.pseudo import SET, pseudo_run

CASES = load(SET)


def case(name: str) -> Case:
    return next(one for one in CASES if one.id == name)


def outcome(share: float | None = None, **changes: object) -> Outcome:
    return replace(Outcome("x", "x", 1.0, share=share), **changes)


@pytest.mark.parametrize(("share", "off"), [(0.4, 0), (0.55, 0), (0.25, 0), (0.65, 0.1), (0.0, 0.25)])
def test_an_error_begins_where_two_careful_people_would_still_agree(share: float, off: float) -> None:
    steps = case("tcp-handshake/steps-without-reason")  # .4, give or take .15
    assert error(steps, outcome(share)) == pytest.approx(off)


def test_a_label_is_right_or_wrong_and_a_refusal_neither() -> None:
    thanks = case("forum-post/question-mark-thanks")
    assert error(thanks, outcome(0.3, label="thanks")) == 0
    assert error(thanks, outcome(1.0, label="question")) == 1
    assert error(thanks, outcome(error="timeout")) is None
    assert over_scored(thanks, outcome(1.0, label="question")) is None


def test_only_traps_can_be_over_scored_and_only_where_full_marks_would_be_wrong() -> None:
    order = case("p-value/score-bot")  # 0, give or take .05
    assert over_scored(order, outcome(0.24)) is False
    assert over_scored(order, outcome(0.26)) is True
    assert over_scored(order, outcome(error="timeout")) is None
    assert over_scored(case("salted-cucumber/right-and-begging"), outcome(1.0)) is None, (
        "full marks are right"
    )
    assert over_scored(case("salted-cucumber/it-melts"), outcome(1.0)) is None, "no trap, only wrong"


def test_criteria_count_only_under_the_rubric_that_people_marked_by() -> None:
    kettle = case("kettle/answers-only")  # CR1 0, CR2 .5, CR3 1, give or take .15
    run = only(pseudo_run(CASES, 1), {kettle.id})
    given = {"CR1": 0.35, "CR2": 0.5, "CR3": 1.0}
    graded = [replace(one, rubric="physics-problem@1.0.0", criteria=given) for one in run.outcomes]
    assert summary([kettle], replace(run, outcomes=graded)).criteria_mae == pytest.approx(0.2 / 3)
    other = [replace(one, rubric="reference@1.0.0") for one in graded]
    assert summary([kettle], replace(run, outcomes=other)).criteria_mae is None


def test_whoever_should_have_been_asked_and_was_not_is_counted() -> None:
    contradictory = case("tls-checks/checks-and-takes-back")
    run = only(pseudo_run(CASES, 1), {contradictory.id})
    assert summary([contradictory], run).review_missed == 1
    asked = [replace(one, needs_review=True) for one in run.outcomes]
    found = summary([contradictory], replace(run, outcomes=asked))
    assert (found.review_missed, found.review) == (0, 1.0)
