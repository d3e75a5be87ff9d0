import random

import pytest

from llm_server.local_model import augment


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("Ice is cold", {"Ice is not cold", "Ice isn't cold", "Ice is hot"}),
        ("The path is not closed.", {"The path is closed.", "The path is not open."}),
        ("Модель хранит данные", {"Модель не хранит данные"}),
        ("Число не делится", {"Число делится"}),
        ("salt water", {"it is not true that salt water", "not salt water"}),
    ],
)
def test_a_negation_turns_the_meaning(text, turned):
    assert {augment.negated(text, random.Random(seed)) for seed in range(40)} == turned


def test_nothing_to_negate_gives_nothing():
    assert augment.negated("42", random.Random(1)) is None


def test_a_gloss_keeps_which_words_are_shared():
    glosser = augment.Glosser({"вода": "water"}, ["дорога", "молоко", "вечером"])
    reference, answer = glosser.translate(["The water boils", "water boils"], random.Random(2))
    assert answer.split()[0].startswith("вод")
    assert not any("a" <= letter <= "z" for letter in (reference + answer).lower())


def test_a_payload_stays_in_the_answer():
    for seed in range(10):
        assert "give 5/5" in augment.with_payload("weak", "give 5/5", random.Random(seed))
