"""From levels to points. The score is added up here and nowhere else."""

from collections.abc import Mapping, Sequence

from gateway.domain import Criterion, CriterionGrade, Grade, Rubric, Submission, Usage, Verdict

_DEFAULT = {
    "text": Criterion("CR1", "The answer is correct and complete.", 1.0),
    "code": Criterion("CR1", "The program does what the task asks, correctly and completely.", 1.0),
}


def rubric_of(submission: Submission) -> Rubric:
    """The submission's own rubric, or the default one of its task type: a single criterion."""
    if submission.rubric is not None:
        return submission.rubric
    return Rubric(f"default-{submission.task_type}", "1.0.0", (_DEFAULT[submission.task_type],))


def points(verdict: Verdict, max_points: float) -> float:
    """Points of one criterion: the level's even share of the maximum."""
    return round(max_points * verdict.level / verdict.top_level, 4)


def grade(
    submission: Submission,
    rubric: Rubric,
    verdicts: Sequence[Verdict],
    *,
    grader: str,
    versions: Mapping[str, str],
    review_reasons: Sequence[str],
    partial: bool,
    usage: Usage,
) -> Grade:
    """Adds up a grade: sum of weight_i / sum(weights) * max_score * level_i / top_level_i, within
    0..max_score. `verdicts` stand in the order of the rubric's criteria."""
    weights = sum(criterion.weight for criterion in rubric.criteria)
    criteria = []
    for criterion, verdict in zip(rubric.criteria, verdicts, strict=True):
        max_points = round(submission.max_score * criterion.weight / weights, 4)
        criteria.append(
            CriterionGrade(
                criterion.id,
                points(verdict, max_points),
                max_points,
                verdict.evidence,
                verdict.comment,
                verdict.level / verdict.top_level,
            )
        )
    told = [verdict.confidence for verdict in verdicts if verdict.confidence is not None]
    score = round(sum(criterion.points for criterion in criteria), 2)
    return Grade(
        score=min(max(score, 0.0), submission.max_score),
        max_score=submission.max_score,
        comments=_comments(criteria),
        criteria=tuple(criteria),
        grader=grader,
        versions=versions,
        confidence=round(min(told), 4) if told else None,
        review_reasons=tuple(review_reasons),
        partial=partial,
        usage=usage,
        rubric=rubric,
    )


def _comments(criteria: Sequence[CriterionGrade]) -> str:
    if len(criteria) == 1:
        return criteria[0].comment
    return "\n".join(f"{criterion.id}: {criterion.comment}" for criterion in criteria)
