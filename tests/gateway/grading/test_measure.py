"""What a submission is compared with, and what the comparison is worth."""

from dataclasses import replace

import pytest

from gateway import domain
from gateway.domain import Comparison, Criterion, Estimate, Rubric, Submission
from gateway.errors import InvalidRequest
from gateway.grading.measure import measure_of, verdict

ESSAY = Rubric("essay", "1.0.0", (Criterion("A", "Says what.", 3.0), Criterion("B", "Says why.", 1.0)))


def estimate(score: float, *, cut: bool = False) -> Estimate:
    return Estimate("correct", 0.9, {"correct": 1.0}, needs_review=False, cut=cut, score=score)


def test_references_win_over_a_rubric_and_a_rubric_over_nothing() -> None:
    both = measure_of(Submission("x", "text", None, 1.0, "Why?", ("y", "z"), ESSAY))
    assert both.comparisons == (Comparison("x", ("y", "z"), "Why?"),)
    assert (both.rubric.id, both.review_reasons) == ("reference@1.0.0", ("rubric_not_used",))
    alone = measure_of(Submission("x", "text", None, 1.0, rubric=ESSAY))
    assert [one.references for one in alone.comparisons] == [("Says what.",), ("Says why.",)]
    assert (alone.rubric, alone.review_reasons) == (ESSAY, ("criterion_as_reference",))
    with pytest.raises(InvalidRequest):
        measure_of(Submission("x", "text", None, 1.0, "Why?"))


def test_test_results_have_their_place_beside_what_is_compared() -> None:
    program = Submission("x", "code", "c", 1.0, references=("y",), tests=domain.TestResults(1, 2))
    assert [one.id for one in measure_of(program).rubric.criteria] == ["CR1", "tests"]
    own = measure_of(replace(program, references=(), rubric=ESSAY))
    assert (own.rubric.id, len(own.comparisons)) == ("essay@1.0.0+tests", 2)


@pytest.mark.parametrize(("score", "level"), [(0.0, 0), (0.004, 0), (0.006, 1), (0.834, 83), (1.0, 100)])
def test_a_score_is_rounded_to_whole_per_cents(score: float, level: int) -> None:
    found = verdict(estimate(score), Comparison("x", ("y",)), code=False)
    assert (found.level, found.top_level, found.confidence) == (level, 100, 0.9)


def test_missing_words_are_those_of_the_nearest_reference_and_of_none_after_a_cut() -> None:
    compared = Comparison("plants make sugar", ("water boils quickly", "plants make sugar and oxygen"))
    assert verdict(estimate(0.8), compared, code=False).comment.endswith("answer: oxygen.")
    assert verdict(estimate(0.8, cut=True), compared, code=False).comment == "Level 80 of 100."
    assert verdict(estimate(0.8), compared, code=True).comment == "Level 80 of 100."
