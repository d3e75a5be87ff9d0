"""Measures the saved weights on the test parts; writes metrics.json and the model card beside them."""

from __future__ import annotations

import argparse
import json
import logging
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from sklearn.metrics import roc_auc_score
from transformers import OPTForCausalLM, PreTrainedTokenizerFast

from llm_server.local_model import attacks, card, prompt
from llm_server.local_model.calibration import expected_calibration_error
from llm_server.local_model.chat import intents
from llm_server.local_model.data import Row, data_folder, read_set
from llm_server.local_model.packing import Floats
from llm_server.local_model.prepare import features_of, is_russian, splits, taught
from llm_server.local_model.scoring import level_probabilities, score
from llm_server.local_model.teacher import Encoder

log = logging.getLogger("local_model")
TWO_WAY = {
    "sciEntsBank unseen answers": ("semeval2013_scientsbank", "test_unseen_answers"),
    "sciEntsBank unseen questions": ("semeval2013_scientsbank", "test_unseen_questions"),
    "sciEntsBank unseen domains": ("semeval2013_scientsbank", "test_unseen_domains"),
    "beetle unseen answers": ("semeval2013_beetle", "test_unseen_answers"),
    "beetle unseen questions": ("semeval2013_beetle", "test_unseen_questions"),
}
SCORED = {
    "mohler unseen answers": ("mohler", "test_unseen_answers"),
    "mohler unseen questions": ("mohler", "test_unseen_questions"),
    "saf unseen answers": ("saf_en", "test_unseen_answers"),
    "saf unseen questions": ("saf_en", "test_unseen_questions"),
}


def load(folder: Path) -> tuple[OPTForCausalLM, PreTrainedTokenizerFast]:
    model: OPTForCausalLM = OPTForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
    model.train(False)
    return model, tokenizer


def question_interval(hits: Floats, rows: Sequence[Row], draws: int = 2000, seed: int = 1) -> list[float]:
    """95 % bootstrap interval of a mean, whole questions drawn with replacement."""
    groups: dict[str, list[float]] = {}
    for hit, row in zip(hits.tolist(), rows, strict=True):
        groups.setdefault(row.question_id, []).append(hit)
    sums = np.array([(sum(values), len(values)) for values in groups.values()])
    picks = np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))
    means = sums[picks, 0].sum(1) / sums[picks, 1].sum(1)
    return [round(float(edge), 3) for edge in np.quantile(means, [0.025, 0.975])]


def odds(probability: Floats) -> Floats:
    clipped = np.clip(probability, 1e-4, 1 - 1e-4)
    found: Floats = np.log(clipped / (1 - clipped))
    return found


def two_way(rows: Sequence[Row], beliefs: dict[str, tuple[Floats, float]]) -> dict[str, Any]:
    right = np.array([row.score > 0.7 for row in rows])
    found: dict[str, Any] = {
        "rows": len(rows),
        "majority": round(float(max(right.mean(), 1 - right.mean())), 3),
    }
    for name, (belief, threshold) in beliefs.items():
        hits = ((belief >= threshold) == right).astype(np.float32)
        found[name] = {
            "accuracy": round(float(hits.mean()), 3),
            "interval": question_interval(hits, rows),
            "auc": round(float(roc_auc_score(right, belief)), 3),
        }
    found["ece"] = round(expected_calibration_error(beliefs["model"][0], right.astype(np.float32)), 3)
    return found


def scored(rows: Sequence[Row], belief: Floats) -> dict[str, Any]:
    """Pearson r of the expected score, and RMSE on the scale 0..5."""
    human = np.array([row.score for row in rows])
    return {
        "rows": len(rows),
        "r": round(float(np.corrcoef(belief, human)[0, 1]), 3),
        "rmse_of_5": round(float(5 * np.sqrt(np.mean((belief - human) ** 2))), 3),
    }


@torch.inference_mode()
def greedy(
    model: OPTForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    chats: Sequence[list[dict[str, str]]],
    tokens: int,
) -> list[str]:
    """Unconstrained greedy replies, prompts padded on the left."""
    tokenizer.padding_side = "left"
    texts = [
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats
    ]
    found: list[str] = []
    for start in range(0, len(texts), 32):
        inputs = tokenizer(
            texts[start : start + 32],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=512 - tokens,
            add_special_tokens=False,
        )
        out = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
        found += tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return found


def is_grade(text: str) -> bool:
    """Strictly the reply format: an object with one key `level` that is 0, 1 or 2."""
    try:
        reply = json.loads(text)
    except ValueError:
        return False
    return isinstance(reply, dict) and set(reply) == {"level"} and reply["level"] in (0, 1, 2)


def json_validity(
    model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row]
) -> dict[str, Any]:
    chosen = random.Random(3).sample(list(rows), min(600, len(rows)))
    chats = [prompt.grade_messages(row.question, row.references, row.answer) for row in chosen]
    chats += [prompt.grade_messages("", [reference], answer) for reference, answer in attacks.awkward()]
    valid = [is_grade(text) for text in greedy(model, tokenizer, chats, 10)]
    return {"prompts": len(valid), "valid": round(sum(valid) / len(valid), 4)}


