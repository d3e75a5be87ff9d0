"""Submissions and comparisons with their texts masked, and a grade with its texts un-masked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from gateway.domain import Comparison, Grade, Submission
from gateway.grading.placeholders import unmask


def submission_texts(submission: Submission, *, code: bool) -> tuple[list[str], list[str]]:
    """Everything of a submission that a model may see, as prose and as programs. A classification's labels,
    which its references are too, stay as they are: they are the task's own words, and a masked label cannot
    be told from another."""
    rubric = submission.rubric
    criteria = rubric.criteria if rubric else ()
    prose = [
        submission.question or "",
        rubric.grading_notes if rubric else "",
        *(criterion.description for criterion in criteria),
    ]
    answers = [*_masked_references(submission), submission.text]
    return (prose, answers) if code else ([*prose, *answers], [])


def with_submission_texts(submission: Submission, texts: Sequence[str]) -> Submission:
    """The submission with other texts, in the order of submission_texts(): prose, then programs."""
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


def comparison_texts(comparisons: Sequence[Comparison]) -> list[str]:
    """Everything of the comparisons that a model may see, in one row."""
    return [text for one in comparisons for text in (one.submission, one.question or "", *one.references)]


def with_comparison_texts(comparisons: Sequence[Comparison], texts: Sequence[str]) -> list[Comparison]:
    """The comparisons with other texts, in the order of comparison_texts()."""
    row = iter(texts)
    return [
        Comparison(
            submission=next(row),
            question=next(row) or None,
            references=tuple(islice(row, len(one.references))),
        )
        for one in comparisons
    ]


def unmasked_grade(grade: Grade, originals: Mapping[str, str]) -> Grade:
    """The grade with the caller's own words back in its comments and quotes."""
    if not originals:
        return grade
    return replace(
        grade,
        comments=unmask(grade.comments, originals),
        criteria=tuple(
            replace(c, evidence=unmask(c.evidence, originals), comment=unmask(c.comment, originals))
            for c in grade.criteria
        ),
    )
