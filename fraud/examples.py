"""What the models learn from: payments of several worlds, each with customers and terminals of its own.

The handbook has one world and keeps a week, a week's pause and a test week apart, so that no card and no late
label is on both sides. Worlds apart have nothing in common at all, and every day of them can be used."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fraud.features import FEATURES, FIRST_WHOLE_DAY, features
from fraud.signals import Rows
from fraud.simulator import Integers, Reals, World, simulate

_HONEST_KEPT = 10  # one in ten, each counting as ten: probabilities stay, a ninth of the rows does
_UNKNOWN = 0.05  # of the payments come without their customer's past, and as many without their terminal's


@dataclass(frozen=True, slots=True)
class Examples:
    rows: Rows  # [n, 15]
    scenario: Integers
    weight: Reals

    @property
    def fraud(self) -> Integers:
        return (self.scenario > 0).astype(np.int64)


def examples(world: World, seeds: Iterable[int]) -> Examples:
    parts = [_of_one(world, seed) for seed in seeds]
    return Examples(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.scenario for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


def _of_one(world: World, seed: int) -> Examples:
    payments = simulate(world, seed)
    draw = np.random.default_rng([seed, 1])  # another stream than the world's
    kept = (payments.day >= FIRST_WHOLE_DAY) & (
        (payments.scenario > 0) | (draw.random(len(payments)) < 1 / _HONEST_KEPT)
    )
    scenario = payments.scenario[kept]
    return Examples(features(payments)[kept], scenario, np.where(scenario > 0, 1.0, float(_HONEST_KEPT)))


def partly_unknown(rows: Rows, seed: int) -> Rows:
    """With gaps, so that a model learns to answer who does not know the past."""
    draw = np.random.default_rng([seed, 2])
    gaps = np.zeros(rows.shape, dtype=bool)
    for owner in ("CUSTOMER_ID", "TERMINAL_ID"):
        gaps |= _columns(owner) & (draw.random((len(rows), 1)) < _UNKNOWN)
    return np.where(gaps, np.float32("nan"), rows)


def _columns(owner: str) -> NDArray[np.bool_]:
    return np.array([name.startswith(owner) for name in FEATURES])
