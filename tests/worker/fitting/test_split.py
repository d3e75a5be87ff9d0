"""What the gateway takes for learnable, scikit-learn can split, whatever the seed."""

import numpy as np

from gateway.adapters.fitting.fit import _split
from gateway.errors import InvalidDataset
from gateway.training.facts import TrainingRequest
from gateway.training.learnable import chosen
from gateway.training.ports import FitFailed
from tests.gateway.training.facts import column, dataset, target


def test_what_is_learnable_by_its_statistics_is_split_by_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    taken = refused = 0
    for _ in range(300):
        counts = draw.integers(2, 12, draw.integers(2, 8))
        counts[0] += draw.integers(0, 200)
        share = float(draw.choice([0.05, 0.1, 0.2, 0.25, 0.3, 0.5]))
        version = dataset(column("amount"), target(counts=tuple(map(int, counts))), rows=int(counts.sum()))
        y = np.repeat(np.arange(len(counts)), counts)
        fits = [_splits(y, share, seed) for seed in range(5)]
        try:
            chosen(version, None, None, share)
        except InvalidDataset:
            refused += 1
            # Where classes have an equal claim to a row a few seeds may be lucky.
            assert not all(fits) or _ties(counts, share)
        else:
            taken += 1
            assert all(fits), (counts, share)
    assert min(taken, refused) > 50


def _splits(y: np.ndarray, share: float, seed: int) -> bool:
    request = TrainingRequest("m", "decision_tree", "d", 1, "t", ("a",), {}, test_share=share, seed=seed)
    try:
        _split(y, int(y.max()) + 1, request)
    except FitFailed:
        return False
    return True


def _ties(counts: np.ndarray, share: float) -> bool:
    learnt = int(counts.sum()) - int(np.ceil(counts.sum() * share))
    remainders = counts * learnt % counts.sum()
    return len(np.unique(remainders)) < len(remainders)
