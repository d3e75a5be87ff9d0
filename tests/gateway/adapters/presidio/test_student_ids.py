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
        ("студенческий 20231234", "20231234"),
        ("Личный номер студента 1122335", "1122335"),
        ("шифр студента 20К0046", "20К0046"),
        ("Roll No. 18BCE0457", "18BCE0457"),
        ("roll number: 46", "46"),
        ("NetID: ab2750", "ab2750"),
        ("UNI: ab2750", "ab2750"),
        ("Candidate number 7046", "7046"),
        ("Registration no: 2020-CS-128", "2020-CS-128"),
        ("student #: 20231234", "20231234"),
        ("J. Smith (ID 20231234)", "20231234"),
        ("My ID is 20231234", "20231234"),
    ],
)
def test_a_word_or_the_deployments_pattern_makes_a_students_number(
    recognizers: list[object], text: str, number: str
) -> None:
    assert said(recognizers, text) == [("STUDENT_ID", number)]


@pytest.mark.parametrize(
    "text",
    [
        "Зачётка есть у 300 студентов",
        "student number 12",
        "student identity 12345",
        "XST-123456",
        "order ID 20231234",
        "Process ID: 20231234",
        "We roll number 6",
        "шифр 20К0046",
        "Uni: 2024",
        "студенческие 20000 рублей",
        "candidate number 1",
    ],
)
def test_other_numbers_near_students_stay(recognizers: list[object], text: str) -> None:
    assert said(recognizers, text) == []


def test_in_a_program_an_id_is_anythings(recognizers: list[object]) -> None:
    assert said(recognizers, "# ID: 20231234", program=True) == []
