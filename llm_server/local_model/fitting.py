"""The training loop: losses of a batch, the rate of a step, and the running mean of the weights."""

from __future__ import annotations

import logging
import time
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from transformers import OPTForCausalLM, PreTrainedTokenizerFast

from llm_server.local_model.data import Row
from llm_server.local_model.packing import Batch, Packed, collate
from llm_server.local_model.prepare import Heads, Made
from llm_server.local_model.scoring import hidden, level_probabilities, logits, score

log = logging.getLogger("local_model")
AUXILIARY = ("features", "alignment", "meaning")


def losses(model: OPTForCausalLM, heads: Heads, batch: Batch, digits: Tensor) -> dict[str, Tensor]:
    """Means over the batch: the reply's tokens, the level against its soft target, the three regressions."""
    states = hidden(model, batch)
    said = logits(model, states[batch.word_at])
    found = {"words": nn.functional.cross_entropy(said, batch.word_ids)}
    if len(batch.level_at):
        shares = logits(model, states[batch.level_at]).log_softmax(-1)[:, digits]
        found["level"] = -(batch.levels * shares).sum(-1).mean()
    if len(batch.features_at):
        found["features"] = nn.functional.mse_loss(heads.features(states[batch.features_at]), batch.features)
        aligned = heads.alignment(states[batch.alignment_at])[:, 0]
        found["alignment"] = 8 * nn.functional.mse_loss(aligned, batch.alignments)
        meant = nn.functional.normalize(heads.meaning(states[batch.meaning_at]), dim=-1)
        found["meaning"] = 1 - (meant * batch.meanings).sum(-1).mean()
    return found


def rate(step: int, steps: int, training: dict[str, Any]) -> float:
    """A factor on the peak rate: linear warm-up, constant, then a linear fall over the `cooling` share."""
    if step < training["warm_up"]:
        return float((step + 1) / training["warm_up"])
    left = (steps - step) / (steps * training["cooling"])
    return float(max(training["final_share"], min(1.0, left)))


def auc(model: OPTForCausalLM, spoken: PreTrainedTokenizerFast, rows: list[Row]) -> dict[str, float]:
    """Area under the curve of the expected score, for each source apart."""
    found = score(level_probabilities(model, spoken, rows))
    report = {}
    for source in sorted({row.source for row in rows}):
        part = [i for i, row in enumerate(rows) if row.source == source]
        report[source] = float(roc_auc_score([rows[i].score > 0.7 for i in part], found[part]))
    return report


class Journal:
    """What is logged: the means of the losses since the last report."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.recent: dict[str, list[float]] = {}

    def note(self, parts: dict[str, Tensor]) -> None:
        for name, value in parts.items():
            self.recent.setdefault(name, []).append(float(value.detach()))

    def report(self, step: int) -> None:
        means = " ".join(f"{name} {np.mean(values):.3f}" for name, values in self.recent.items())
        log.info("step %d, %.0f s: %s", step, time.monotonic() - self.started, means)
        self.recent.clear()


def shorter(step: int, steps: int, warm: float, minutes: float, started: float) -> int:
    """The number of steps that ends near `minutes`, known once the warm share of that time is over."""
    over = step < steps * warm and time.monotonic() - started > 60 * minutes * warm
    return max(1, round(step / warm)) if over else steps


def fit(
    made: Made, training: dict[str, Any], held: list[Row], minutes: float | None = None
) -> tuple[OPTForCausalLM, list[float]]:
    """The running mean of the weights, and the loss of every step.

    With `minutes` cooling begins early enough to end about then; as many steps were done as the history is
    long, and that number in the config gives the same run again.
    """
    digits, pad = torch.tensor(made.curriculum.digits), int(made.tokenizer.pad_token_id)
    weights = [*made.model.parameters(), *made.heads.parameters()]
    optimiser = torch.optim.AdamW(
        weights,
        lr=training["learning_rate"],
        betas=tuple(training["betas"]),
        weight_decay=training["weight_decay"],
    )
    scale = {"level": 1.0} | {name: training[f"{name}_weight"] for name in ("words", *AUXILIARY)}
    averaged, history, journal = deepcopy(made.model), [], Journal()
    made.model.train()
    waiting: list[list[Packed]] = []
    steps, step = training["steps"], 0
    while step < steps:
        if minutes:
            steps = shorter(step, steps, 1 - training["cooling"], minutes, journal.started)
        waiting = waiting or made.curriculum.pool(training["sequences"])
        parts = losses(made.model, made.heads, collate(waiting.pop(), pad), digits)
        total = torch.stack([scale[name] * value for name, value in parts.items()]).sum()
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(weights, training["clip"])
        for group in optimiser.param_groups:
            group["lr"] = training["learning_rate"] * rate(step, steps, training)
        optimiser.step()
        decay = min(training["average"], (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), made.model.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        step += 1
        history.append(float(total.detach()))
        journal.note(parts)
        if step % training["report_every"] == 0:
            journal.report(step)
        if held and step % training["validate_every"] == 0:
            report = auc(averaged, made.tokenizer, held)
            log.info("held-out auc: %s", {name: round(value, 3) for name, value in report.items()})
    return averaged, history
