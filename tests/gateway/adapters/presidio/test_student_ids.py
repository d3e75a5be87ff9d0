"""Numbers of students after words for them, and of the patterns that a deployment gives."""

import pytest

from tests.gateway.adapters.presidio.reading import said


@pytest.fixture(scope="module")
def recognizers() -> list[object]:
    from gateway.adapters.presidio import student_ids

    return [*student_ids.recognizers([r"\bST-\d{6}\b"])]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("студбилет № 123456", "123456"),
        ("Студенческий билет: 21-ПМИ-034,", "21-ПМИ-034"),
        ("номер зачётки 987654", "987654"),
        ("зачётная книжка № М-12345", "М-12345"),
        ("My student ID is S1234567.", "S1234567"),
        ('{"student_id": "20231234"}', "20231234"),
        ("matriculation no. 20231234", "20231234"),
        ("by ST-123456 alone", "ST-123456"),
    ],
)
def test_a_word_or_the_deployments_pattern_makes_a_students_number(
    recognizers: list[object], text: str, number: str
) -> None:
    assert said(recognizers, text) == [("STUDENT_ID", number)]


@pytest.mark.parametrize(
    "text", ["Зачётка есть у 300 студентов", "student number 12", "student identity 12345", "XST-123456"]
)
def test_other_numbers_near_students_stay(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []
