"""prepare -> train -> evaluate: each reads what the one before left and writes its own whole or not at all.

state/training/NAME/prepared/    PART.jsonl, statistics.csv
state/training/NAME/model/       save_pretrained's files, tokenizer.json, history.json
state/training/NAME/evaluation/  PART_predictions.jsonl, pictures
state/training/NAME/metrics.json
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from embeddings.errors import Unusable
from embeddings.training import checks, data, drift, evaluation, fitting, plots, tracking
from embeddings.training.calibration import Floats, Labels, best_temperature, softmax
from embeddings.training.config import Config
from embeddings.training.evaluation import Figure, Forecast
from embeddings.training.kinds import kind
from embeddings.training.settings import Settings
from embeddings.training.whole import whole_file, whole_folder

log = logging.getLogger(__name__)


def prepare(config: Config, settings: Settings) -> None:
    """The sets -> checked rows. Prints the statistics. Raises Unusable."""
    frame = checks.sound(data.read(config, settings.data_dir), config)
    table = checks.statistics(frame, config.labels)
    print(table.to_string(index=False))  # noqa: T201 - for whoever runs the stage
    with whole_folder(settings.training_folder(config.name) / "prepared") as folder:
        for split, part in frame.groupby("split", sort=False):
            part.to_json(folder / f"{split}.jsonl", orient="records", lines=True, force_ascii=False)
        table.to_csv(folder / "statistics.csv", index=False)
    log.info("prepared %d rows", len(frame))


def train(config: Config, settings: Settings) -> None:
    """Checked rows -> a model. Raises Unusable."""
    folder = settings.training_folder(config.name)
    frames = {
        "train": prepared(folder / "prepared", config.data.train),
        "validation": prepared(folder / "prepared", config.data.validation),
    }
    fitting.seed_everything(config)
    chosen = kind(config)
    with whole_folder(folder / "model") as made:
        network = chosen.make(config, made)
        train_rows, validation_rows = (
            fitting.Rows(
                chosen.batches(network, made, frame), places(frame, config.labels), shares(frame, config)
            )
            for frame in frames.values()
        )
        history = fitting.fit(network, train_rows, validation_rows, config)
        seen = fitting.logits(network, validation_rows.batches)
        network.config.logit_temperature = best_temperature(seen, validation_rows.labels)
        network.save_pretrained(made)
        lines = [asdict(epoch) for epoch in history]
        (made / "history.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    log.info("temperature %.3f", network.config.logit_temperature)
    drift.log_evidently(frames["train"], frames["validation"], settings, config.name)


def evaluate(config: Config, settings: Settings) -> None:
    """A model -> figures, pictures and a run in MLflow. Raises Unusable."""
    folder = settings.training_folder(config.name)
    if not (folder / "model/config.json").is_file():
        raise Unusable(f"{folder} has no model: run --stage train first")
    fitting.seed_everything(config)
    chosen = kind(config)
    network = chosen.load(folder / "model")
    figures: dict[str, dict[str, Figure]] = {}
    with whole_folder(folder / "evaluation") as made:
        for part in tqdm([*config.data.validation, *config.data.tests], desc="parts", disable=None):
            frame = prepared(folder / "prepared", [part])
            seen = fitting.logits(network, chosen.batches(network, folder / "model", frame))
            forecast = _forecast(softmax(seen, network.config.logit_temperature), frame, config)
            plots.draw(forecast, config.labels, made, part)
            said = "".join(_lines(frame, forecast, config.labels))
            (made / f"{part}_predictions.jsonl").write_text(said, encoding="utf-8")
            figures |= _figures(part, frame, forecast, config)
    metrics = {
        "temperature": network.config.logit_temperature,
        **{part: {name: _rounded(one) for name, one in found.items()} for part, found in figures.items()},
    }
    with whole_file(folder / "metrics.json") as new:
        new.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    for part, found in figures.items():
        log.info("%s: %s", part, ", ".join(f"{name} {one.value:.4f}" for name, one in found.items()))
    tracking.log_run(config, settings, figures)


def prepared(folder: Path, parts: Sequence[str]) -> pd.DataFrame:
    """The rows of these parts. Raises Unusable when one is not there."""
    rows: list[object] = []
    for part in parts:
        file = folder / f"{part}.jsonl"
        if not file.is_file():
            raise Unusable(f"{folder} has no part {part}: run --stage prepare first")
        with file.open(encoding="utf-8") as lines:  # splitlines would also cut at U+2028, inside a text
            rows += [json.loads(line) for line in lines]
    return pd.DataFrame(rows, columns=data.COLUMNS).astype({"score": "float64"})


def places(frame: pd.DataFrame, labels: Sequence[str]) -> Labels:
    """[rows]: the place of each row's label."""
    place = {label: at for at, label in enumerate(labels)}
    return np.array([place[label] for label in frame["label"]], np.int64)


def shares(frame: pd.DataFrame, config: Config) -> "np.typing.NDArray[np.float32] | None":
    """[rows, labels] of a grader: a score between 0 and 1 is divided between the first label and the last."""
    if config.kind == "text":
        return None
    made = np.eye(len(config.labels), dtype=np.float32)[places(frame, config.labels)]
    score = frame["score"].to_numpy(np.float32)
    partly = (score > 0) & (score < 1)
    made[partly] = 0
    made[partly, 0], made[partly, -1] = score[partly], 1 - score[partly]
    return made


def _forecast(probabilities: Floats, frame: pd.DataFrame, config: Config) -> Forecast:
    scored = config.points is not None
    return Forecast(
        probabilities,
        places(frame, config.labels),
        frame[config.evaluation.group].to_numpy(str),
        np.array(config.points) if scored else None,
        frame["score"].to_numpy(float) if scored else None,
    )


def _figures(
    part: str, frame: pd.DataFrame, forecast: Forecast, config: Config
) -> dict[str, dict[str, Figure]]:
    """Of the part, and where it has rows of several sets, of each set in it."""
    names = {part: np.arange(len(frame))}
    sources = frame["source"].to_numpy()
    if len(set(sources)) > 1:
        names |= {f"{part}/{name}": np.flatnonzero(sources == name) for name in sorted(set(sources))}
    samples = config.evaluation.bootstrap
    return {
        name: evaluation.figures(forecast.rows(rows), samples=samples, seed=config.seed)
        for name, rows in names.items()
    }


def _lines(frame: pd.DataFrame, forecast: Forecast, labels: Sequence[str]) -> Iterator[str]:
    """What was said of each row; no texts."""
    for name, truth, row in zip(frame["id"], frame["label"], forecast.probabilities, strict=True):
        said = dict(zip(labels, np.round(row, 6).tolist(), strict=True))
        yield json.dumps({"id": name, "label": truth, "probabilities": said}) + "\n"


def _rounded(figure: Figure) -> dict[str, float | None]:
    """JSON has no nan."""
    return {name: None if np.isnan(value) else round(value, 6) for name, value in asdict(figure).items()}
