"""How each column is compared, and from where on it has drifted: one table, whatever Evidently would choose.

A score is a distance of the window from its reference, and a column has drifted where its score is above its
threshold. That is the larger of two figures:
- what chance gives: of PERMUTATIONS random divisions of both sides' rows, at most FALSE_ALARMS / columns give
  more (Phipson and Smyth, 2010). This holds for any distribution, with ties and with labels seen once, and
  by Bonferroni's inequality a run without any drift alarms in at most FALSE_ALARMS of cases;
- what matters: a smaller change counts as none, however many rows prove it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FALSE_ALARMS = 0.05  # of whole runs, where nothing has changed
PERMUTATIONS = 999
FEWEST = 30  # values on a side; with fewer a column is left out
MOST_VECTORS = 1000  # of a side; the kernel of both has 2000 x 2000 figures
_CUTS = 100  # at which two distributions of numbers are compared
_PENALTY = 0.1  # of the ridge, as a share of the vectors' spread
_APART = 1e-4  # of a vector's length: equal texts have no order of their own
_ROUNDING = 1e-9  # two sums of the same shares are the same
_SEED = 7  # the same rows get the same threshold

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]  # [rows, width]


@dataclass(frozen=True, slots=True)
class Method:
    name: str  # that Evidently knows it by
    title: str  # that Evidently shows
    least: float  # a smaller score is no drift


NUMBERS = Method("kolmogorov", "Kolmogorov's distance", 0.10)
CATEGORIES = Method("total_variation", "Total variation distance", 0.05)
VECTORS = Method("domain_auc", "ROC AUC of a classifier that tells the window from its reference", 0.55)

METHODS = {
    "text_length": NUMBERS,
    "language": CATEGORIES,
    "label": CATEGORIES,
    "score": NUMBERS,
    "confidence": NUMBERS,
    "embedding": VECTORS,
}


def kolmogorov(reference: Floats, current: Floats) -> float:
    """The largest difference of the shares of values up to a cut, over the cuts."""
    return float(_steps(*_cells(reference, current)))


def total_variation(reference: Sequence[str], current: Sequence[str]) -> float:
    """The share of values that would have to be others for both sides to be alike."""
    return float(_moved(*_counts(reference, current)))


def roc_auc(reference: Floats, current: Floats) -> float:
    """How often one of the window's has the larger score than one of the reference's."""
    ordered = np.argsort(np.concatenate([reference, current]), kind="stable")
    return float(_auc((ordered >= len(reference))[:, np.newaxis])[0])


def critical_number(reference: Floats, current: Floats, columns: int) -> float:
    """The threshold of a column of numbers, one of so many."""
    counts = _cells(reference, current)
    return max(NUMBERS.least, _highest(_steps(*_divided(*counts)), columns))


def critical_category(reference: Sequence[str], current: Sequence[str], columns: int) -> float:
    counts = _counts(reference, current)
    return max(CATEGORIES.least, _highest(_moved(*_divided(*counts)), columns))


@dataclass(frozen=True, slots=True)
class Told:
    """What a classifier that tells window (1) from reference (0) says of rows that it was not fitted on."""

    reference: Floats
    current: Floats
    by_chance: Floats  # the ROC AUC of each random division


def told_apart(reference: Vectors, current: Vectors) -> Told:
    """A ridge regression on one half of the rows scores the other half, and the other way round. For the same
    halves its answers are linear in the labels, so that a thousand divisions cost one product of matrices:
    0.4 s for 1,000 rows a side."""
    chance = np.random.default_rng(_SEED)
    rows = np.concatenate([reference, current])
    window = np.repeat(np.array([0, 1], np.float32), [len(reference), len(current)])
    labels = np.empty((len(rows), PERMUTATIONS + 1), np.float32)
    labels[:, 0] = window
    labels[:, 1:] = chance.permuted(np.repeat(window[:, np.newaxis], PERMUTATIONS, axis=1), axis=0)
    rows = rows + chance.normal(0, _APART / math.sqrt(rows.shape[1]), rows.shape).astype(np.float32)
    order = chance.permutation(len(rows))
    halves = order[: len(rows) // 2], order[len(rows) // 2 :]
    scores = np.empty_like(labels)
    for fitted, held in (halves, halves[::-1]):
        scores[held] = _ridge(rows[fitted], rows[held]) @ (labels[fitted] - labels[fitted].mean(axis=0))
    places = np.argsort(scores, axis=0)
    by_chance = _auc(np.take_along_axis(labels, places, axis=0) > 0)[1:]
    one = scores[:, 0].astype(np.float64)
    return Told(one[window == 0], one[window == 1], by_chance)


def drawn(rows: int) -> npt.NDArray[np.intp]:
    """The places of at most MOST_VECTORS of so many rows, evenly over them."""
    return np.linspace(0, rows - 1, min(rows, MOST_VECTORS)).round().astype(np.intp)


def critical_vectors(told: Told, columns: int) -> float:
    return max(VECTORS.least, _highest(told.by_chance, columns))


def _ridge(fitted: Vectors, held: Vectors) -> Any:
    """[held, fitted]: the answers for the held rows are this times the fitted rows' labels."""
    centre = fitted.mean(axis=0)
    fitted, held = fitted - centre, held - centre
    kernel = fitted @ fitted.T
    penalty = _PENALTY * float(np.trace(kernel)) + np.finfo(np.float32).tiny
    kernel[np.diag_indices_from(kernel)] += penalty
    return np.linalg.solve(kernel, fitted @ held.T).T


