"""The rules for names in Latin letters, by themselves. The people are made up."""

import pytest

from gateway.adapters.presidio.english import EnglishNames
from gateway.adapters.presidio.findings import CITED


def found(text: str) -> list[tuple[str, bool]]:
    """The words and whether they are subject matter."""
    results = EnglishNames().analyze(text, ["PERSON"])
    return [(text[one.start : one.end], one.recognition_metadata[CITED]) for one in results]


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("Author: Tarquin Quillfeather, 2024", "Tarquin Quillfeather"),
        ("my name is claire hobbins", "claire hobbins"),
        ("Prof. Quillfeather told us so", "Quillfeather"),
        ("ESSAY\nCLAIRE HOBBINS", "CLAIRE HOBBINS"),
        ("a draft by R. K. Hobbins", "R. K. Hobbins"),
        ("so Claire left early", "Claire"),
    ],
)
def test_a_lead_an_honorific_or_a_known_given_name_gives_a_person_away(text: str, person: str) -> None:
    assert found(text) == [(person, False)]


@pytest.mark.parametrize(
    "text",
    [
        "Unconfirmed Service",
        "Take point A. If B.",
        "my name is not important",
        "Binäre Kodierung",
        "In April we had May.",
    ],
)
def test_capitals_alone_are_nobody(text: str) -> None:
    assert found(text) == []


def test_subject_matter_is_found_and_marked_not_dropped() -> None:
    assert found("Isaac Newton and Claire Hobbins") == [("Isaac Newton", True), ("Claire Hobbins", False)]
