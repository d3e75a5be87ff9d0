"""Two graders about one answer."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Criterion, Rubric, Submission, Verdict
from gateway.grading.opinion import SecondOpinion, combined_share, with_opinion
from gateway.grading.rubric import Judgement, rubric_of

SUBMISSION = Submission("Plants make sugar", "text", None, 10, references=("Plants make oxygen",))
LLM = Judgement(
    "grader-llm", rubric_of(SUBMISSION), (Verdict(4, 4, 0.9, comment="Good."),), {"model": "tiny"}
)
OTHER = Judgement(
    "grader-embedding", rubric_of(SUBMISSION), (Verdict(40, 100, 0.9),), {"model": "grader-embedding@7"}
)


def advised(
    mode: SecondOpinion, judgement: Judgement = LLM, submission: Submission = SUBMISSION
) -> Judgement:
    return with_opinion(judgement, OTHER, submission, mode, 0.5)


def test_a_large_difference_is_for_a_person() -> None:
    assert advised(SecondOpinion.CHECK) == replace(LLM, reasons=("graders_disagree",))


def test_what_the_model_expects_is_compared_and_not_its_likeliest_level() -> None:
    unsure = replace(LLM, verdicts=(Verdict(4, 4, 0.5, expected=0.7),))
    assert advised(SecondOpinion.CHECK, unsure) == unsure


def test_combined_they_are_one_share_and_both_are_named() -> None:
    found = advised(SecondOpinion.COMBINE, replace(LLM, explained=True))
    (verdict,) = found.verdicts
    assert (verdict.level, verdict.top_level, verdict.comment) == (89, 100, "Good.")
    assert found.versions["model"] == "tiny + grader-embedding@7"
    bare = advised(SecondOpinion.COMBINE)
    assert bare.verdicts[0].comment.startswith("Level 89 of 100. Key words")


def test_a_rubric_of_ones_own_is_never_combined() -> None:
    own = Rubric("r", "1.0.0", (Criterion("A", "d", 1.0),))
    judged = replace(LLM, rubric=own, reasons=())
    found = advised(SecondOpinion.COMBINE, judged, replace(SUBMISSION, rubric=own))
    assert found.verdicts == LLM.verdicts


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_combined_share_lies_between_the_two(one: float, other: float) -> None:
    low, high = sorted(min(max(share, 0.01), 0.99) for share in (one, other))
    assert low - 1e-9 <= combined_share(one, other) <= high + 1e-9
    assert combined_share(one, other) == pytest.approx(combined_share(other, one))
