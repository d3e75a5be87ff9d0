"""From verdicts to points. The score is added up here and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.domain import (
    Constraint,
    Criterion,
    CriterionGrade,
    Grade,
    Language,
    ModelCall,
    Rubric,
    Source,
    Submission,
    Usage,
    Verdict,
)
from gateway.errors import InvalidRequest
from gateway.grading.remarks import tests_verdict, with_cap_told
from gateway.grading.words import language_of, spoken_in

_DEFAULT = {
    "text": Criterion("CR1", "The answer is correct and complete.", 1.0),
    "code": Criterion("CR1", "The program does what the task asks, correctly and completely.", 1.0),
}
LABEL = Rubric("label", "1.0.0", (Criterion("label", "The label is an expected one.", 1.0),))
NO_MODEL = {"model": "none", "prompt": "none"}  # versions of a verdict that code came to


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a grade is added up from: the verdicts, in the order of the rubric's criteria, and how they came
    about. A grader makes it; what is known besides can still change it."""

    grader: str
    rubric: Rubric
    verdicts: tuple[Verdict, ...]
    versions: Mapping[str, str]  # model, prompt
    reasons: tuple[str, ...] = ()
    partial: bool = False
    usage: Usage = field(default_factory=Usage)
    label: str | None = None
    explained: bool = False  # the comments are a model's words, not facts made by code
    remark: str = field(repr=False, default="")  # about the whole
    makeshift: bool = False  # something that should have had a part in it could not be asked
    calls: tuple[ModelCall, ...] = field(repr=False, default=())


# Which rubric

WITH_TESTS = "+tests"


def rubric_of(submission: Submission) -> Rubric:
    """The submission's own rubric, or the default one of its task type, with test results in it. Raises
    InvalidRequest when the rubric contradicts itself or the submission."""
    if submission.task_type == "classification":
        return LABEL
    rubric = submission.rubric
    if rubric is None:
        rubric = Rubric(f"default-{submission.task_type}", "1.0.0", (_DEFAULT[submission.task_type],))
    known = {criterion.id for criterion in rubric.criteria}
    if not all(constraint.criterion in known for constraint in rubric.constraints):
        raise InvalidRequest("A constraint names a criterion that is not there.", param="rubric.constraints")
    return with_tests(rubric, submission)


def with_tests(rubric: Rubric, submission: Submission) -> Rubric:
    """The rubric with a place for the submission's test results: where none of its criteria is graded by
    them, one more takes half of the weight, so that no model's word alone outweighs a failed run. Such a
    rubric's version ends with WITH_TESTS. Raises InvalidRequest when it wants results that are not there."""
    wanted = any(criterion.source is Source.TESTS for criterion in rubric.criteria)
    if submission.tests is None:
        if wanted:
            raise InvalidRequest(
                "The rubric has a criterion for tests: it needs 'metadata.tests'.", param="metadata.tests"
            )
        return rubric
    if wanted:
        return rubric
    taken = {criterion.id for criterion in rubric.criteria}
    name = next(name for name in ("tests", *(f"tests{n}" for n in range(2, 99))) if name not in taken)
    weight = sum(criterion.weight for criterion in rubric.criteria)
    tests = Criterion(name, "The program passes its tests.", weight, Source.TESTS)
    return replace(rubric, version=f"{rubric.version}{WITH_TESTS}", criteria=(*rubric.criteria, tests))


def without_tests(rubric: Rubric) -> Rubric:
    """What with_tests() has made the rubric of."""
    if not rubric.version.endswith(WITH_TESTS):
        return rubric
    return replace(rubric, version=rubric.version.removesuffix(WITH_TESTS), criteria=rubric.criteria[:-1])


def for_model(rubric: Rubric) -> tuple[Criterion, ...]:
    """The criteria that a model is asked about: it never sees the others."""
    return tuple(criterion for criterion in rubric.criteria if criterion.source is Source.MODEL)


def complete(rubric: Rubric, asked: Sequence[Verdict], submission: Submission) -> tuple[Verdict, ...]:
    """The model's verdicts, in the order of for_model(), and those of tests in their places."""
    answers = iter(asked)
    language = spoken_in(submission)
    return tuple(
        tests_verdict(submission.tests, language)
        if criterion.source is Source.TESTS and submission.tests
        else next(answers)
        for criterion in rubric.criteria
    )


def with_test_verdicts(verdicts: Sequence[Verdict], known: Judgement) -> tuple[Verdict, ...]:
    """The verdicts with those of tests as they are known: the platform's run holds whatever a text says."""
    return tuple(
        old if criterion.source is Source.TESTS else new
        for criterion, old, new in zip(known.rubric.criteria, known.verdicts, verdicts, strict=True)
    )


