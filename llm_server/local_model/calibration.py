"""Temperature of the level and the threshold of the 2-way decision, both fixed on held-out questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers import OPTForCausalLM, PreTrainedTokenizerFast

from llm_server.local_model import prompt
from llm_server.local_model.architecture import sharpen
from llm_server.local_model.data import Row
from llm_server.local_model.packing import Floats
from llm_server.local_model.scoring import level_probabilities, score
from llm_server.local_model.tokenizer import numbers


def at_temperature(levels: Floats, temperature: float) -> Floats:
    """softmax(log p / T), row by row."""
    raised = np.exp(np.log(levels + 1e-9) / temperature)
    scaled: Floats = raised / raised.sum(1, keepdims=True)
    return scaled


def expected_calibration_error(probabilities: Floats, right: Floats, bins: int = 10) -> float:
    """Mean |frequency - probability| over equal-width bins (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        (places == b).mean() * abs(right[places == b].mean() - probabilities[places == b].mean())
        for b in range(bins)
        if (places == b).any()
    ]
    return float(np.sum(gaps))


def calibrate(
    model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row]
) -> dict[str, Any]:
    """Scale the digits in the weights by the temperature of least log loss; find the most accurate threshold.

    The accuracies of .3-.7 are smoothed before the best is taken: a lone peak would be the sample's noise.
    """
    coarse = np.array([row.coarse for row in rows])
    right = np.array([row.score > 0.7 for row in rows])
    levels = level_probabilities(model, tokenizer, rows)

    def log_loss(temperature: float) -> float:
        belief = np.clip(score(at_temperature(levels, temperature)), 1e-4, 1 - 1e-4)
        return float(-np.where(right, np.log(belief), np.log(1 - belief))[coarse].mean())

    temperature = float(min(np.arange(0.6, 2.5, 0.05), key=log_loss))
    sharpen(model, numbers(tokenizer, prompt.LEVELS), temperature)
    belief = score(at_temperature(levels, temperature))
    thresholds = np.arange(0.3, 0.701, 0.01)
    accuracies = np.array([((belief >= cut) == right)[coarse].mean() for cut in thresholds])
    smooth = np.convolve(np.pad(accuracies, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    return {
        "temperature": round(temperature, 2),
        "threshold": round(float(thresholds[int(smooth.argmax())]), 2),
        "validation": {
            "rows": int(coarse.sum()),
            "accuracy_2way": round(float(accuracies[int(smooth.argmax())]), 4),
            "ece": round(expected_calibration_error(belief[coarse], right[coarse].astype(np.float32)), 4),
            "ece_before_scaling": round(
                expected_calibration_error(score(levels)[coarse], right[coarse].astype(np.float32)), 4
            ),
        },
    }
