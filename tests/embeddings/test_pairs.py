"""What the grader reads of an answer beside a reference, on words whose vectors are quite different."""

import zlib

import numpy as np
import pytest

from embeddings.pairs import FEATURES, OF_LETTERS, Reading, features, of_letters, rarity, reading
from embeddings.style import NUMBERS, style
from embeddings.wording import wording

WIDTH, VOCABULARY = 512, 1000
RARITIES = np.ones(VOCABULARY, np.float32)
QUESTION = "what did the plant need"


def read(text: str) -> Reading:
    """A word is one entry of the vocabulary, and its vector is the entry's own direction."""
    ids = np.array([101 + zlib.crc32(word.encode()) % 400 for word in text.lower().split()], np.int64)
    states = np.zeros((len(ids), WIDTH), np.float32)
    states[np.arange(len(ids)), ids] = 1
    return reading(text, ids, states, RARITIES)


def pair(reference: str, answer: str, question: str = QUESTION) -> np.ndarray:
    return features(read(question), read(reference), read(answer))


@pytest.mark.parametrize("answer", ["light and water", "", "?!", "a", "вода и свет", "1 2 3"])
@pytest.mark.parametrize("question", [QUESTION, ""])
def test_every_pair_has_fifty_finite_numbers(answer: str, question: str) -> None:
    numbers = pair("It needed light.", answer, question)
    assert numbers.shape == (FEATURES,)
    assert numbers.dtype == np.float32
    assert np.isfinite(numbers).all()


def test_repeating_the_question_covers_none_of_what_the_reference_adds() -> None:
    reference = "the plant did need sunlight daily"
    covered_new = 8  # of the reference's words that the question has not said
    assert pair(reference, "sunlight daily")[covered_new] == pytest.approx(1)
    assert pair(reference, QUESTION)[covered_new] == pytest.approx(0)


def test_opposites_negations_and_other_figures_are_seen() -> None:
    turned, extra_figure, negated = 36, 39, 16
    assert pair("the wire got hotter", "the wire got colder")[turned] == 1
    assert pair("the wire got hotter", "the wire got hotter")[turned] == 0
    assert pair("it took 5 minutes", "it took 50 minutes")[extra_figure] == 1
    assert pair("it is connected", "it is not connected")[negated] == 1


def test_russian_words_meet_in_all_their_cases() -> None:
    covered_stems = 20
    assert pair("Растения выделяют кислород", "выделение кислорода растением")[covered_stems] >= 2 / 3
    assert wording("Не знаю").negated


def test_what_needs_no_encoder_stays_the_same_whatever_the_vectors() -> None:
    numbers = of_letters(pair("light and water", "water and light"))
    assert set(np.flatnonzero(numbers)) <= set(OF_LETTERS)
    assert numbers[20] == 1


@pytest.mark.parametrize(
    ("text", "share"),
    [("light", 0), ("für Straße", 0), ("вода и свет", 1), ("ab вг", 0.5), ("1 + 2", 0), ("", 0)],
)
def test_letters_of_other_alphabets_are_told(text: str, share: float) -> None:
    assert wording(text).foreign == share


def test_rare_words_weigh_more_and_none_weighs_nothing() -> None:
    found = rarity(100, np.array([0, 1, 50, 100]))
    assert list(found) == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(0.2)


@pytest.mark.parametrize("text", ["", "\n", "hi", "Hello , how are you ?\nhello , how are you ?", "😀" * 50])
def test_the_style_of_any_text_is_seventeen_finite_numbers(text: str) -> None:
    numbers = style(text)
    assert numbers.shape == (NUMBERS,)
    assert np.isfinite(numbers).all()


def test_style_tells_repeats_and_spaced_marks() -> None:
    repeated, spaced = 9, 10
    twice = style("fine .\nfine .")
    assert (twice[repeated], twice[spaced]) == (0.5, 1)
    assert style("Fine.\nAnd you?")[spaced] == 0
