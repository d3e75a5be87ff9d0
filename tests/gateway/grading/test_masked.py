"""Which texts of a submission are masked, and that they find their places again."""

from dataclasses import replace

from gateway.domain import Criterion, Rubric, Submission
from gateway.grading.masked import submission_texts, with_submission_texts

RUBRIC = Rubric(
    "r",
    "1.0.0",
    (Criterion("A", "Names Anna.", 1.0), Criterion("B", "b", 1.0)),
    grading_notes="As Anna said.",
)
SUBMISSION = Submission("by Anna", "text", None, 10, "Who is Anna?", ("Anna", "She"), RUBRIC)


def test_every_text_that_a_model_may_see_is_masked_in_its_place() -> None:
    for code in (False, True):
        prose, programs = submission_texts(SUBMISSION, code=code)
        texts = [text.replace("Anna", "<PERSON_1_k3f9x>") for text in (*prose, *programs)]
        masked = with_submission_texts(SUBMISSION, texts)
        assert "Anna" not in repr([masked.text, masked.question, masked.references])
        assert masked.rubric is not None
        assert masked.rubric.grading_notes == "As <PERSON_1_k3f9x> said."
        assert [one.description for one in masked.rubric.criteria] == ["Names <PERSON_1_k3f9x>.", "b"]
        assert with_submission_texts(SUBMISSION, [*prose, *programs]) == SUBMISSION


def test_labels_are_the_tasks_own_words() -> None:
    letter = replace(SUBMISSION, task_type="classification", labels=("Anna", "She"), references=("Anna",))
    prose, _ = submission_texts(letter, code=False)
    masked = with_submission_texts(letter, [text.replace("Anna", "<PERSON_1_k3f9x>") for text in prose])
    assert (masked.labels, masked.references) == (letter.labels, ("Anna",))
    assert masked.text == "by <PERSON_1_k3f9x>"
