import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Criterion, Rubric, Submission, Usage, Verdict
from gateway.grading.rubric import grade, rubric_of

SUBMISSION = Submission(text="x", task_type="text", language=None, max_score=10)


def graded(max_score: float, weights: list[float], levels: list[int], top: int = 4) -> float:
    rubric = Rubric("r", "1.0.0", tuple(Criterion(f"C{i}", "d", w) for i, w in enumerate(weights)))
    submission = Submission(text="x", task_type="text", language=None, max_score=max_score, rubric=rubric)
    verdicts = [Verdict(level, top, None) for level in levels]
    return grade(
        submission, rubric, verdicts, grader="g", versions={}, review_reasons=[], partial=False, usage=Usage()
    ).score


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
    assert graded(10, weights, levels) == score


@given(
    st.floats(0.01, 1000),
    st.lists(st.tuples(st.floats(0.01, 1000), st.integers(0, 4)), min_size=1, max_size=16),
)
def test_a_score_stays_within_its_range_and_a_better_level_never_lowers_it(
    max_score: float, criteria: list[tuple[float, int]]
) -> None:
    weights, levels = [w for w, _ in criteria], [level for _, level in criteria]
    score = graded(max_score, weights, levels)
    assert 0 <= score <= max_score
    better = graded(max_score, weights, [min(level + 1, 4) for level in levels])
    assert better >= score
    assert graded(max_score, weights, [4] * len(levels)) == pytest.approx(max_score, abs=0.01)
