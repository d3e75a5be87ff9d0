"""Which texts of a submission are masked, and that they find their places again."""

from dataclasses import replace

from gateway.domain import Criterion, Rubric, Submission
from gateway.grading.masked import submission_passages, with_submission_texts

RUBRIC = Rubric(
    "r",
    "1.0.0",
    (Criterion("A", "Names Anna.", 1.0), Criterion("B", "b", 1.0)),
    grading_notes="As Anna said.",
)
SUBMISSION = Submission("by Anna", "text", None, 10, "Who is Anna?", ("Anna", "She"), RUBRIC)


def test_every_text_that_a_model_may_see_is_masked_in_its_place() -> None:
    for code in (False, True):
        submission = replace(SUBMISSION, task_type="code" if code else "text")
        passages = submission_passages(submission)
        texts = [passage.text.replace("Anna", "<PERSON_1_k3f9x>") for passage in passages]
        masked = with_submission_texts(submission, texts)
        assert "Anna" not in repr([masked.text, masked.question, masked.references])
        assert masked.rubric is not None
        assert masked.rubric.grading_notes == "As <PERSON_1_k3f9x> said."
        assert [one.description for one in masked.rubric.criteria] == ["Names <PERSON_1_k3f9x>.", "b"]
        assert with_submission_texts(submission, [passage.text for passage in passages]) == submission
        assert [passage.program for passage in passages] == [False] * 4 + [code] * 3


def test_labels_are_the_tasks_own_words() -> None:
    letter = replace(SUBMISSION, task_type="classification", labels=("Anna", "She"), references=("Anna",))
    texts = [passage.text.replace("Anna", "<PERSON_1_k3f9x>") for passage in submission_passages(letter)]
    masked = with_submission_texts(letter, texts)
    assert (masked.labels, masked.references) == (letter.labels, ("Anna",))
    assert masked.text == "by <PERSON_1_k3f9x>"
