"""How `make bench-pii` counts, and a small run of its un-masking: 2,000 of the 100,000 cases."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.pii import restoring
from benchmarks.pii.cases import case
from benchmarks.pii.counting import (
    Tally,
    Token,
    by_token,
    by_token_of_kind,
    by_value,
    f_beta,
    of_any_kind,
    score,
)
from benchmarks.pii.restoring import restored
from benchmarks.pii.sets import Document, Value, marked
from gateway.domain import Masked, Passage, Span
from gateway.grading.placeholders import mask

TEXT = "Call Anna Smith, 12 Elm Road, Derby now"
ANNA = Value(5, 15, "PERSON", "PERSON")
ROAD = Value(17, 28, "STREET_ADDRESS", "ADDRESS")
DERBY = Value(30, 35, "GPE", "LOCATION")
LETTER = Document(TEXT, "one", (ANNA, ROAD, DERBY))


def test_a_value_is_found_when_half_of_it_is() -> None:
    assert by_value(LETTER, [Span(5, 9, "PERSON")], "PERSON") == Tally(1, 0, 0, 1, 1)
    assert by_value(LETTER, [Span(10, 15, "PERSON")], "PERSON") == Tally(1, 1, 0, 1, 1)
    assert by_value(LETTER, [Span(5, 15, "ADDRESS")], "PERSON") == Tally(1, 0, 1, 0, 0)


def test_a_finding_is_right_when_half_of_it_lies_where_people_marked() -> None:
    assert by_value(LETTER, [Span(0, 15, "PERSON")], "PERSON").right == 1
    assert by_value(LETTER, [Span(10, 28, "PERSON")], "PERSON").right == 1  # the road is left aside
    assert by_value(LETTER, [Span(14, 20, "PERSON")], "PERSON").right == 1
    assert by_value(LETTER, [Span(36, 39, "PERSON")], "PERSON") == Tally(1, 0, 0, 1, 0)


def test_strictly_both_ends_must_agree_but_for_punctuation() -> None:
    assert by_value(LETTER, [Span(5, 16, "PERSON")], "PERSON", strict=True) == Tally(1, 1, 1, 1, 1)
    assert by_value(LETTER, [Span(10, 15, "PERSON")], "PERSON", strict=True) == Tally(1, 0, 0, 1, 0)


def test_an_address_may_take_its_town_along() -> None:
    whole = [Span(17, 35, "ADDRESS")]
    assert by_value(LETTER, whole, "ADDRESS") == Tally(1, 1, 1, 1, 1)
    assert of_any_kind(LETTER, whole, {"STREET_ADDRESS"}.__contains__) == Tally(1, 1, 1, 1, 1)
    assert of_any_kind(LETTER, [Span(30, 35, "LOCATION")], {"STREET_ADDRESS"}.__contains__) == Tally(1)


def tokens(text: str, silent: Sequence[str] = ()) -> list[Token]:
    found, start = [], 0
    for word in text.split(" "):
        found.append(Token(start, word in silent))
        start += len(word) + 1
    return found


def test_tokens_are_counted_as_presidio_research_counts_them() -> None:
    """Call(-) Anna(P) Smith,(P) 12(A) Elm(A) Road,(A) Derby(L) now(-), of which the analyser says
    Smith, 12 and now are a person."""
    found = [Span(10, 19, "PERSON"), Span(36, 39, "PERSON")]
    assert by_token(tokens(TEXT), LETTER, found) == Tally(6, 2, 2, 3, 2)
    assert by_token_of_kind(tokens(TEXT), LETTER, found, "PERSON") == Tally(2, 1, 1, 3, 1)
    assert by_token(tokens(TEXT, ["now", "Elm"]), LETTER, found) == Tally(5, 2, 2, 2, 2)
    assert by_token(tokens(TEXT, ["Smith,"]), LETTER, found).hit == 2  # an agreement counts all the same


def test_types_that_do_not_exist_are_wrong_to_find_or_left_aside() -> None:
    found = [Span(30, 35, "LOCATION")]
    assert by_token(tokens(TEXT), LETTER, found, {"PERSON"}.__contains__) == Tally(2, 0, 0, 1, 0)
    assert by_token(tokens(TEXT), LETTER, found, {"PERSON"}.__contains__, aside=True) == Tally(2)


def test_spacys_tokens_begin_where_the_text_says() -> None:
    """In a process of its own: other tests put a stand-in in spaCy's place, and want no real one before."""
    code = (
        "from benchmarks.pii.tokens import tokenizer\n"
        'print([(one.start, one.silent) for one in tokenizer()("The St., Dr. Ann\'s")])'
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[(0, True), (4, True), (7, True), (9, False), (13, False), (16, True)]"


def test_f_prefers_recall() -> None:
    assert f_beta(0.685, 0.603, 2.0) == pytest.approx(0.618, abs=5e-4)  # as published for Presidio's defaults
    assert f_beta(0.5, 1.0, 2.0) == pytest.approx(5 * 0.5 / (4 * 0.5 + 1))
    assert f_beta(None, 0.0, 2.0) == 0.0
    assert f_beta(1.0, None, 2.0) is None


def test_figures_are_of_all_values_and_intervals_of_whole_groups() -> None:
    found = score([("a", Tally(2, 2, 2, 2, 2)), ("a", Tally(2, 2, 1, 2, 2)), ("b", Tally(4, 0, 0, 4, 0))])
    assert (found.values, found.found) == (8, 8)
    assert found.recall is not None
    assert found.recall.value == 0.5
    assert found.recall.interval == (0.0, 1.0)
    assert found.gone is not None
    assert found.gone.value == 3 / 8
    assert score([]).f is None


def test_of_two_marks_on_the_same_words_the_longer_one_counts(tmp_path: Path) -> None:
    spans = [
        {"type": "PER", "start": 5, "end": 9},
        {"type": "PER", "start": 5, "end": 15},
        {"type": "RU_INN", "start": 17, "end": 19},
        {"type": "US_DRIVER_LICENSE", "start": 30, "end": 35},
    ]
    file = tmp_path / "test.jsonl"
    file.write_text(json.dumps({"id": "1", "text": TEXT, "spans": spans}) + "\n")
    (document,) = marked(file)
    assert [(one.start, one.end, one.kind) for one in document.values] == [
        (5, 15, "PERSON"),
        (17, 19, "INN"),
        (30, 35, "US_DRIVER_LICENSE"),
    ]


def test_everybodys_value_comes_back_where_it_belongs() -> None:
    outcome = restored(range(2_000))
    assert outcome.wrong == []
    assert outcome.mentions > 10_000
    assert outcome.restored > 2_000


def test_a_value_of_somebody_else_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: a masking that swaps two values, or forgets one, is caught."""

    def swapped(passages: Sequence[Passage], spans: Sequence[Sequence[Span]], nonce: str) -> Masked:
        masked = mask(passages, spans, nonce)
        keys, values = list(masked.originals), list(masked.originals.values())
        return Masked(
            masked.texts, dict(zip(keys, values[1:] + values[:1], strict=True)), nonce, masked.spans
        )

    monkeypatch.setattr(restoring, "mask", swapped)
    assert len(restored(range(200)).wrong) > 150


def test_a_finding_that_stays_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(passages: Sequence[Passage], spans: Sequence[Sequence[Span]], nonce: str) -> Masked:
        return mask(passages, [found[:-1] for found in spans], nonce)

    monkeypatch.setattr(restoring, "mask", forgetful)
    outcome = restored(range(200))
    assert {why for _, why in outcome.wrong} == {"a finding that stays"}


def test_a_case_is_made_of_its_seed_alone() -> None:
    assert case(7) == case(7)
    assert case(7) != case(8)
