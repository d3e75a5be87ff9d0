"""How good a detector is, and how sure that is.

Every measure takes weights: how often each payment counts. Intervals come from drawing customers again, since
the payments of one card are no independent witnesses."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from fraud.simulator import Integers, Reals

_BINS = (0.0, 0.01, 0.1, 0.5, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Judged:
    """What happened and what was said; every array is [n] but `scenarios` [n, 4]."""

    day: Integers
    customer: Integers
    scenario: Integers
    fraud: Reals  # probability by the binary model
    scenarios: Reals  # probabilities by the other


Measure = Callable[[Judged, Reals], float]


@dataclass(frozen=True, slots=True)
class Figure:
    value: float
    low: float  # of the 95 % interval
    high: float


def auc(judged: Judged, weight: Reals) -> float:
    return float(roc_auc_score(judged.scenario > 0, judged.fraud, sample_weight=weight))


def average_precision(judged: Judged, weight: Reals) -> float:
    return float(average_precision_score(judged.scenario > 0, judged.fraud, sample_weight=weight))


def cross_entropy(judged: Judged, weight: Reals) -> float:
    return float(log_loss(judged.scenario > 0, judged.fraud, sample_weight=weight))


def calibration_error(judged: Judged, weight: Reals) -> float:
    """Expected calibration error over bins of probability."""
    return sum(abs(bin_.said - bin_.seen) for bin_ in reliability(judged, weight)) / float(weight.sum())


def f1_of(scenario: int) -> Measure:
    def measure(judged: Judged, weight: Reals) -> float:
        return float(_f1(judged, weight)[scenario])

    return measure


def macro_f1(judged: Judged, weight: Reals) -> float:
    return float(_f1(judged, weight).mean())


def _f1(judged: Judged, weight: Reals) -> Reals:
    """2 hits / (told + so), 0 where there is neither: scikit-learn's takes 20 ms, a thousand times."""
    told, width = judged.scenarios.argmax(axis=1), judged.scenarios.shape[1]
    table = np.bincount(judged.scenario * width + told, weights=weight, minlength=width**2)
    counts = table.reshape(width, width)
    made: Reals = 2 * counts.diagonal() / np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1)
    return made


def card_precision(most: int) -> Measure:
    """Each day the `most` cards with the likeliest payments are checked: the share that had a fraud that day.
    A card that was found is blocked and checked no more (the handbook's CardP@k)."""

    def measure(judged: Judged, weight: Reals) -> float:
        blocked: set[int] = set()
        shares = []
        for day in np.unique(judged.day):
            room, found = float(most), 0.0
            for card in _cards(judged, weight, judged.day == day):
                if card.customer in blocked:
                    continue
                taken = min(room, card.times)
                if card.fraud:
                    found += taken
                    blocked.add(card.customer)
                room -= taken
                if not room:
                    break
            shares.append(found / most)
        return float(np.mean(shares))

    return measure


@dataclass(frozen=True, slots=True)
class _Card:
    """A card's day."""

    customer: int
    fraud: bool
    times: float  # that it counts


def _cards(judged: Judged, weight: Reals, which: NDArray[np.bool_]) -> Iterator[_Card]:
    """The likeliest first."""
    places = np.flatnonzero(which & (weight > 0))
    customers, place = np.unique(judged.customer[places], return_inverse=True)
    score, fraud, times = (np.zeros(len(customers)) for _ in range(3))
    np.maximum.at(score, place, judged.fraud[places])
    np.maximum.at(fraud, place, judged.scenario[places] > 0)
    times[place] = weight[places]
    for one in np.argsort(-score, kind="stable"):
        yield _Card(int(customers[one]), bool(fraud[one]), float(times[one]))


@dataclass(frozen=True, slots=True)
class Bin:
    low: float
    high: float
    payments: float
    said: float  # frauds that the probabilities add up to
    seen: float


def reliability(judged: Judged, weight: Reals) -> list[Bin]:
    place = np.clip(np.digitize(judged.fraud, _BINS) - 1, 0, len(_BINS) - 2)

    def sums(value: Reals) -> Reals:
        return np.bincount(place, weights=weight * value, minlength=len(_BINS) - 1).astype(np.float64)

    counts = sums(np.ones(len(place))), sums(judged.fraud), sums((judged.scenario > 0).astype(np.float64))
    return [
        Bin(low, high, *map(float, row))
        for low, high, row in zip(_BINS, _BINS[1:], np.stack(counts, axis=1), strict=False)
    ]


def figures(judged: Judged, measures: Mapping[str, Measure], resamples: int = 1_000) -> dict[str, Figure]:
    draw = np.random.default_rng(0)
    customers, place = np.unique(judged.customer, return_inverse=True)
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(resamples):
        times = np.bincount(draw.integers(0, len(customers), len(customers)), minlength=len(customers))
        weight = times[place].astype(np.float64)
        for name, measure in measures.items():
            drawn[name].append(measure(judged, weight))
    once = np.ones(len(place))
    return {
        name: Figure(measure(judged, once), *map(float, np.percentile(drawn[name], [2.5, 97.5])))
        for name, measure in measures.items()
    }
