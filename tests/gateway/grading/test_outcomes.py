"""What is decided without a model."""

from dataclasses import replace

import pytest

from gateway.domain import Criterion, Rubric, Submission
from gateway.grading.outcomes import off_topic, outcome_of

QUESTION = "Why does the water in a puddle slowly disappear on a sunny day?"
REFERENCE = "The sun's heat lets it evaporate."
SUBMISSION = Submission("It evaporates.", "text", None, 10, QUESTION, (REFERENCE,))


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u2060 \ufeff", "\x00\x07", "\u3164", "\U000e0041"])
@pytest.mark.parametrize("task_type", ["text", "code", "classification"])
def test_what_has_no_shape_is_empty(text: str, task_type: str) -> None:
    outcome = outcome_of(replace(SUBMISSION, text=text, task_type=task_type))
    assert outcome is not None
    assert (outcome.remark, outcome.reasons, outcome.confidence) == ("The submission is empty.", (), 1.0)


def test_a_remark_is_in_the_tasks_language_where_the_submission_has_none() -> None:
    outcome = outcome_of(replace(SUBMISSION, text=" ", question="Почему лужа исчезает?"))
    assert outcome is not None
    assert outcome.remark == "Работа пуста."


@pytest.mark.parametrize("text", [".", "42", "нет"])
def test_whatever_has_a_shape_is_an_answer(text: str) -> None:
    assert outcome_of(replace(SUBMISSION, text=text)) is None


@pytest.mark.parametrize(
    "copy", [QUESTION, QUESTION.upper(), "the water in a puddle slowly disappear", f"{QUESTION}!! {QUESTION}"]
)
def test_the_questions_words_in_their_order_are_no_answer(copy: str) -> None:
    outcome = outcome_of(replace(SUBMISSION, text=copy))
    assert outcome is not None
    assert outcome.reasons == ("question_copied",)


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "sunny day"},  # too short to be a copy
        {"text": "slowly water the puddle a disappear sunny in"},  # another order
        {"text": f"{QUESTION} The heat of the sun makes it evaporate."},
        {"text": QUESTION, "references": ("in a puddle",)},  # the answer stands in the question
        {"text": "a puddle slowly disappear on", "references": ()},  # part of the question may be asked for
        {"text": QUESTION, "question": None},
        {"text": QUESTION, "task_type": "code"},
        {"text": QUESTION, "task_type": "classification"},
    ],
)
def test_what_may_be_an_answer_is_no_copy(changes: dict[str, object]) -> None:
    assert outcome_of(replace(SUBMISSION, **changes)) is None  # type: ignore[arg-type]


def test_a_long_text_of_one_word_is_looked_through_in_time() -> None:
    assert outcome_of(replace(SUBMISSION, text="a " * 100_000, question="a " * 100_000)) is not None


STRANGE = "My grandmother bakes wonderful apple cakes every Sunday morning."


@pytest.mark.parametrize(
    ("changes", "strange"),
    [
        ({"text": STRANGE}, True),
        ({"text": STRANGE + " The sun shines."}, False),
        ({"text": "Grandmother bakes cakes"}, False),  # too few words to tell
        ({"text": "Бабушка печёт чудесные яблочные пироги каждое воскресенье"}, False),  # another language
        ({"text": STRANGE, "question": None, "references": ()}, False),
        ({"text": STRANGE, "task_type": "code"}, False),
        ({"text": STRANGE, "rubric": Rubric("r", "1.0.0", (Criterion("A", "Mentions apples.", 1),))}, False),
    ],
)
def test_not_one_word_of_the_task_is_suspect(changes: dict[str, object], strange: bool) -> None:
    assert off_topic(replace(SUBMISSION, **changes)) is strange  # type: ignore[arg-type]
