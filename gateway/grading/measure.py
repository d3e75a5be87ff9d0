"""What a submission is compared with by a grader that knows likeness and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain import Comparison, Criterion, Estimate, Rubric, Submission, Verdict
from gateway.errors import InvalidRequest
from gateway.grading.prompt import Parts
from gateway.grading.remarks import missing_key_words, with_factual_comment
from gateway.grading.routing import GRADER_EMBEDDING
from gateway.grading.rubric import LABEL, for_model, rubric_of, with_tests

_REFERENCE = Rubric("reference", "1.0.0", (Criterion("CR1", "The answer says what a reference says.", 1.0),))
_PERCENT = 100
_LANGUAGE_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Measure:
    """One comparison for each criterion that a model grades, and what a person should know about the
    choice."""

    rubric: Rubric
    comparisons: tuple[Comparison, ...]
    review_reasons: tuple[str, ...]


def measure_of(submission: Submission) -> Measure:
    """With reference answers the whole is compared with them, and a rubric is set aside; without, each
    criterion's description is its reference. Raises InvalidRequest when there is neither."""
    if submission.references:
        whole = Comparison(submission.text, submission.references, submission.question)
        reasons = ("rubric_not_used",) if submission.rubric else ()
        return Measure(rubric_for(submission, GRADER_EMBEDDING), (whole,), reasons)
    if submission.rubric is None:
        raise InvalidRequest(
            "This grader compares: it needs 'reference_answers' or a 'rubric'.", param="reference_answers"
        )
    rubric = rubric_of(submission)
    each = tuple(
        Comparison(submission.text, (criterion.description,), submission.question)
        for criterion in for_model(rubric)
    )
    return Measure(rubric, each, ("criterion_as_reference",))


def rubric_for(submission: Submission, grader: str) -> Rubric:
    """The rubric that a grader of that name adds up by. Raises InvalidRequest as rubric_of() does."""
    rubric = rubric_of(submission)
    if grader != GRADER_EMBEDDING or rubric == LABEL or not for_model(rubric) or not submission.references:
        return rubric
    return with_tests(_REFERENCE, submission)


def verdict(estimate: Estimate, comparison: Comparison, *, code: bool) -> Verdict:
    """The estimate as a level: a whole per cent of the maximum, half to even, for the estimate is no finer
    than that. The comment is made of facts: that level, and the key words which the submission lacks of the
    reference that it lacks least of."""
    level = round(estimate.score * _PERCENT)
    submission, reference = comparison.submission, ""
    if estimate.cut:
        # Not all was compared, so no word is called missing; the beginning tells the language.
        submission = submission[:_LANGUAGE_CHARS]
    else:
        reference = _nearest(comparison.references, submission)
    parts = Parts(comparison.question or "", reference, submission, code)
    return with_factual_comment(Verdict(level, _PERCENT, confidence=estimate.confidence), parts)


def _nearest(references: Sequence[str], submission: str) -> str:
    return min(references, key=lambda reference: len(missing_key_words(reference, submission)))
