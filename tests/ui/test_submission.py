"""What is typed on the page Grade, as a request."""

import pytest

from ui.submission import MOST_BYTES, NoText, Typed, mask_request, read_file, request


def test_a_bare_text_asks_for_nothing_that_was_not_typed() -> None:
    assert request(Typed("Words.")) == {
        "contract": "v1.1",
        "task_type": "text",
        "submission": "Words.",
        "grader": "auto",
        "metadata": {"max_score": 10.0},
    }


def test_references_stand_between_lines_of_dashes_and_keep_their_own_empty_lines() -> None:
    typed = Typed("x", references="one\n\nof two parts\n---\ntwo - three\n-----\n\n")
    assert request(typed)["reference_answers"] == ["one\n\nof two parts", "two - three"]


def test_a_program_brings_its_tests_and_no_labels() -> None:
    typed = Typed("x", task="code", language="python", labels="a, b", tests_passed=7, tests_total=10)
    body = request(typed)
    assert body["metadata"]["tests"] == {"passed": 7, "total": 10}
    assert body["language"] == "python"
    assert "labels" not in body
    assert "tests" not in request(Typed("x", tests_passed=7, tests_total=10))["metadata"]


def test_a_classification_has_labels_and_the_expected_one() -> None:
    body = request(Typed("x", task="classification", labels="praise, complaint,\n ,", references=" praise "))
    assert body["labels"] == ["praise", "complaint"]
    assert body["reference_answers"] == ["praise"]


def test_a_chosen_grader_is_meant_and_a_rubric_named() -> None:
    body = request(Typed("x", grader="grader-llm", rubric=" essay@1.0.0 ", question=" Why? "))
    assert (body["grader"], body["rubric_id"], body["question"]) == ("llm", "essay@1.0.0", "Why?")


def test_masking_is_asked_about_the_text_by_its_tasks_policy() -> None:
    assert mask_request(Typed("x", task="code", language="en")) == {"text": "x", "task_type": "code"}


def test_a_file_loses_its_byte_order_mark_and_gets_plain_lines() -> None:
    assert read_file("\ufeffодин\r\nдва\rтри 😀".encode()) == "один\nдва\nтри 😀"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("привет".encode("cp1251"), "file_encoding"),
        ("hello".encode("utf-16"), "file_encoding"),
        (b"\xed\xa0\x80", "file_encoding"),  # half of a surrogate pair
        (b"PK\x03\x04\x00\x00", "file_binary"),
        (b"a" * (MOST_BYTES + 1), "file_large"),
        (b"a" * 200_001, "file_long"),
    ],
)
def test_a_file_that_is_no_text_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(NoText) as caught:
        read_file(content)
    assert caught.value.reason == reason
