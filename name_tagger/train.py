"""Trains the tagger: `python -m name_tagger.train --config name_tagger/config.yaml [--data DIR]`.

The weights go to TRAINING_STATE_DIR/name_tagger/NAME; `python -m name_tagger.export --name NAME` puts them
where the gateway reads them. What is shipped had two rounds: config.yaml, then second.yaml with `--start`.
One core, bfloat16 products: 36 minutes on a busy machine and 6 on a quiet one."""

import argparse
import logging
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging
from yaml import safe_load

from gateway.adapters.presidio.tagger.spelling import tokenizer
from name_tagger.batches import batches
from name_tagger.corpus import Corpus, Mixture, corpus
from name_tagger.network import Tagger, allowed, loss, minilm, network, vocabulary
from name_tagger.settings import Settings

log = logging.getLogger("name_tagger.train")
WEIGHTS = "weights.safetensors"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Strict):
    layers: int
    dropout: float


class Optimiser(_Strict):
    lr: float
    lr_of_new: float
    weight_decay: float
    warmup: float  # share of the steps
    steps: int
    tokens: int


class Config(_Strict):
    seed: int
    threads: int
    model: Model
    mixture: dict[str, int]
    thresholds: dict[str, float]
    optimiser: Optimiser


def read(file: Path) -> Config:
    return Config.model_validate(safe_load(file.read_text(encoding="utf-8")))


def train(config: Config, source: Corpus, tagger: Tagger, words: list[str], kept: Path) -> None:
    """Every 500 steps the weights are written."""
    options = config.optimiser
    draw = random.Random(config.seed)  # noqa: S311 - sentences, not secrets
    new = [p for name, p in tagger.named_parameters() if not name.startswith("encoder.")]
    old = list(tagger.encoder.parameters())
    optimiser = torch.optim.AdamW(
        [{"params": old, "lr": options.lr}, {"params": new, "lr": options.lr_of_new}],
        weight_decay=options.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, options))
    table = allowed()
    stream = batches(source.rows(draw), tokenizer(words), options.tokens, draw)
    tagger.train()
    started, total, tokens = time.monotonic(), 0.0, 0
    for step in range(1, options.steps + 1):
        batch = next(stream)
        with torch.autocast("cpu", torch.bfloat16):
            logits = tagger(batch.ids, batch.spellings, batch.mask)
        error = loss(logits, batch.wanted, table)
        optimiser.zero_grad(set_to_none=True)
        error.backward()
        torch.nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        total += error.item()
        tokens += int(batch.mask.sum())
        if step % 50 == 0:
            pace = tokens / (time.monotonic() - started)
            log.info("step %d of %d: loss %.4f, %.0f tokens a second", step, options.steps, total / 50, pace)
            total = 0.0
        if step % 500 == 0 or step == options.steps:
            save_file(tagger.state_dict(), kept / WEIGHTS)
    log.info("rows drawn: %s", dict(sorted(source.used.items())))


def _share(step: int, options: Optimiser) -> float:
    """Of the rate: up over the warm-up, then down to nothing in a straight line."""
    warm = max(1, int(options.warmup * options.steps))
    return (step + 1) / warm if step < warm else max(0.0, (options.steps - step) / (options.steps - warm))


def quiet() -> None:
    """It would tell of every weight that a file has and the network does not use."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="name_tagger.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="the folder of the sets, instead of DATA_DIR")
    parser.add_argument("--name", default="tagger", help="of the run")
    parser.add_argument("--start", help="a run whose weights are the first ones; else MiniLM's")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    quiet()
    config = read(asked.config)
    changed: dict[str, Any] = {"data_dir": asked.data} if asked.data else {}
    settings = Settings(**changed)
    kept = settings.training_state_dir / "name_tagger" / asked.name
    kept.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    source = corpus(settings.data_dir, Mixture(**config.mixture), config.seed)
    log.info("presidio rows %d, templates %d", len(source.presidio), len(source.templates))
    log.info("natural pieces %s", dict(Counter(row.source for row in source.natural.rows)))
    folder = minilm()
    words = vocabulary(folder)
    tagger = network(folder, words, config.model.layers, config.model.dropout)
    if asked.start:
        tagger.load_state_dict(load_file(kept.parent / asked.start / WEIGHTS))
    (kept / "config.yaml").write_bytes(asked.config.read_bytes())
    train(config, source, tagger, words, kept)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
