"""Trains the local model and saves it: `python -m llm_server.local_model.train --config FILE`.

Two stages: grading with a little talk, then a short one with much talk. The first ends with its weights on
disk, and `--start` begins the second from such a folder.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import GenerationConfig, OPTForCausalLM, PreTrainedTokenizerFast

from llm_server.local_model import evaluate
from llm_server.local_model.calibration import calibrate
from llm_server.local_model.data import Row, data_folder
from llm_server.local_model.fitting import fit
from llm_server.local_model.prepare import Made, prepare, splits

log = logging.getLogger("local_model")


def save(model: OPTForCausalLM, spoken: PreTrainedTokenizerFast, folder: Path) -> None:
    """bf16 weights, tokenizer with its chat template, and a generation default that keeps talk steady."""
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.3,
        top_p=0.9,
        eos_token_id=spoken.eos_token_id,
        pad_token_id=spoken.pad_token_id,
        bos_token_id=spoken.eos_token_id,
    )
    model.bfloat16().save_pretrained(folder)
    spoken.save_pretrained(folder)


def finish(made: Made, model: OPTForCausalLM, held: list[Row], folder: Path, figures: dict[str, Any]) -> None:
    """Calibrate on held-out questions, save, and note what was chosen."""
    chosen = calibrate(model, made.tokenizer, held) | figures
    save(model, made.tokenizer, folder)
    (folder / "metrics.json").write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")
    log.info("saved to %s: %s", folder, chosen)


def talk(made: Made, config: dict[str, Any], start: Path) -> OPTForCausalLM:
    """The second stage, from saved weights; seeded by itself, so the same after either beginning."""
    made.model, spoken = evaluate.load(start)
    if spoken.get_vocab() != made.tokenizer.get_vocab():
        raise SystemExit(f"{start} was made with another vocabulary")
    torch.manual_seed(config["seed"] + 1)
    made.curriculum.draw = random.Random(config["seed"] + 1)
    changed = {name: config["talk"][name] for name in ("chat", "teacher")}
    made.curriculum.shares = replace(made.curriculum.shares, **changed)
    return fit(made, config["training"] | config["talk"], [])[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", help="folder of the public data sets (else DATA_DIR)")
    parser.add_argument("--weights", type=Path, help="where to save, instead of the config's folder")
    parser.add_argument("--start", type=Path, help="weights of the first stage, which is then left out")
    parser.add_argument("--steps", type=int, help="fewer or more steps of the first stage than the config's")
    parser.add_argument("--minutes", type=float, help="cool the first stage down earlier, to end about then")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = yaml.safe_load(asked.config.read_text(encoding="utf-8"))
    if asked.steps:
        config["training"]["steps"] = asked.steps
    torch.set_num_threads(config["threads"])
    torch.set_flush_denormal(True)
    folder, started = data_folder(asked.data), time.monotonic()
    weights = asked.weights or Path(config["weights"])
    rows = splits(config, folder)
    held = rows.held + rows.own_held
    made = prepare(config, folder, rows)
    parameters = sum(weight.numel() for weight in made.model.parameters())
    log.info("%d parameters, vocabulary %d", parameters, len(made.tokenizer))
    before = {"steps": 0, "minutes": 0.0}
    if asked.start:
        before = json.loads((asked.start / "metrics.json").read_text(encoding="utf-8"))["training"]
    else:
        model, history = fit(made, config["training"], held, asked.minutes)
        before = {"steps": len(history), "minutes": (time.monotonic() - started) / 60}
        finish(made, model, held, weights, {"training": before})
        started = time.monotonic()
    model = talk(made, config, asked.start or weights)
    minutes = round(before["minutes"] + (time.monotonic() - started) / 60, 1)
    steps = {"steps": before["steps"], "talk_steps": config["talk"]["steps"], "minutes": minutes}
    finish(made, model, held, weights, {"training": steps})
    evaluate.report(config, folder, weights, made.curriculum.encoder)


if __name__ == "__main__":
    main()