def by_tests_alone(submission: Submission, rubric: Rubric, grader: str) -> Judgement | None:
    """The judgement where every criterion is graded by test results, so that no model is asked."""
    if for_model(rubric):
        return None
    return Judgement(grader, rubric, complete(rubric, (), submission), NO_MODEL)


# Points


def shares(verdicts: Sequence[Verdict]) -> list[float]:
    return [verdict.level / verdict.top_level for verdict in verdicts]


def total(rubric: Rubric, of: Sequence[float]) -> float:
    """The share of the whole, 0..1: sum of weight_i / sum of weights * share_i, at most the cap of each
    constraint whose criterion lies below its bound."""
    weights = sum(criterion.weight for criterion in rubric.criteria)
    added = sum(criterion.weight * share for criterion, share in zip(rubric.criteria, of, strict=True))
    return min(added / weights, cap(rubric, of), 1.0)


def triggered(rubric: Rubric, of: Sequence[float]) -> list[Constraint]:
    """The constraints whose criterion has a share below their bound."""
    share_of = dict(zip((criterion.id for criterion in rubric.criteria), of, strict=True))
    return [one for one in rubric.constraints if share_of[one.criterion] < one.below]


def cap(rubric: Rubric, of: Sequence[float]) -> float:
    """The most that the whole can be worth, 0..1."""
    return min((one.cap for one in triggered(rubric, of)), default=1.0)


def grade(submission: Submission, judgement: Judgement) -> Grade:
    """Adds up a grade. Its score is within 0..max_score."""
    rubric = judgement.rubric
    criteria = tuple(
        CriterionGrade(criterion.id, 0.0, 0.0, verdict.evidence, verdict.comment, share)
        for criterion, verdict, share in zip(
            rubric.criteria, judgement.verdicts, shares(judgement.verdicts), strict=True
        )
    )
    told = [verdict.confidence for verdict in judgement.verdicts if verdict.confidence is not None]
    bare = Grade(
        score=0.0,
        max_score=submission.max_score,
        comments=_comments(judgement.remark, criteria),
        criteria=criteria,
        grader=judgement.grader,
        versions={**judgement.versions, "rubric": rubric.id, "contract": submission.contract},
        confidence=round(min(told), 4) if told else None,
        review_reasons=judgement.reasons,
        partial=judgement.partial,
        usage=judgement.usage,
        rubric=rubric,
        label=judgement.label,
        makeshift=judgement.makeshift,
        calls=judgement.calls,
    )
    return _added_up(bare, rubric, submission.max_score, spoken_in(submission))


def rescored(grade: Grade, old: Rubric, new: Rubric, max_score: float) -> Grade:
    """The grade by other weights, points and constraints: the criteria keep their shares, and no model is
    asked. Raises InvalidRequest when the two rubrics have other criteria."""
    ids = [criterion.id for criterion in old.criteria]
    if sorted(ids) != sorted(criterion.id for criterion in new.criteria) or ids != [
        criterion.id for criterion in grade.criteria
    ]:
        raise InvalidRequest("The rubrics have different criteria: grade anew.", param="rubric_id")
    of = {criterion.id: criterion for criterion in grade.criteria}
    criteria = tuple(of[criterion.id] for criterion in new.criteria)
    versions = {**grade.versions, "rubric": new.id}
    unscored = replace(grade, criteria=criteria, versions=versions)
    return _added_up(unscored, new, max_score, language_of(grade.comments))


def _added_up(grade: Grade, rubric: Rubric, max_score: float, language: Language) -> Grade:
    weights = sum(criterion.weight for criterion in rubric.criteria)
    criteria = []
    for criterion, known in zip(rubric.criteria, grade.criteria, strict=True):
        max_points = round(max_score * criterion.weight / weights, 4)
        points = round(max_points * known.share, 4)
        criteria.append(replace(known, points=points, max_points=max_points))
    of = [known.share for known in criteria]
    added = min(round(sum(known.points for known in criteria), 2), round(cap(rubric, of) * max_score, 2))
    return replace(
        grade,
        score=min(max(added, 0.0), max_score),
        max_score=max_score,
        comments=with_cap_told(grade.comments, language, capped=bool(triggered(rubric, of))),
        criteria=tuple(criteria),
        rubric=rubric,
    )


def _comments(remark: str, criteria: Sequence[CriterionGrade]) -> str:
    if len(criteria) == 1:
        lines = [remark, criteria[0].comment]
    else:
        lines = [remark, *(f"{one.id}: {one.comment}" for one in criteria if one.comment)]
    return "\n".join(line for line in lines if line)
