"""What a row costs in a trained model, as the gateway serves it and as scikit-learn would.

`.venv-worker/bin/python -m benchmarks.serving`. Each class is fitted by the worker's own code, with its default
hyper-parameters, on a made table: 10,000 rows, 18 numbers and 2 texts. Times are CPU time of the process, the
least of several rounds, one row alone and a thousand at once; checking the instances is counted too. Read the
ratios: they hold on other machines, the times do not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from gateway.training.facts import Feature, TableFormat, TrainingRequest
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


def fitted(name: str, data: Path, features: Sequence[str], folder: Path) -> tuple[LoadedModel, Any]:
    """The model as it is served, and the pipeline that it was made of."""
    folder.mkdir()
    request = TrainingRequest("bench", name, "bench", 1, "target", tuple(features), {}, test_share=0.1)
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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--classes", nargs="*", default=[one.name for one in ModelClasses().all()])
    chosen = arguments.parse_args().classes
    frame = table()
    features = [name for name in frame.columns if name != "target"]
    instances = frame.head(MANY).drop("target").to_dicts()
    print(
        f"| class | file KB | row ms | of it model ms | {MANY} rows: row ms | scikit-learn row ms | ratio |"
    )
    print("|---|---|---|---|---|---|---|")
    over = []
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data.csv"
        frame.write_csv(data)
        for name in chosen:
            folder = Path(scratch) / name
            model, pipeline = fitted(name, data, features, folder)
            size_kb = (folder / "model.onnx").stat().st_size / 1000
            kinds = [Feature(one.name, one.type) for one in model.signature.features]
            row = read_rows(model.signature, instances[:1])
            alone = cpu_ms(lambda: model.answered(read_rows(model.signature, instances[:1])))
            inside = cpu_ms(lambda: model.answered(row))
            many = cpu_ms(lambda: model.answered(read_rows(model.signature, instances))) / MANY
            one = features_frame(frame.head(1).drop("target"), kinds)
            theirs = cpu_ms(lambda: pipeline.predict_proba(one))
            print(
                f"| {name} | {size_kb:.0f} | {alone:.4f} | {inside:.4f} | {many:.4f} | {theirs:.2f} "
                f"| {theirs / alone:.0f} |",
                flush=True,
            )
            if inside > LIMIT_MS:
                over.append(name)
    if over:
        raise SystemExit(f"more than {LIMIT_MS} ms a row: {', '.join(over)}")


if __name__ == "__main__":
    main()
