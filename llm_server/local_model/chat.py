"""Own-made conversations for training, drawn from the seed intents: short, polite and honest."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from llm_server.local_model.data import SEEDS

LANGUAGES = ("en", "ru")


@dataclass(frozen=True, slots=True)
class Intent:
    name: str
    language: str
    says: tuple[str, ...]
    replies: tuple[str, ...]
    follow_up: bool


def intents(held_out: bool = False) -> list[Intent]:
    """Seed intents; every eighth thing to say is kept from training and belongs to the held-out part."""
    found = []
    for raw in yaml.safe_load((SEEDS / "chat.yaml").read_text(encoding="utf-8")):
        says = tuple(text for number, text in enumerate(raw["says"]) if (number % 8 == 7) == held_out)
        language = raw["intent"].rsplit("_", 1)[1]
        found.append(
            Intent(raw["intent"], language, says, tuple(raw["replies"]), raw.get("follow_up", False))
        )
    return found


def replies() -> list[str]:
    return [reply for intent in intents() for reply in intent.replies]


def systems() -> list[str]:
    texts: list[str] = yaml.safe_load((SEEDS / "systems.yaml").read_text(encoding="utf-8"))
    return texts


class Conversations:
    """Draws conversations of one to three exchanges as chat messages that end with the assistant's turn."""

    def __init__(self, other_texts: Sequence[tuple[str, str]]) -> None:
        """`other_texts`: (language, text) of things people write about which this model cannot talk."""
        self.openers = [intent for intent in intents() if not intent.follow_up]
        self.later = intents()
        self.by_name = {intent.name: intent for intent in self.later}
        self.systems = systems()
        self.other_texts = list(other_texts)

    def _exchange(self, draw: random.Random, choices: Sequence[Intent]) -> tuple[str, str, Intent]:
        if self.other_texts and draw.random() < 0.22:
            language, said = draw.choice(self.other_texts)
            kind = "decline" if said.rstrip().endswith("?") or draw.random() < 0.5 else "unclear"
            intent = self.by_name[f"{kind}_{language}"]
        else:
            intent = draw.choice(choices)
            said = draw.choice(intent.says)
            if draw.random() < 0.3:
                said = said.rstrip("!?.") + draw.choice(("", ".", "!", "?", "...", " :)"))
            if draw.random() < 0.06:
                said = f"{said} {said}"
        return said, draw.choice(intent.replies), intent

    def draw(self, draw: random.Random) -> list[dict[str, str]]:
        messages = []
        if draw.random() < 0.35:
            messages.append({"role": "system", "content": draw.choice(self.systems)})
        said, reply, intent = self._exchange(draw, self.openers)
        turns = [(said, reply)]
        while draw.random() < 0.25 and len(turns) < 3:
            same = [other for other in self.later if other.language == intent.language]
            said, reply, _ = self._exchange(draw, same)
            turns.append((said, reply))
        for said, reply in turns:
            messages += [{"role": "user", "content": said}, {"role": "assistant", "content": reply}]
        return messages
