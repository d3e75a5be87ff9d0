"""Asks a running OpenAI-compatible server with these weights for grades and chat, and notes what came back.

`python -m llm_server.local_model.serve_check --url http://127.0.0.1:8000 --key KEY --model NAME`
"""

from __future__ import annotations

import argparse
import json
import math
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from llm_server.local_model import attacks, prompt
from llm_server.local_model.data import SEEDS, read_seed_items
from llm_server.local_model.evaluate import is_grade


def ask(url: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        found: dict[str, Any] = json.load(reply)["choices"][0]
    return found


def digit_probabilities(choice: dict[str, Any]) -> dict[str, float]:
    """The level digits' probabilities at the digit's own token, renormalised, as the gateway reads them."""
    for step in choice["logprobs"]["content"]:
        if step["token"] in prompt.LEVELS:
            seen = {
                top["token"]: math.exp(top["logprob"])
                for top in step["top_logprobs"]
                if top["token"] in prompt.LEVELS
            }
            return {digit: seen.get(digit, 0.0) / sum(seen.values()) for digit in prompt.LEVELS}
    raise ValueError("no token of the reply is a level digit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--url", "--key", "--model"):
        parser.add_argument(name, required=True)
    parser.add_argument("--weights", type=Path, help="add the figures to this folder's metrics.json")
    asked = parser.parse_args()
    items = [row for name in ("items_en", "items_ru") for row in read_seed_items(SEEDS / f"{name}.yaml")][::2]
    pairs: list[tuple[str, tuple[str, ...], str]] = [
        ("", (reference,), answer) for reference, answer in attacks.awkward()
    ]
    pairs += [(row.question, row.references, row.answer) for row in items]
    schema = {
        "type": "json_schema",
        "json_schema": {"name": "grade", "schema": prompt.RESPONSE_SCHEMA, "strict": True},
    }
    waited: list[float] = []

    def grade(pair: tuple[str, tuple[str, ...], str], constrained: bool) -> tuple[bool, dict[str, float]]:
        started = time.monotonic()
        body = {
            "model": asked.model,
            "messages": prompt.grade_messages(*pair),
            "temperature": 0,
            "max_tokens": 16,
            "logprobs": True,
            "top_logprobs": 5,
        }
        choice = ask(asked.url, asked.key, body | ({"response_format": schema} if constrained else {}))
        waited.append(time.monotonic() - started)
        valid = is_grade(choice["message"]["content"]) and choice["finish_reason"] == "stop"
        return valid, digit_probabilities(choice)

    grade(pairs[-1], True)
    report: dict[str, Any] = {"requests": len(pairs)}
    for clients in (1, 8):
        waited.clear()
        started = time.monotonic()
        with ThreadPoolExecutor(clients) as pool:
            found = list(pool.map(lambda pair: grade(pair, True), pairs))
        report[f"valid_with_schema_{clients}_clients"] = sum(valid for valid, _ in found) / len(found)
        report[f"grades_per_second_{clients}_clients"] = round(len(pairs) / (time.monotonic() - started), 1)
        report[f"p50_ms_{clients}_clients"] = round(1000 * float(np.median(waited)))
    with ThreadPoolExecutor(8) as pool:
        free = list(pool.map(lambda pair: grade(pair, False), pairs))
    report["valid_without_schema"] = sum(valid for valid, _ in free) / len(free)
    report["all_three_digits_in_top_5"] = sum(min(p.values()) > 0 for _, p in free) / len(free)
    for said in (
        "Hello!",
        "Привет!",
        "Who are you?",
        "Кто ты?",
        "Write a poem about the sea.",
        "Спасибо, пока!",
    ):
        for messages in (
            [{"role": "user", "content": said}],
            [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": said},
            ],
        ):
            body = {"model": asked.model, "messages": messages, "max_tokens": 60}
            print(said, "->", ask(asked.url, asked.key, body)["message"]["content"])
    print(json.dumps(report, indent=1))
    if asked.weights:
        path = asked.weights / "metrics.json"
        metrics = json.loads(path.read_text(encoding="utf-8"))
        metrics["served_by_vllm"] = report
        path.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