def own_items(rows: Sequence[Row], levels: Floats, threshold: float) -> dict[str, Any]:
    found = {}
    for language in ("items_ru", "items_en"):
        part = [i for i, row in enumerate(rows) if row.source == language]
        want = np.array([int(2 * rows[i].score) for i in part])
        belief = score(levels[part])
        ends = want != 1
        found[language] = {
            "rows": len(part),
            "level_accuracy": round(float((levels[part].argmax(1) == want).mean()), 3),
            "accuracy_2way": round(float(((belief >= threshold) == (want == 2))[ends].mean()), 3),
            "auc": round(float(roc_auc_score((want == 2)[ends], belief[ends])), 3),
        }
    return found


def chat(model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Greedy replies to things to say that training did not see."""
    asked = [
        (intent, said) for intent in intents(held_out=True) if not intent.follow_up for said in intent.says
    ]
    replies = greedy(model, tokenizer, [[{"role": "user", "content": said}] for _, said in asked], 40)
    good = {"capital": 0, "ends_with_a_mark": 0, "language": 0, "fits_the_intent": 0}
    for (intent, _), reply in zip(asked, replies, strict=True):
        good["capital"] += reply[:1].isupper()
        good["ends_with_a_mark"] += reply[-1:] in (".", "!", "?")
        good["language"] += bool(reply) and is_russian(reply) == (intent.language == "ru")
        good["fits_the_intent"] += reply in intent.replies
    return {"prompts": len(asked)} | {name: round(count / len(asked), 3) for name, count in good.items()}


def speed(model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row]) -> dict[str, Any]:
    chats = [prompt.grade_messages(row.question, row.references, row.answer) for row in rows[:40]]
    started = time.monotonic()
    for one in chats:
        greedy(model, tokenizer, [one], 10)
    return {
        "transformers_ms_per_grade": round(1000 * (time.monotonic() - started) / len(chats), 1),
        "threads": torch.get_num_threads(),
    }


def measure(
    config: dict[str, Any], folder: Path, weights: Path, known: Encoder | None = None
) -> dict[str, Any]:
    """All figures of the card; `known` spares encoding the training texts again."""
    model, tokenizer = load(weights)
    metrics: dict[str, Any] = json.loads((weights / "metrics.json").read_text(encoding="utf-8"))
    threshold = metrics["threshold"]
    rows = splits(config, folder)
    encoder, teacher, _ = taught(rows.train, encoder=known)
    _, floor, _ = taught(rows.train, simple=True, encoder=encoder)
    tests = {name: read_set(folder, *place) for name, place in (TWO_WAY | SCORED).items()}
    metrics["two_way"], metrics["scored"] = {}, {}
    for name, part in tests.items():
        belief = score(level_probabilities(model, tokenizer, part))
        seen = features_of(encoder, part)
        if name in SCORED:
            metrics["scored"][name] = scored(part, belief)
            continue
        soft = teacher.probability(seen)
        shifted = odds(belief) - math.log(threshold / (1 - threshold))
        both = np.asarray(1 / (1 + np.exp(-(shifted + odds(soft)) / 2)), np.float32)
        metrics["two_way"][name] = two_way(
            part,
            {
                "model": (belief, threshold),
                "floor": (floor.probability(seen), 0.5),
                "teacher": (soft, 0.5),
                "model_and_teacher": (both, 0.5),
            },
        )
        log.info("%s: %s", name, metrics["two_way"][name])
    judged = [row for name, part in tests.items() if name in TWO_WAY for row in part]
    metrics["refused"] = attacks.refusals(model, tokenizer, judged, threshold)
    metrics["injection"] = attacks.injections(model, tokenizer, folder)
    metrics["json"] = json_validity(model, tokenizer, [row for part in tests.values() for row in part])
    metrics["own_items"] = own_items(
        rows.own_held, level_probabilities(model, tokenizer, rows.own_held), threshold
    )
    metrics["chat"] = chat(model, tokenizer)
    metrics["speed"] = metrics.get("speed", {}) | speed(model, tokenizer, judged)
    return metrics


def report(config: dict[str, Any], folder: Path, weights: Path, known: Encoder | None = None) -> None:
    metrics = measure(config, folder, weights, known)
    text = json.dumps(metrics, indent=1, ensure_ascii=False) + "\n"
    (weights / "metrics.json").write_text(text, encoding="utf-8")
    card.write(weights, metrics)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", help="folder of the public data sets (else DATA_DIR)")
    parser.add_argument("--weights", type=Path, help="the saved model, instead of the config's folder")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = yaml.safe_load(asked.config.read_text(encoding="utf-8"))
    torch.set_num_threads(config["threads"])
    report(config, data_folder(asked.data), asked.weights or Path(config["weights"]))


if __name__ == "__main__":
    main()
