"""What a graded answer asks of the model: its level, and its words' nearness to the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_server.local_model.packing import Floats

Levels = tuple[float, float, float]


def levels_of(score: float, coarse: bool) -> Levels:
    """A score of 0..1 as probabilities of the levels with the same mean; a coarse source has no middle."""
    if coarse or score in (0.0, 1.0):
        return (1 - score, 0.0, score)
    low = max(0.0, 1 - 2 * score)
    high = max(0.0, 2 * score - 1)
    return (low, 1 - low - high, high)


@dataclass(frozen=True, slots=True)
class Made:
    """An answer for a branch; `teach` when the teacher's opinion of it is worth something."""

    text: str
    levels: Levels
    teach: bool


def aligned(
    ours: Sequence[tuple[int, int]], spans: NDArray[np.int64], values: Floats
) -> list[tuple[int, float]]:
    """Each of our tokens takes the value of the wordpiece over its last letter (ours start one later)."""
    found = []
    for place, (_, end) in enumerate(ours):
        over = np.flatnonzero((spans[:, 0] < end - 1) & (end - 1 <= spans[:, 1]))
        if len(over):
            found.append((place, float(values[over[-1]])))
    return found
