"""The model card: its figures come from metrics.json, so that the words and the measurement cannot part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# From the project's notes on an earlier trial: its similarity floor, and its model.
EARLIER = {
    "sciEntsBank unseen answers": ("0.719", "0.731"),
    "sciEntsBank unseen questions": ("0.723", "0.681"),
    "sciEntsBank unseen domains": ("0.724", "0.703"),
    "beetle unseen answers": ("0.784", "0.791"),
    "beetle unseen questions": ("0.749", "0.751"),
}

TEMPLATE = Path(__file__).with_name("card_template.md")


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _two_way(metrics: dict[str, Any]) -> str:
    lines = []
    for name, one in metrics["two_way"].items():
        cells = [
            f"{one[who]['accuracy']:.3f} ({one[who]['interval'][0]:.3f}-{one[who]['interval'][1]:.3f})"
            for who in ("model", "floor", "teacher", "model_and_teacher")
        ]
        lines.append(
            f"| {name[0].upper()}{name[1:]} | "
            + " | ".join([*cells, *EARLIER[name], str(one["rows"])])
            + " |"
        )
    return "\n".join(lines)


def _verdict(metrics: dict[str, Any]) -> str:
    below = [
        name
        for name, one in metrics["two_way"].items()
        if one["model"]["accuracy"] < max(one["floor"]["accuracy"], float(EARLIER[name][0]))
    ]
    if not below:
        return "The model is at or above both floors on every part."
    return f"**Below one of the two floors: {', '.join(below)}.**"


def write(folder: Path, metrics: dict[str, Any]) -> None:
    """README.md beside the weights."""
    chat, own, injection = metrics["chat"], metrics["own_items"], metrics["injection"]
    served = metrics.get("served_by_vllm")
    training = metrics["training"]
    text = TEMPLATE.read_text(encoding="utf-8").format(
        parameters=(folder / "model.safetensors").stat().st_size / 2e6,
        threshold=metrics["threshold"],
        temperature=metrics["temperature"],
        question_words=40,
        reference_words=110,
        answer_words=110,
        two_way=_two_way(metrics),
        verdict=_verdict(metrics),
        scored="\n".join(
            f"| {name[0].upper()}{name[1:]} | {one['r']:.3f} | {one['rmse_of_5']:.3f} | {one['rows']} |"
            for name, one in metrics["scored"].items()
        ),
        refused="\n".join(
            f"| {name.replace('_', ' ')} | {_percent(one['refused'])} | {one['answers']} |"
            for name, one in metrics["refused"].items()
        ),
        injection=f"{_percent(injection['success'])} of {injection['attacks']}",
        injection_new=f"{_percent(injection['success_of_new_payloads'])} of {injection['new_payloads']}",
        json=f"{_percent(metrics['json']['valid'])} of {metrics['json']['prompts']} prompts",
        ece=", ".join(f"{name} {one['ece']:.3f}" for name, one in metrics["two_way"].items()),
        ru=f"{_percent(own['items_ru']['level_accuracy'])} / {_percent(own['items_ru']['accuracy_2way'])} "
        f"({own['items_ru']['rows']} answers)",
        en=f"{_percent(own['items_en']['level_accuracy'])} / {_percent(own['items_en']['accuracy_2way'])} "
        f"({own['items_en']['rows']} answers)",
        chat=", ".join(
            _percent(chat[key]) for key in ("capital", "ends_with_a_mark", "language", "fits_the_intent")
        )
        + f" ({chat['prompts']} prompts)",
        speed=metrics["speed"]["transformers_ms_per_grade"],
        served=(
            f"| vLLM 0.32 on two shared cores, {served['requests']} grades with the schema: valid / "
            f"per second with 1 and 8 clients | {_percent(served['valid_with_schema_8_clients'])} / "
            f"{served['grades_per_second_1_clients']} and {served['grades_per_second_8_clients']} |\n"
            f"| vLLM without the schema: valid JSON | {_percent(served['valid_without_schema'])} |\n"
            if served
            else ""
        ),
        training=f"These weights: {training['steps']} steps and {training['talk_steps']} of talk, "
        f"{training['minutes']} minutes on two shared cores.",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
