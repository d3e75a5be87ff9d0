"""What is decided about a submission without a model, and what words alone make suspect. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.domain import Rubric, Submission, Verdict
from gateway.grading import remarks
from gateway.grading.marks import is_blank
from gateway.grading.rubric import NO_MODEL, Judgement
from gateway.grading.words import content_words, language_of, plain_words, spoken_in, stem

_LEAST_COPIED = 5  # words: "the second one" is an answer to a question that names both
_COPIED = 0.95  # share of the submission's words that stand in the question in the same order
_MOST_OF_QUESTION = 0.5  # without a reference a sentence out of a long question may be what was asked for
_RUN = 3  # words in the same order
_LEAST_ON_TOPIC = 5  # content words


@dataclass(frozen=True, slots=True)
class Outcome:
    """Score 0, and nobody was asked."""

    remark: str = field(repr=False)  # to the student
    reasons: tuple[str, ...]
    confidence: float | None


def outcome_of(submission: Submission) -> Outcome | None:
    """The defined outcome of a submission that is empty or repeats its question, None of any other."""
    language = spoken_in(submission)
    if is_blank(submission.text):
        return Outcome(remarks.empty(language), (), 1.0)
    if submission.task_type == "text" and repeats_question(submission):
        return Outcome(remarks.copied(language), ("question_copied",), None)
    return None


def decided(outcome: Outcome, rubric: Rubric, grader: str) -> Judgement:
    """The outcome as a judgement: nothing for any criterion."""
    zero = Verdict(0, 1, outcome.confidence)
    return Judgement(
        grader,
        rubric,
        (zero,) * len(rubric.criteria),
        NO_MODEL,
        reasons=outcome.reasons,
        remark=outcome.remark,
    )


def repeats_question(submission: Submission) -> bool:
    """Whether the submission is made of the question's own words in their order, and no reference is: where
    the right answer stands in the question, a copy of it may be right."""
    question, answer = plain_words(submission.question or ""), plain_words(submission.text)
    if len(answer) < _LEAST_COPIED or _contained(answer, question) < _COPIED:
        return False
    if not submission.references:
        return len(answer) >= _MOST_OF_QUESTION * len(question)
    return not any(
        _contained(plain_words(reference), question) >= _COPIED for reference in submission.references
    )


def _contained(part: Sequence[str], whole: Sequence[str]) -> float:
    """The share of `part`'s words that are covered by runs of three words which `whole` has too; fewer words
    are one run. Linear, where an alignment of two long texts is not."""
    run = min(_RUN, len(part))
    if not run:
        return 0.0
    known = {tuple(whole[at : at + run]) for at in range(len(whole) - run + 1)}
    covered = [False] * len(part)
    for at in range(len(part) - run + 1):
        if tuple(part[at : at + run]) in known:
            covered[at : at + run] = [True] * run
    return sum(covered) / len(part)


def off_topic(submission: Submission) -> bool:
    """Whether an answer of some length shares not one content word with its question, references and
    criteria. Words say nothing across languages, nor where the task has none."""
    if submission.task_type != "text":
        return False
    criteria = submission.rubric.criteria if submission.rubric else ()
    task = [submission.question or "", *submission.references, *(one.description for one in criteria)]
    spoken = {stem(word) for word in content_words(submission.text)}
    known = {stem(word) for text in task for word in content_words(text)}
    if len(spoken) < _LEAST_ON_TOPIC or not known or spoken & known:
        return False
    return language_of(submission.text) is language_of(" ".join(task))
