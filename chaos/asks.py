"""What is asked, as bytes on the wire."""

import json
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from chaos.client import Ask

KEY = "chaos-key"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
TOKENS = 10  # of an ordinary answer
_WORDS = ("light", "water", "carbon", "sugar", "oxygen", "cell", "river", "stone", "energy", "force", "heat")


def words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choices(_WORDS, k=count))


def ask(
    name: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str = KEY,
    stream: bool = False,
    headers: Mapping[str, str] = NO_HEADERS,
) -> Ask:
    """A body of bytes goes as it is, everything else as JSON."""
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"content-type": "application/json", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n{lines}"
        f"content-length: {len(raw)}\r\n\r\n"
    )
    return Ask(name, head.encode() + raw, stream)


def chat(
    draw: random.Random,
    name: str = "chat",
    *,
    stream: bool = False,
    tokens: int = TOKENS,
    headers: Mapping[str, str] = NO_HEADERS,
) -> Ask:
    body: dict[str, Any] = {
        "model": "tiny",
        "messages": [{"role": "user", "content": words(draw, 20)}],
        "max_tokens": tokens,
    }
    if stream:
        body["stream"] = True
    return ask(name, "POST", "/v1/chat/completions", body, stream=stream, headers=headers)


def with_deadline(draw: random.Random) -> Ask:
    return chat(draw, "deadline", headers={"x-request-timeout": "1"})


def predict(draw: random.Random) -> Ask:
    """A payment to the fraud model, of which only some features are known."""
    features = {"TX_AMOUNT": round(draw.uniform(1, 300), 2)}
    return ask("predict", "POST", "/predict", features)


def grade(text: str) -> Ask:
    body = {
        "submission": text,
        "question": "What do plants need to grow?",
        "reference_answers": ["Plants need light, water and carbon dioxide to grow."],
        "grader": "llm",
    }
    return ask("grade", "POST", "/v1/models/grader-llm:predict", body)


def get(path: str) -> Ask:
    return ask("get", "GET", path)
