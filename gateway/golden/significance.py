"""How surprising a difference is when nothing has changed."""

import math
from collections.abc import Hashable, Mapping, Sequence
from statistics import NormalDist, stdev
from typing import TypeVar

_NOTHING = 1e-12  # what sums of floats differ by

Name = TypeVar("Name", bound=Hashable)


def tail(difference: float, resampled: Sequence[float], groups: int) -> float:
    """Probability of a mean difference this high when there is none: of a normal with the spread of the
    resampled means, which is too small by (groups - 1) / groups in the square. Percentiles of 1000 resamples
    could not tell the small levels that a correction for many tests asks for."""
    if groups < 2 or len(resampled) < 2 or difference <= _NOTHING:
        return 1.0
    spread = stdev(resampled) * math.sqrt(groups / (groups - 1))
    return 1 - NormalDist().cdf(difference / spread) if spread > _NOTHING else 0.0


def holm(p_values: Mapping[Name, float], level: float) -> frozenset[Name]:
    """Those that are significant together at `level` (Holm 1979, Scandinavian Journal of Statistics 6(2),
    65-70): the chance that even one of them is wrong is no more than that."""
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for rank, name in enumerate(ordered):
        if p_values[name] > level / (len(ordered) - rank):
            return frozenset(ordered[:rank])
    return frozenset(ordered)


def chance(at_least: int, of: int) -> float:
    """Probability of so many heads or more in `of` tosses: McNemar's exact test, one-sided (1947,
    Psychometrika 12, 153-157), of what changed one way among all that changed."""
    return sum(math.comb(of, heads) for heads in range(at_least, of + 1)) / float(2**of)
