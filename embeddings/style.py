"""How a text is written, as numbers: lengths, capitals, punctuation, repeats. Its lines are messages.

What a text says changes with the day's topic and the next bot; how people and programs type changes less: on
dialogues of another year these numbers keep what n-grams and sentence vectors lose.
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NUMBERS = 17
_SPACED_MARK = re.compile(r" [.,!?]")  # how a tokenizer's output is joined again
_APOSTROPHE = re.compile(r"\w'\w")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
_SHORT = 10  # characters


def style(text: str) -> NDArray[np.float32]:
    """[17] float32, all finite, also for an empty text."""
    lines = text.split("\n")
    words = text.split()
    lengths = np.array([len(line) for line in lines], float)
    counts = np.array([len(line.split()) for line in lines], float)
    tokens = max(1, len(words))
    return np.array(
        [
            np.log1p(len(lines)),
            np.log1p(lengths.mean()),
            np.log1p(lengths.std()),
            counts.mean(),
            counts.std(),
            _share(line == line.lower() for line in lines),
            _share(line[:1].isupper() for line in lines),
            _share(line.rstrip()[-1:] in (".", "!", "?") for line in lines),
            _share("?" in line for line in lines),
            1 - len(set(lines)) / len(lines),
            _share(_SPACED_MARK.search(line) is not None for line in lines),
            _share(_APOSTROPHE.search(line) is not None for line in lines),
            _share(_EMOJI.search(line) is not None for line in lines),
            len(set(text.lower().split())) / tokens,
            sum(text.count(mark) for mark in ".,!?") / max(1, len(text)),
            (lengths < _SHORT).mean(),
            sum(map(len, words)) / tokens,
        ],
        np.float32,
    )


def _share(found: Iterable[bool]) -> float:
    values = list(found)
    return sum(values) / len(values)
