"""From verdicts to points."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import domain
from gateway.domain import Constraint, Criterion, Grade, Rubric, Source, Submission, Verdict
from gateway.errors import InvalidRequest
from gateway.grading.rubric import Judgement, for_model, grade, rescored, rubric_of

SUBMISSION = Submission(text="x", task_type="text", language=None, max_score=10)
RESULTS = domain.TestResults(7, 10)

shares = st.floats(0, 1)
verdicts = st.tuples(st.floats(0.01, 1000), st.integers(0, 4))
constraints = st.lists(st.tuples(st.integers(0, 15), shares, shares), max_size=8)


def rubric(weights: list[float], caps: Any = ()) -> Rubric:
    criteria = tuple(Criterion(f"C{i}", "d", weight) for i, weight in enumerate(weights))
    return Rubric(
        "r",
        "1.0.0",
        criteria,
        tuple(Constraint(f"C{i % len(weights)}", below, cap) for i, below, cap in caps),
    )


def graded(max_score: float, of: Rubric, levels: list[int], top: int = 4) -> Grade:
    given_verdicts = tuple(Verdict(level, top, None, comment="Да") for level in levels)
    judgement = Judgement("g", of, given_verdicts, {"model": "m", "prompt": "p"})
    return grade(replace(SUBMISSION, max_score=max_score, rubric=of), judgement)


def test_without_a_rubric_one_default_criterion_is_used() -> None:
    assert rubric_of(SUBMISSION).id == "default-text@1.0.0"
    assert [criterion.id for criterion in rubric_of(SUBMISSION).criteria] == ["CR1"]


@pytest.mark.parametrize(
    ("weights", "levels", "score"),
    [
        ([1], [4], 10),
        ([1], [0], 0),
        ([3, 1], [4, 0], 7.5),
        ([0.5, 0.5], [1, 3], 5),
        ([1, 1, 1], [4, 4, 4], 10),
    ],
)
def test_points_are_the_weighted_even_share_of_the_levels(
    weights: list[float], levels: list[int], score: float
) -> None:
    assert graded(10, rubric(weights), levels).score == score


def test_a_constraint_caps_the_total_only_below_its_bound() -> None:
    capped = rubric([3, 1], [(1, 0.5, 0.6)])
    assert graded(10, capped, [4, 1]).score == 6
    assert graded(10, capped, [4, 2]).score == 8.75
    assert "\nA rule of the rubric caps the total." not in graded(10, capped, [4, 2]).comments
    assert graded(10, capped, [4, 1]).comments.endswith("\nA rule of the rubric caps the total.")
    assert graded(10, capped, [4, 1]).review_reasons == ()


@given(st.floats(0.01, 1000), st.lists(verdicts, min_size=1, max_size=16), constraints)
def test_a_score_stays_within_its_range_and_a_better_level_never_lowers_it(
    max_score: float, criteria: list[tuple[float, int]], caps: Any
) -> None:
    of, levels = rubric([w for w, _ in criteria], caps), [level for _, level in criteria]
    score = graded(max_score, of, levels).score
    assert 0 <= score <= max_score
    assert graded(max_score, of, [min(level + 1, 4) for level in levels]).score >= score
    assert graded(max_score, replace(of, constraints=()), levels).score >= score
    full = graded(max_score, replace(of, constraints=()), [4] * len(levels))
    assert full.score == pytest.approx(max_score, abs=0.01)


@given(st.floats(0.01, 1000), st.lists(verdicts, min_size=1, max_size=16), constraints)
def test_a_grade_rescored_by_its_own_rubric_is_itself(
    max_score: float, criteria: list[tuple[float, int]], caps: Any
) -> None:
    of = rubric([w for w, _ in criteria], caps)
    known = graded(max_score, of, [level for _, level in criteria])
    assert rescored(known, of, of, max_score) == known


def test_a_rescored_grade_is_what_the_new_rubric_would_have_given() -> None:
    old, new = rubric([1, 1]), replace(rubric([3, 1], [(1, 0.5, 0.6)]), version="1.1.0")
    again = rescored(graded(10, old, [4, 1]), old, new, 20)
    assert replace(again, versions={}) == replace(
        graded(20, new, [4, 1]), versions={}, comments=again.comments
    )
    assert again.versions["rubric"] == "r@1.1.0"
    assert again.comments.endswith("Правило рубрики ограничивает итог.")
    with pytest.raises(InvalidRequest):
        rescored(graded(10, old, [4, 1]), old, rubric([1, 1, 1]), 10)


def test_test_results_without_a_place_in_the_rubric_take_half_of_the_weight() -> None:
    program = replace(SUBMISSION, task_type="code", tests=RESULTS)
    inline = replace(program, rubric=rubric([3, 1]))
    for submission, name in ((program, "default-code@1.0.0+tests"), (inline, "r@1.0.0+tests")):
        found = rubric_of(submission)
        weights = [one.weight for one in found.criteria]
        assert (found.id, weights[-1]) == (name, sum(weights) / 2)
        assert found.criteria[-1].source is Source.TESTS
        assert found.criteria[-1] not in for_model(found)


def test_a_rubric_with_a_place_for_tests_stays_and_needs_results() -> None:
    criteria = (Criterion("tests", "d", 1.0), Criterion("RUN", "d", 1.0, Source.TESTS))
    program = replace(SUBMISSION, task_type="code", tests=RESULTS, rubric=Rubric("r", "1.0.0", criteria))
    assert rubric_of(program) == program.rubric
    with pytest.raises(InvalidRequest) as refusal:
        rubric_of(replace(program, tests=None))
    assert refusal.value.param == "metadata.tests"


def test_an_added_place_for_tests_takes_no_other_criterions_name() -> None:
    own = Rubric("r", "1.0.0", (Criterion("tests", "Writes tests.", 1.0),))
    assert [one.id for one in rubric_of(replace(SUBMISSION, tests=RESULTS, rubric=own)).criteria] == [
        "tests",
        "tests2",
    ]


def test_a_constraint_on_nothing_is_refused() -> None:
    own = Rubric("r", "1.0.0", (Criterion("A", "d", 1.0),), (Constraint("B", 0.5, 0.5),))
    with pytest.raises(InvalidRequest):
        rubric_of(replace(SUBMISSION, rubric=own))
