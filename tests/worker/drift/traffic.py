"""Made-up traffic of a grader, as the process that compares gets it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.drift.facts import Comparison, Observation

WIDTH = 64
Side = dict[str, list[Any]]


@dataclass(frozen=True)
class World:
    """What texts and answers are like. Lengths and confidences are skewed, scores have ties, every third
    label is missing, one label is rare, and a fifth of the rows or all have a vector."""

    longer: float = 1.0  # factor of the length
    russian: float = 0.8  # share
    passed: float = 0.5  # share
    lower_score: float = 0.0
    lower_confidence: float = 0.0
    elsewhere: float = 0.0  # share of the texts that are of another topic
    embedded: float = 0.2
    constant: dict[str, Any] = field(default_factory=dict)  # columns that always say the same


def traffic(world: World, rows: int, chance: np.random.Generator) -> Side:
    lengths = world.longer * chance.lognormal(6.0, 0.8, rows)
    score = np.clip(np.round(chance.beta(4, 2, rows) - world.lower_score, 1), 0, 1)
    confidence = np.clip(chance.beta(8, 2, rows) - world.lower_confidence, 0, 1)
    language = np.where(chance.random(rows) < world.russian, "ru", "en")
    label = np.where(chance.random(rows) < world.passed, "pass", "fail").astype(object)
    label[chance.random(rows) < 0.01] = "rare"
    label[chance.random(rows) < 0.33] = None
    side: Side = {
        "text_length": [int(one) for one in lengths],
        "language": language.tolist(),
        "label": label.tolist(),
        "score": score.tolist(),
        "confidence": [None if chance.random() < 0.1 else float(one) for one in confidence],
        "embedding": _embeddings(world, rows, chance),
    }
    return side | {name: [value] * rows for name, value in world.constant.items()}


def comparison(reference: Side, current: Side, model: str = "grader-llm") -> Comparison:
    return Comparison(model, _observations(reference, model), _observations(current, model))


def halves(vectors: npt.NDArray[Any]) -> list[str]:
    return [base64.b64encode(one.astype("<f2").tobytes()).decode() for one in vectors]


def _embeddings(world: World, rows: int, chance: np.random.Generator) -> list[str | None]:
    """Of unit length, around the middle of one of five topics, or of a sixth."""
    middles = np.random.default_rng(1).normal(0, 1, (6, WIDTH))
    topics = np.where(chance.random(rows) < world.elsewhere, 5, chance.integers(0, 5, rows))
    vectors = middles[topics] + chance.normal(0, 1.5, (rows, WIDTH))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    told = halves(vectors)
    return [one if chance.random() < world.embedded else None for one in told]


def _observations(side: Side, model: str) -> tuple[Observation, ...]:
    columns: Sequence[list[Any]] = list(side.values())
    made = (dict(zip(side, row, strict=True)) for row in zip(*columns, strict=True))
    return tuple(
        Observation(
            datetime(2026, 1, 1, tzinfo=UTC), model, "1", **{**row, "embedding": _figures(row["embedding"])}
        )
        for row in made
    )


def _figures(told: str | None) -> tuple[float, ...] | None:
    if told is None:
        return None
    return tuple(np.frombuffer(base64.b64decode(told), "<f2").astype(float).tolist())