def _auc(window: npt.NDArray[np.bool_]) -> Floats:
    """Of rows [rows, divisions] in the order of their scores (Mann and Whitney's U over its most)."""
    places = np.arange(1, len(window) + 1, dtype=np.float64)
    current = window.sum(axis=0)
    wins = places @ window - current * (current + 1) / 2
    auc: Floats = wins / (current * (len(window) - current))
    return auc


def _cells(reference: Floats, current: Floats) -> tuple[Any, Any]:
    """How many values of each side lie between the cuts, which are quantiles of both sides together."""
    both = np.concatenate([reference, current])
    cuts = np.unique(np.quantile(both, np.linspace(0, 1, _CUTS), method="lower"))
    cells = [np.bincount(np.searchsorted(cuts, side), minlength=len(cuts)) for side in (reference, current)]
    return cells[0], cells[1]


def _counts(reference: Sequence[str], current: Sequence[str]) -> tuple[Any, Any]:
    known, places = np.unique(np.array([*reference, *current], dtype=object), return_inverse=True)
    sides = places[: len(reference)], places[len(reference) :]
    cells = [np.bincount(side, minlength=len(known)) for side in sides]
    return cells[0], cells[1]


def _divided(reference: Any, current: Any) -> tuple[Any, Any]:
    """The counts of PERMUTATIONS random divisions of all rows into sides of the same sizes."""
    both = reference + current
    drawn = np.random.default_rng(_SEED).multivariate_hypergeometric(
        both, int(current.sum()), size=PERMUTATIONS, method="marginals"
    )
    return both - drawn, drawn


def _shares(counts: Any) -> Any:
    return counts / counts.sum(axis=-1, keepdims=True)


def _steps(reference: Any, current: Any) -> Any:
    return np.abs(np.cumsum(_shares(current) - _shares(reference), axis=-1)).max(axis=-1)


def _moved(reference: Any, current: Any) -> Any:
    return np.abs(_shares(current) - _shares(reference)).sum(axis=-1) / 2


def _highest(by_chance: Any, columns: int) -> float:
    """What at most FALSE_ALARMS / columns of the divisions exceed, the real one among them."""
    place = math.ceil((1 - FALSE_ALARMS / columns) * (PERMUTATIONS + 1))
    return float(np.sort(by_chance)[place - 1]) + _ROUNDING
