"""Small data of our own making, a BERT of a few thousand random weights, and one training for many tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from embeddings.train import main
from embeddings.training import config as configs
from embeddings.training.config import Config
from embeddings.training.settings import Settings
from tests.embeddings import tiny

GOOD = ("the water boils", "a right answer", "да вода кипит", "the word is right", "be a bee")
BAD = ("wrong wrong", "a wrong word", "нет вода", "the answer is wrong", "bad deed")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = {"vocab_size": len(tiny.PIECES), "intermediate_size": 2 * tiny.HIDDEN}
    return tiny.folder(tmp_path_factory.mktemp("models") / "tiny", **sizes)


def write_set(folder: Path, name: str, parts: dict[str, Sequence[dict[str, Any]]]) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for part, rows in parts.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name / f"{part}.jsonl").write_text(lines, encoding="utf-8")


def messages(part: str, copies: int) -> list[dict[str, Any]]:
    """Rows of both labels; no text stands in two parts."""
    texts = [(text, "ham") for text in GOOD] + [(text, "spam") for text in BAD]
    return [
        {"id": f"{part}-{copy}-{at}", "text": f"{text} {part} {copy}", "label": label, "lang": "en"}
        for copy in range(copies)
        for at, (text, label) in enumerate(texts)
    ]


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DATA_DIR with one set of messages."""
    folder = tmp_path_factory.mktemp("data")
    sizes = {"train": 6, "validation": 2, "test": 3}
    write_set(folder, "sms_spam", {part: messages(part, copies) for part, copies in sizes.items()})
    return folder


def recipe(encoder: Path | str = "", /, **changes: Any) -> dict[str, Any]:
    """A YAML file's content; `changes` replace top-level fields."""
    return {
        "name": "tiny",
        "seed": 7,
        "kind": "text",
        "labels": ["ham", "spam"],
        "data": {"sets": ["sms_spam"]},
        "encoder": {"path": str(encoder), "max_tokens": 32},
        "head": {"hidden": 8, "ngrams": {"buckets": 256, "low": 2, "high": 3}},
        "optimiser": {"lr": 0.01, "epochs": 3, "batch": 8},
        "evaluation": {"bootstrap": 50},
        **changes,
    }


def made(content: dict[str, Any]) -> Config:
    return Config.model_validate(content)


def write(content: dict[str, Any], folder: Path) -> Path:
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert configs.read(file)
    return file


@pytest.fixture(scope="session")
def trained(encoder: Path, sets: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Settings]:
    """A whole training by the command line: all three stages, logged to a SQLite file."""
    home = tmp_path_factory.mktemp("home")
    content = recipe(encoder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TRAINING_STATE_DIR", str(home / "state"))
        patched.delenv("EVIDENTLY_HOST", raising=False)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert main(["--config", str(write(content, home)), "--data", str(sets)]) == 0
        return made(content), Settings()
