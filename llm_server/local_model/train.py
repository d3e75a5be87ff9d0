"""Trains the local model and saves it: `python -m llm_server.local_model.train --config FILE`.

Three stages: grading with a little talk, the same for longer with a milder target, and a short one with much
talk. Each ends with its weights on disk, and `--start FOLDER --from STAGE` goes on from there.
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
from llm_server.local_model.prepare import Heads, Made, prepare, splits

log = logging.getLogger("local_model")
STAGES = ("longer", "talk")  # after the first; each is a section of the config that changes `training`


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


def further(
    made: Made, config: dict[str, Any], stage: str, start: Path, held: list[Row], minutes: float | None = None
) -> tuple[OPTForCausalLM, list[float]]:
    """A later stage, from saved weights; it seeds itself and makes its own auxiliary heads, so that it is the
    same whether the stage before ran in this process or another."""
    made.model, spoken = evaluate.load(start)
    if spoken.get_vocab() != made.tokenizer.get_vocab():
        raise SystemExit(f"{start} was made with another vocabulary")
    seed = config["seed"] + 1 + STAGES.index(stage)
    torch.manual_seed(seed)
    made.heads = Heads(made.heads.features.in_features, made.heads.meaning.out_features)
    made.curriculum.draw = random.Random(seed)
    changed = {name: config[stage].get(name, config["shares"][name]) for name in ("chat", "teacher")}
    made.curriculum.shares = replace(made.curriculum.shares, **changed)
    return fit(made, config["training"] | config[stage], held, minutes)


def _minutes(started: float) -> float:
    return (time.monotonic() - started) / 60


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", help="folder of the public data sets (else DATA_DIR)")
    parser.add_argument("--weights", type=Path, help="where to save, instead of the config's folder")
    parser.add_argument("--start", type=Path, help="weights of an earlier stage, which is then left out")
    parser.add_argument(
        "--from", dest="stage", choices=STAGES, default=STAGES[-1], help="where --start goes on"
    )
    parser.add_argument("--steps", type=int, help="fewer or more steps of the first stage than the config's")
    parser.add_argument("--minutes", type=float, help="cool a long stage down earlier, to end about then")
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
    done = {"minutes": 0.0}
    if asked.start:
        done = json.loads((asked.start / "metrics.json").read_text(encoding="utf-8"))["training"]
    else:
        model, history = fit(made, config["training"], held, asked.minutes)
        done = {"steps": len(history), "minutes": _minutes(started)}
        finish(made, model, held, weights, {"training": done})
    start = asked.start or weights
    for stage in STAGES[STAGES.index(asked.stage) if asked.start else 0 :]:
        started = time.monotonic()
        limit = asked.minutes if stage == "longer" else None
        model, history = further(made, config, stage, start, held, limit)
        minutes = round(done["minutes"] + _minutes(started), 1)
        done = {**done, f"{stage}_steps": len(history), "minutes": minutes}
        finish(made, model, held, weights, {"training": done})
        start = weights
    evaluate.report(config, folder, weights, made.curriculum.encoder)


if __name__ == "__main__":
    main()
