"""Raw outputs -> probabilities that mean what they say (Guo et al. 2017). numpy only: a handler has it."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]  # places of labels
_LOWEST, _HIGHEST, _STEPS = 0.5, 20.0, 60  # of the temperature; 60 golden sections leave 1e-12 of the way
_GOLDEN = (5**0.5 - 1) / 2


def softmax(logits: Floats, temperature: float) -> Floats:
    """[n, labels] -> [n, labels], each row adding up to 1."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    made: Floats = powers / powers.sum(axis=1, keepdims=True)
    return made


def negative_log_likelihood(logits: Floats, labels: Labels, temperature: float) -> float:
    """The mean over the rows, in nats."""
    scaled = np.asarray(logits, np.float64) / temperature
    highest = scaled.max(axis=1)
    normal = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
    return float((normal - scaled[np.arange(len(labels)), labels]).mean())


def best_temperature(logits: Floats, labels: Labels) -> float:
    """The temperature of the least negative log-likelihood, to be fitted on rows that were not trained on.

    The likelihood has one peak in the temperature's logarithm, so a golden-section search finds it. Where it
    ends at a bound the rows cannot tell (a few that are told apart perfectly would have every probability
    sharpened to 1), and the outputs are left as they are: 1."""
    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        losses = [negative_log_likelihood(logits, labels, float(np.exp(at))) for at in (left, right)]
        low, high = (low, right) if losses[0] <= losses[1] else (left, high)
    found = float(np.exp((low + high) / 2))
    return found if 1.01 * _LOWEST < found < 0.99 * _HIGHEST else 1.0


def calibration_bins(probabilities: Floats, labels: Labels, bins: int = 10) -> Floats:
    """[bins, 3]: mean confidence of the likeliest label, share of right answers, rows. Equal mass: each bin
    has as many rows as the next, so none is an accident of three."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return np.array([[confidence[part].mean(), right[part].mean(), len(part)] for part in parts])


def expected_calibration_error(probabilities: Floats, labels: Labels, bins: int = 10) -> float:
    """The mean over the bins of how far confidence and share of right answers lie apart, 0..1."""
    made = calibration_bins(probabilities, labels, bins)
    return float(np.average(np.abs(made[:, 0] - made[:, 1]), weights=made[:, 2]))
