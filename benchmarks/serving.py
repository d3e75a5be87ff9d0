"""What a row costs in a trained model, as the gateway serves it and as scikit-learn would.

`.venv-worker/bin/python -m benchmarks.serving`. The worker's own code fits each class, by default with
its own hyper-parameters, on a made table: 10,000 rows, 18 numbers and 2 texts. Times are CPU time of the
process, the least of several rounds, one row alone and a thousand at once; checking the instances is counted
too. Read the ratios: they hold on other machines, the times do not.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import skops.io

from gateway.adapters.fitting.encoding import features_frame
from gateway.adapters.fitting.fit import fit
from gateway.adapters.onnx_models import LoadedModel, load
from gateway.prediction import read_rows
from gateway.training.classes import ModelClasses
from gateway.training.facts import TableFormat, TrainingRequest
from gateway.training.ports import Work

ROWS, NUMBERS, MANY = 10_000, 18, 1_000
LIMIT_MS = 0.2  # of a row in the model


def table() -> pl.DataFrame:
    """Two classes that a model can learn, from numbers and texts."""
    chance = np.random.default_rng(0)
    numbers = chance.normal(size=(ROWS, NUMBERS)).astype(np.float32)
    texts = chance.choice(["north", "south", "east", "west"], size=(ROWS, 2))
    score = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + (texts[:, 0] == "north")
    columns: dict[str, Any] = {f"n{place}": numbers[:, place] for place in range(NUMBERS)}
    columns |= {f"t{place}": texts[:, place] for place in range(2)}
    return pl.DataFrame({**columns, "target": (score > 0.25).astype(int)})


def fitted(
    name: str, hyperparameters: Mapping[str, object], data: Path, features: Sequence[str], folder: Path
) -> tuple[LoadedModel, Any]:
    """The model as it is served, and the pipeline that it was made of."""
    folder.mkdir()
    request = TrainingRequest("bench", name, "bench", 1, "target", tuple(features), hyperparameters)
    fit(Work("bench", request, data, TableFormat.CSV, "", folder, 1), lambda _: None)
    dump = folder / "model.skops"
    pipeline = skops.io.load(dump, trusted=skops.io.get_untrusted_types(file=dump))
    return load((folder / "model.onnx").read_bytes(), ThreadPoolExecutor(1)), pipeline


def cpu_ms(work: Callable[[], object], least_s: float = 0.3) -> float:
    """CPU time of a run: the least of five rounds, each of `least_s` or more."""
    work()
    runs, best = 1, float("inf")
    for _ in range(5):
        while True:
            began = time.process_time()
            for _ in range(runs):
                work()
            took = time.process_time() - began
            if took >= least_s:
                break
            runs *= 2
        best = min(best, took / runs)
    return best * 1000


@dataclass(frozen=True)
class Cost:
    """Milliseconds of CPU for a row."""

    alone: float  # as the gateway does it, for one row
    model: float  # of that, without checking the instance
    many: float  # among a thousand
    scikit_learn: float  # predict_proba of one row


def cost(model: LoadedModel, pipeline: Any, frame: pl.DataFrame) -> Cost:
    instances, signature = frame.to_dicts(), model.signature
    row = read_rows(signature, instances[:1])
    one = features_frame(frame.head(1), signature.features)
    return Cost(
        alone=cpu_ms(lambda: model.answered(read_rows(signature, instances[:1]))),
        model=cpu_ms(lambda: model.answered(row)),
        many=cpu_ms(lambda: model.answered(read_rows(signature, instances))) / len(instances),
        scikit_learn=cpu_ms(lambda: pipeline.predict_proba(one)),
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--classes", nargs="*", default=[one.name for one in ModelClasses().all()])
    arguments.add_argument("--hyperparameters", type=json.loads, default={}, help="JSON, of all the classes")
    asked = arguments.parse_args()
    frame = table()
    features = [name for name in frame.columns if name != "target"]
    print(
        f"| class | file KB | row ms | of it model ms | {MANY} rows: row ms | scikit-learn row ms | ratio |"
    )
    print("|---|---|---|---|---|---|---|")
    over = []
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data.csv"
        frame.write_csv(data)
        for name in asked.classes:
            folder = Path(scratch) / name
            model, pipeline = fitted(name, asked.hyperparameters, data, features, folder)
            found = cost(model, pipeline, frame.head(MANY).select(features))
            print(
                f"| {name} | {(folder / 'model.onnx').stat().st_size / 1000:.0f} | {found.alone:.4f} "
                f"| {found.model:.4f} | {found.many:.4f} | {found.scikit_learn:.2f} "
                f"| {found.scikit_learn / found.alone:.0f} |",
                flush=True,
            )
            if found.model > LIMIT_MS:
                over.append(name)
    if over:
        raise SystemExit(f"more than {LIMIT_MS} ms a row: {', '.join(over)}")


if __name__ == "__main__":
    main()
