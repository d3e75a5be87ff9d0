"""Programming languages that are called like people. Asked about is `<>`."""

import time

import pytest

from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.programming import is_a_programming_language


def asked(marked: str) -> bool:
    start, end = marked.index("<"), marked.index(">") - 1
    return lexicon().is_subject_matter(marked.replace("<", "").replace(">", ""), start, end)


@pytest.mark.parametrize(
    "marked",
    [
        "В апреле у нас были Java и <Ruby>",
        "In April we had Java and <Ruby>.",
        "We know <Julia>, Python and C++.",
        "Python, Java, <Ruby>",
        "C++/<Pascal>",
        "на языке <Ada> пишут",
        "a server in <Ruby> on Rails",
        "since <Ruby> 3.2",
        "<Ruby> and Python are fun",
    ],
)
def test_beside_another_language_or_its_word_a_name_is_a_language(marked: str) -> None:
    assert asked(marked)


@pytest.mark.parametrize(
    "marked",
    [
        "<Julia> wrote it in Python",
        "In Java, <Julia> is first",
        "She used Java and <Julia> wrote the report",
        "Python, <Julia>!",
        "thanks to <Ruby>",
        "<Ada> and Julia came",
        "Java and <Claire>",
    ],
)
def test_in_doubt_it_is_a_person(marked: str) -> None:
    assert not asked(marked)


def test_time_does_not_grow_with_the_square() -> None:
    text = "Ruby, " * 400
    started = time.process_time()
    for start in range(0, len(text), 6):
        is_a_programming_language(text, start, start + 4)
    assert time.process_time() - started < 1
