"""Readers of the public short-answer sets and of our own seed items; every score is put on 0..1."""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SEEDS = Path(__file__).parent / "seeds"


@dataclass(frozen=True, slots=True)
class Row:
    """One graded answer; `score` is 0..1, `coarse` when the source knows only right and wrong."""

    source: str
    question_id: str
    question: str
    references: tuple[str, ...]
    answer: str
    score: float
    coarse: bool


def data_folder(named: str | None) -> Path:
    """The folder with the public sets: `--data`, else the environment's DATA_DIR."""
    folder = named or os.environ.get("DATA_DIR")
    if not folder:
        raise SystemExit("name the folder of the public data sets: --data FOLDER or DATA_DIR")
    return Path(folder)


def read_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_set(folder: Path, source: str, part: str) -> list[Row]:
    """Rows of one file, for example source `mohler`, part `train`."""
    rows = []
    for raw in read_lines(folder / source / f"{part}.jsonl"):
        references = raw["reference"] if isinstance(raw["reference"], list) else [raw["reference"]]
        rows.append(
            Row(
                source=source,
                question_id=f"{source}/{raw['question_id']}",
                question=raw["question"],
                references=tuple(references),
                answer=raw["answer"],
                score=min(1.0, float(raw["score"]) / float(raw["max_score"])),
                coarse=source.startswith("semeval"),
            )
        )
    return rows


def read_seed_items(path: Path) -> list[Row]:
    """Own items: a list of {q, r, right, partly, wrong}, each of the last three a list of answers."""
    rows = []
    for number, item in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))):
        for key, score in (("right", 1.0), ("partly", 0.5), ("wrong", 0.0)):
            rows += [
                Row(path.stem, f"{path.stem}/{number}", item["q"], (item["r"],), str(answer), score, False)
                for answer in item.get(key, [])
            ]
    return rows


def by_question(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.question_id].append(row)
    return dict(groups)


def hold_out_questions(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(kept, held out): whole questions go to one side, drawn per source so that each is represented."""
    drawn: set[str] = set()
    for source in sorted({row.source for row in rows}):
        questions = sorted({row.question_id for row in rows if row.source == source})
        random.Random(f"{seed}/{source}").shuffle(questions)
        drawn.update(questions[: max(1, round(share * len(questions)))])
    kept = [row for row in rows if row.question_id not in drawn]
    return kept, [row for row in rows if row.question_id in drawn]
