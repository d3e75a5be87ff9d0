"""The shipped tagger over sentences of our own, none of them a template. The people are made up."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.presidio.tagger.finding import Finder, worth_reading
from gateway.adapters.presidio.tagger.pieces import LONGEST, pieces
from gateway.adapters.presidio.tagger.reading import FOLDER, BadModel, Reader

Tag = Callable[[str], list[tuple[str, str]]]
CORE = ("PERSON", "ADDRESS")


@pytest.fixture(scope="session")
def finder() -> Finder:
    return Finder(Reader())


@pytest.fixture
def tagged(finder: Finder) -> Tag:
    def tag(text: str) -> list[tuple[str, str]]:
        return [(one.kind, text[one.start : one.end]) for one in finder.find(text) if one.kind in CORE]

    return tag


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("The graph on page two was drawn by Ngozi Adeyemi-Brown last week.", "Ngozi Adeyemi-Brown"),
        ("It seems that Thuy Linh used the wrong sign in step three.", "Thuy Linh"),
        ("Could somebody forward the slides to Maximilian Oberhauser?", "Maximilian Oberhauser"),
        ("We divided the tasks: Priyanka measured, I wrote.", "Priyanka"),
        ("If you ask Mrs. Quillfeather, the derivative is zero.", "Quillfeather"),
        ("After the break Sean O'Driscoll took over the microscope.", "Sean O'Driscoll"),
        ("hi everyone, my name is gulnara and this is my first post", "gulnara"),
        ("THE REPORT OF TARQUIN HOBBINS", "TARQUIN HOBBINS"),
        ("Zoë Šimůnková's notes were a great help to all of us.", "Zoë Šimůnková"),
    ],
)
def test_a_person_is_found_whole_where_no_list_knows_the_name(tagged: Tag, text: str, person: str) -> None:
    assert tagged(text) == [("PERSON", person)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (
            "My grandparents have a flat at 27 Juniper Close, Norwich NR4 7TJ.",
            "27 Juniper Close, Norwich NR4 7TJ",
        ),
        ("Post it to Hauptstraße 14, 80331 München please.", "Hauptstraße 14, 80331 München"),
    ],
)
def test_an_address_is_found_with_its_town_and_postcode(tagged: Tag, text: str, address: str) -> None:
    assert tagged(text) == [("ADDRESS", address)]


@pytest.mark.parametrize(
    "text",
    [
        "Kirchhoff's laws and Ohm's law give the same current, so the lamp stays dark.",
        "The Fourier transform of a Gaussian is a Gaussian.",
        "Insertion Sort is stable, Heap Sort is not. Use Quick Sort for large arrays.",
        "Host A waits until the LAN is idle, then sends its Frame to Host B.",
        "Because The Water Evaporates And The Salt Stays",
        "In March we measured rainfall; on Monday the sensor broke.",
    ],
)
def test_subject_matter_is_nobody(tagged: Tag, text: str) -> None:
    assert tagged(text) == []


def test_offsets_are_the_texts_own_over_many_pieces(finder: Finder) -> None:
    filler = (
        "The café costs 3 € \U0001f600. It is warm because the sun shines on the glass all day long.\n" * 12
    )
    text = f"{filler}Zoë Šimůnková wrote it.\n{filler}Then Tarquin Hobbins checked it."
    found = [one for one in finder.find(text) if one.kind == "PERSON"]
    assert [text[one.start : one.end] for one in found] == ["Zoë Šimůnková", "Tarquin Hobbins"]
    assert all(0.4 <= one.score <= 1 for one in found)


@given(st.text(alphabet="aB. \n-'\u00e9\U0001f600", max_size=1500))
def test_pieces_are_short_and_leave_nothing_out(text: str) -> None:
    ranges = pieces(text)
    assert all(0 <= start < end <= len(text) and end - start <= LONGEST for start, end in ranges)
    assert ranges == sorted(ranges)
    read = {index for start, end in ranges for index in range(start, end)}
    assert {index for index, letter in enumerate(text) if not letter.isspace()} <= read


@pytest.mark.parametrize(
    "text",
    [
        "x" * 2000,
        "X" * 2000,
        "\n" * 1000,
        "1 " * 1000,
        "\U0001f600" * 500,
        "\ud800",
        "' - " * 500,
        "\u0301" * 2000,
        "",
    ],
)
def test_strange_texts_are_read_without_complaint(finder: Finder, text: str) -> None:
    assert all(0 <= one.start < one.end <= len(text) for one in finder.find(text))


def test_a_lone_surrogate_moves_no_offset(tagged: Tag) -> None:
    assert tagged("\udfff It was Tarquin Hobbins \ud800 who said so.") == [("PERSON", "Tarquin Hobbins")]


@pytest.mark.parametrize(
    ("piece", "read"),
    [
        ("because the bulbs are in separate paths", False),
        ("The water evaporates. Then I see the salt.", False),
        ("Потому что вода кипит", False),
        ("i asked tarquin about it", True),
        ("The water evaporates, says Tarquin.", True),
        ("tarquin's answer is better", True),
    ],
)
def test_only_what_could_hold_a_name_is_read(piece: str, read: bool) -> None:
    assert worth_reading(piece) is read


@pytest.mark.parametrize("name", ["tagger.onnx", "vocabulary.txt", "manifest.json"])
def test_a_file_that_is_not_the_manifests_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BadModel):
        Reader(folder)


def test_the_recogniser_marks_who_is_subject_matter() -> None:
    from gateway.adapters.presidio.without_spacy import leave_spacy_out

    leave_spacy_out()
    from gateway.adapters.presidio.findings import CITED
    from gateway.adapters.presidio.tagger.recognizer import NameTagger

    text = "Isaac Newton was born in 1643. Tarquin Hobbins told me so."
    results = NameTagger().analyze(text, ["PERSON"])
    said = [(text[one.start : one.end], one.recognition_metadata[CITED]) for one in results]
    assert said == [("Isaac Newton", True), ("Tarquin Hobbins", False)]


def test_an_unsure_word_is_no_person_and_a_king_is_one() -> None:
    from gateway.adapters.presidio.tagger.recognizer import NameTagger

    text = "Mrs. King asked Ivan King to open the gate."
    results = NameTagger().analyze(text, ["PERSON"])
    assert [text[one.start : one.end] for one in results] == ["King", "Ivan King"]
    assert NameTagger().analyze("GRANT SELECT ON marks; MAX HEAP", ["PERSON"]) == []
