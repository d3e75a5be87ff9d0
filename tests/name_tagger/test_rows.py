"""Training rows: what their spans cover, and where the set's labels become ours."""

import random

import pytest

from name_tagger.corpus import cut, filled, templates
from name_tagger.lists import Lists, latin
from name_tagger.natural import addressed, spoilt, with_names
from name_tagger.presidio_rows import ours, redrawn
from name_tagger.rows import UNSURE, Row, joined, split
from name_tagger.values import Values

TOWN = {"en_GB": ["Leeds"], "en_US": ["Leeds"]}
ENGLISH = ("en_US", "en_GB", "en_AU", "en_CA", "en_IE", "en_NZ")
LISTS = Lists(
    given={locale: ["Tarquin"] for locale in ENGLISH},
    surnames={locale: ["Hobbins"] for locale in ENGLISH},
    cities=TOWN,
    addresses={"en_GB": ["1 Elm Row\nLeeds"]},
    countries=["Norway"],
    companies=["Hobbins Ltd"],
)


@pytest.fixture
def draw() -> random.Random:
    return random.Random(3)


@pytest.fixture
def values(draw: random.Random) -> Values:
    return Values(LISTS, draw)


def test_a_row_comes_apart_as_it_was_put_together() -> None:
    parts = [("Dr ", "TITLE"), ("Ann", "PERSON"), (" and ", None), ("Bob", "PERSON"), (" left.", None)]
    text, spans = joined(parts)
    assert text == "Dr Ann and Bob left."
    assert spans == ((0, 3, "TITLE"), (3, 6, "PERSON"), (11, 14, "PERSON"))
    assert split(Row(text, spans, True, "")) == parts


def test_every_template_can_be_filled(values: Values, draw: random.Random) -> None:
    for template in templates():
        row = filled(template, ["the water boils"], values, draw)
        assert "{" not in row.text.replace('{"', "")
        assert all(0 <= start < end <= len(row.text) for start, end, _ in row.spans)
        assert row.whole == ("{TEXT}" not in template)


@pytest.mark.parametrize(
    ("text", "spans", "kinds"),
    [
        ("1 Elm Row, Leeds", [("STREET_ADDRESS", 0, 9), ("GPE", 11, 16)], [(0, 16, "ADDRESS")]),
        ("Oslo\n1 Elm Row", [("GPE", 0, 4), ("STREET_ADDRESS", 5, 14)], [(0, 14, "ADDRESS")]),
        ("Leeds, Oslo", [("GPE", 0, 5), ("GPE", 7, 11)], [(0, 5, "LOCATION"), (7, 11, "LOCATION")]),
        ("Ann 1 Elm", [("PERSON", 0, 3), ("STREET_ADDRESS", 4, 9)], [(0, 3, "PERSON"), (4, 9, "ADDRESS")]),
        ("call 555", [("PHONE_NUMBER", 5, 8)], []),
    ],
)
def test_a_town_beside_a_street_is_one_address(
    text: str, spans: list[tuple[str, int, int]], kinds: list[tuple[int, int, str]]
) -> None:
    labelled = [{"type": kind, "start": start, "end": end} for kind, start, end in spans]
    assert list(ours(text, labelled)) == kinds


def test_the_same_words_become_the_same_new_ones(values: Values) -> None:
    row = Row("Ann met Ann", ((0, 3, "PERSON"), (8, 11, "PERSON")), True, "")
    made = redrawn(row, values, random.Random(1))
    one, other = (made.text[start:end] for start, end, _ in made.spans)
    assert one == other != "Ann"


def test_only_names_that_are_put_in_are_labelled(values: Values, draw: random.Random) -> None:
    row = with_names("I think she is right", values, draw)
    [person] = [span for span in row.spans if span[2] == "PERSON"]
    assert row.text[: person[0]].startswith("I think ")
    assert row.text[person[1] :] == " is right"
    for _ in range(50):
        said = addressed("The water boils.", values, draw)
        assert [kind for _, _, kind in said.spans if kind != "TITLE"] == ["PERSON"]


def test_spoilt_words_make_no_name_and_unsure_rows_stay(draw: random.Random) -> None:
    plain = frozenset(("water", "boils", "there"))
    row = Row("water boils there " * 9, (), False, "")
    made = [spoilt(row, plain, draw) for _ in range(20)]
    assert any(one.text != row.text for one in made)
    assert not any(one.spans for one in made)
    unsure = Row("water boils", ((0, 5, UNSURE),), False, "")
    assert spoilt(unsure, plain, draw) is unsure


def test_a_long_row_is_cut_as_the_reader_cuts() -> None:
    text = "It boils now. " * 30 + "Tarquin Hobbins left."
    start = text.index("Tarquin")
    parts = [*cut(Row(text, ((start, start + 15, "PERSON"),), True, ""))]
    assert len(parts) > 1
    assert [part.text[s:e] for part in parts for s, e, _ in part.spans] == ["Tarquin Hobbins"]


def test_other_alphabets_are_spelt_in_latin_letters() -> None:
    assert [latin(name) for name in ("Щукин", "Йован", "Αλέξης", "Žofie")] == [
        "Shchukin",
        "Yovan",
        "Alexis",
        "Žofie",
    ]
