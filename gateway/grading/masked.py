"""Submissions and comparisons with their texts masked, and a grade with its texts un-masked."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from gateway.domain import Comparison, Grade, Masked, Passage, Submission
from gateway.grading.placeholders import originals_under
from gateway.grading.unmasking import unmask, unmask_quote


def submission_passages(submission: Submission) -> list[Passage]:
    """Everything of a submission that a model may see, its text last. A classification's labels, which its
    references are too, stay as they are: they are the task's own words, and a masked label cannot be told
    from another."""
    rubric = submission.rubric
    criteria = rubric.criteria if rubric else ()
    prose = [
        submission.question or "",
        rubric.grading_notes if rubric else "",
        *(criterion.description for criterion in criteria),
    ]
    program = submission.task_type == "code"
    answers = [*_masked_references(submission), submission.text]
    about = submission.question or ""
    return [*map(Passage, prose), *(Passage(answer, program=program, about=about) for answer in answers)]


def with_submission_texts(submission: Submission, texts: Sequence[str]) -> Submission:
    """The submission with other texts, in the order of submission_passages()."""
    rubric = submission.rubric
    count = 2 + (len(rubric.criteria) if rubric else 0)
    question, notes, descriptions, answers = texts[0], texts[1], texts[2:count], texts[count:]
    if rubric:
        criteria = tuple(
            replace(criterion, description=text)
            for criterion, text in zip(rubric.criteria, descriptions, strict=True)
        )
        rubric = replace(rubric, criteria=criteria, grading_notes=notes)
    return replace(
        submission,
        question=question or None,
        references=tuple(answers[:-1]) if _masked_references(submission) else submission.references,
        text=answers[-1],
        rubric=rubric,
    )


def _masked_references(submission: Submission) -> tuple[str, ...]:
    return () if submission.task_type == "classification" else submission.references


def comparison_passages(comparisons: Sequence[Comparison]) -> list[Passage]:
    """Everything of the comparisons that a model may see, in one row."""
    return [
        Passage(text) for one in comparisons for text in (one.submission, one.question or "", *one.references)
    ]


def with_comparison_texts(comparisons: Sequence[Comparison], texts: Sequence[str]) -> list[Comparison]:
    """The comparisons with other texts, in the order of comparison_passages()."""
    row = iter(texts)
    return [
        Comparison(
            submission=next(row),
            question=next(row) or None,
            references=tuple(islice(row, len(one.references))),
        )
        for one in comparisons
    ]


def unmasked_grade(grade: Grade, submission: Submission, masked: Masked, nonce: str) -> Grade:
    """The grade with the caller's own words back in its comments and quotes. It was given for `submission`,
    which is `masked`, but under placeholders that end with `nonce`."""
    if not masked.originals:
        return grade
    originals = originals_under(nonce, masked)
    words = masked.words[-1]
    return replace(
        grade,
        comments=unmask(grade.comments, originals),
        criteria=tuple(
            replace(
                c,
                evidence=unmask_quote(c.evidence, submission.text, words, originals),
                comment=unmask(c.comment, originals),
            )
            for c in grade.criteria
        ),
    )
