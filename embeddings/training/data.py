"""The public sets as one frame. `DATA_DIR/SET/PART.jsonl` or `.csv`, as `make data` leaves them.

Columns of the frame: `id` (unique within a split), `split` (the part's file stem), `source` (the set),
`group` (dialogue or question; the id where there is none), `question`, `references` (list), `text`, `label`,
`score` (0..1 or missing).
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from embeddings.errors import Unusable
from embeddings.training.config import Config

COLUMNS = ["id", "split", "source", "group", "question", "references", "text", "label", "score"]
Raw = Mapping[str, Any]  # one row as its file has it
_LABELS_OF_SAF = {"Correct": "correct", "Partially correct": "partly", "Incorrect": "incorrect"}


def read(config: Config, folder: Path) -> pd.DataFrame:
    """Every part of every set that the config names. Raises Unusable: a missing set, part, column."""
    named = config.data
    rows: list[dict[str, object]] = []
    for part in [*named.train, *named.validation, *named.tests]:
        # `test_other_source` and the like stand in some sets only; a part that stands in none is a misprint.
        found = [(name, file) for name in named.sets if (file := _file(folder, name, part))]
        if not found:
            raise Unusable(f"no set of the config has a part {part} in {folder}: see `make data`")
        excerpts = named.excerpts if part in named.train else 0
        for name, file in found:
            rows += [
                _row(config, name, part, one) for raw in _lines(file) for one in _with_excerpts(raw, excerpts)
            ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["score"] = frame["score"].astype("float64")
    return frame


def _file(folder: Path, name: str, part: str) -> Path | None:
    if not (folder / name).is_dir():
        raise Unusable(f"the set {name} is not in {folder}: see `make data`")
    files = (folder / name / f"{part}{suffix}" for suffix in (".jsonl", ".csv"))
    return next((file for file in files if file.is_file()), None)


def _lines(file: Path) -> Iterator[Raw]:
    """Raises Unusable where a line is no row; the line's number is told, never its words."""
    with file.open(encoding="utf-8", newline="") as opened:
        if file.suffix == ".csv":
            yield from csv.DictReader(opened)
            return
        for number, line in enumerate(opened, 1):
            try:
                raw = json.loads(line)
            except ValueError:
                raise Unusable(f"{file}: line {number} is not JSON") from None
            yield raw


def _row(config: Config, name: str, part: str, raw: Raw) -> dict[str, object]:
    try:
        text, group = _READERS.get(name, _answer)(raw)
        score = float(raw["score"]) / float(raw["max_score"]) if "max_score" in raw else None
        return {
            "id": f"{name}/{raw['id']}",
            "split": part,
            "source": name,
            "group": f"{name}/{group}",
            "question": raw.get("question", ""),
            "references": _references(raw),
            "text": text[: config.data.max_characters],
            "label": _label(config, name, raw, score),
            "score": score,
        }
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks the column {error}" if isinstance(error, KeyError) else "has a value of a wrong type"
        raise Unusable(f"a row of {name}/{part} {what}") from None


def _with_excerpts(raw: Raw, count: int) -> Iterator[Raw]:
    """The dialogue, and so many runs of its messages: who is asked about one message must have learned on
    some. Drawn by the dialogue's id, so that they are the same in every reading."""
    yield raw
    if not count:
        return
    messages = raw["messages"]
    draw = Random(str(raw["id"]))  # noqa: S311 - nothing secret
    for number in range(count):
        length = draw.randint(1, len(messages))
        start = draw.randint(0, len(messages) - length)
        some = messages[start : start + length]
        if any(one.strip() for one in some):
            yield {**raw, "id": f"{raw['id']}#{number}", "messages": some}


def _conversation(raw: Raw) -> tuple[str, object]:
    """One side of a dialogue: what a service sees of the participant it judges."""
    return "\n".join(raw["messages"]), raw["dialog_id"]


def _message(raw: Raw) -> tuple[str, object]:
    return raw["text"], raw["id"]


def _answer(raw: Raw) -> tuple[str, object]:
    return raw["answer"], raw["question_id"]


_READERS: Mapping[str, Callable[[Raw], tuple[str, object]]] = {
    "bot_or_human_convai": _conversation,
    "sms_spam": _message,
    "telegram_spam_ru": _message,
    "injection_detection": _message,
}


def _references(raw: Raw) -> list[str]:
    given = raw.get("reference", [])
    return list(given) if isinstance(given, list) else [given]


def _label(config: Config, name: str, raw: Raw, score: float | None) -> str:
    if config.data.label == "score":
        if score is None or config.points is None:
            raise ValueError("no score")
        points = config.points
        return config.labels[min(range(len(points)), key=lambda place: abs(points[place] - score))]
    if config.data.label not in raw and score is not None:
        # A set with points and no such labels: the first label is right, the last is wrong.
        return config.labels[0 if score >= 0.5 else -1]
    label = str(raw[config.data.label])
    return _LABELS_OF_SAF.get(label, label) if name == "saf_en" else label
