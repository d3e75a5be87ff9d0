"""Small tables to fit on, and the work that asks for it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from gateway.training.facts import TableFormat, TrainingRequest
from gateway.training.ports import Work

FEATURES = ("amount", "count", "known", "country")


def table(rows: int, labels: int = 2, seed: int = 0) -> pl.DataFrame:
    """A feature of each type, a tenth of the values missing; the label follows from two of them and noise."""
    rng = np.random.default_rng(seed)
    amount, known = rng.normal(size=rows), rng.random(rows) < 0.5
    score = (amount + known + rng.normal(size=rows) * 0.3) * 1.2
    frame = pl.DataFrame(
        {
            "amount": amount,
            "count": rng.integers(0, 5, rows) + 2**24,
            "known": known,
            "country": rng.choice(["Österreich", "France", "Россия"], rows),
        }
    )
    gaps = {name: pl.Series(rng.random(rows) < 0.1) for name in frame.columns}
    frame = frame.with_columns(
        pl.when(gap).then(None).otherwise(pl.col(name)).alias(name) for name, gap in gaps.items()
    )
    return frame.with_columns(label=pl.Series(score.round().clip(0, labels - 1).astype(np.int64)))


def work(
    folder: Path,
    model_class: str = "logistic_regression",
    hyperparameters: Mapping[str, object] | None = None,
    data: pl.DataFrame | None = None,
    seed: int = 0,
) -> Work:
    """With its data and an empty folder for the files, both under `folder`."""
    made = folder / "made"
    made.mkdir(parents=True)
    (table(300) if data is None else data).write_csv(folder / "data.csv")
    request = TrainingRequest(
        "fraud", model_class, "payments", 1, "label", FEATURES, hyperparameters or {}, seed=seed
    )
    return Work("job_1", request, folder / "data.csv", TableFormat.CSV, "md5", made, 1)
