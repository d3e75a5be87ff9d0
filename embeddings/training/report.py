"""`make evaluate`: what the shipped heads say of the test parts, through the code that serves them.

Writes the figures into each head's card, `embeddings/heads/NAME/README.md`, between two marks. Next to each
stands a floor fitted in the same run: TF-IDF and a logistic regression for texts, five plain similarities
and a logistic regression for answers. Intervals are 95 %, by bootstrap over questions, dialogues or, for
messages, rows."""

import argparse
import asyncio
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from embeddings import loading
from embeddings.errors import Unusable
from embeddings.models import AnyModel, Comparer, Comparison, Verdict
from embeddings.settings import Settings as Serving
from embeddings.training import checks, data, evaluation, fitting
from embeddings.training import config as configs
from embeddings.training.calibration import Floats
from embeddings.training.config import Config
from embeddings.training.evaluation import Figure, Forecast
from embeddings.training.export import HEADS
from embeddings.training.pair_batches import Reader, best_pair, rows_of
from embeddings.training.settings import Settings
from embeddings.training.stages import places
from embeddings.training.whole import whole_file

log = logging.getLogger("embeddings.training.report")
CONFIGS = Path(__file__).resolve().parent.parent / "configs"
_BEGIN, _END = "<!-- figures: written by `make evaluate` -->", "<!-- end of figures -->"
_SAMPLES = 1000
_AT_ONCE = 256
_VOCABULARY = 30522  # of BERT's tokenizer
_COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    name: str
    rows: int
    figures: Mapping[str, Figure]
    floor: Mapping[str, float]
    kept: Sequence[float]  # error among the surest share of _COVERAGES
    reviewed: float  # share of the rows that asked for a person
    reviewed_error: tuple[float, float]  # error among those that did not, and that did


async def report(config: Config, settings: Settings, heads: Path) -> None:
    """Measures one head and writes its card. Raises Unusable."""
    frame = checks.sound(data.read(config, settings.data_dir), config)
    serving = Serving(heads=str(heads), max_delay_ms=math.inf, max_queue=1 << 30)
    encoder, version = await asyncio.to_thread(loading.load, serving)
    served = await asyncio.to_thread(loading.heads, serving, encoder)
    async with loading.table(serving, encoder, version, served) as (models, _):
        model = models[config.serving.name or config.name]
        verdicts = await _asked(model, frame[frame["split"].isin(config.data.tests)])
    floor = _floor(config, frame)
    tests = frame[frame["split"].isin(config.data.tests)].reset_index(drop=True)
    lines = [
        _line(name, config, tests.loc[rows], [verdicts[row] for row in rows], floor[rows])
        for name, rows in _parts(tests)
    ]
    _write(heads / model.name / "README.md", _table(lines, model.version))
    for line in lines:
        told = ", ".join(f"{name} {one.value:.3f}" for name, one in line.figures.items())
        log.info("%s %s: %s", model.name, line.name, told)


async def _asked(model: AnyModel, frame: pd.DataFrame) -> list[Verdict]:
    made: list[Verdict] = []
    rows = rows_of(frame)
    for at in range(0, len(rows), _AT_ONCE):
        some = rows[at : at + _AT_ONCE]
        if isinstance(model, Comparer):
            asked = [Comparison(row.answer, row.references, row.question) for row in some]
            made += (await model.compare(asked)).verdicts
        else:
            made += (await model.predict([row.answer for row in some])).verdicts
    return made


def _parts(tests: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Every part of every set."""
    for (source, split), rows in tests.groupby(["source", "split"], sort=False).groups.items():
        yield f"{source} / {split.removeprefix('test_')}", np.asarray(rows, np.int64)


def _line(name: str, config: Config, frame: pd.DataFrame, verdicts: Sequence[Verdict], floor: Floats) -> Line:
    groups = frame[config.evaluation.group].to_numpy(str)
    scored = config.kind == "pair" and not frame["score"].isin((0, 1)).all()
    if config.kind == "pair":
        truth = (frame["label"] == config.labels[0]).to_numpy().astype(np.int64)
        right = np.array([one.probabilities[config.labels[0]] for one in verdicts])
    else:
        truth = places(frame, config.labels)
        right = np.array([one.probabilities[config.labels[-1]] for one in verdicts])
    scores = frame["score"].to_numpy(float) if scored else None

    def forecast(positive: Floats) -> Forecast:
        both = np.stack([1 - positive, positive], axis=1)
        return Forecast(both, truth, groups, np.array([0.0, 1.0]) if scored else None, scores)

    seen = forecast(right)
    names = ("pearson_r", "rmse") if scored else ("accuracy", "roc_auc", "ece")
    figures = evaluation.figures(seen, samples=_SAMPLES, seed=config.seed, only=names)
    if config.kind == "pair" and not scored:
        said = [config.labels.index(one.label) for one in verdicts]
        three = Forecast(np.eye(len(config.labels))[said], places(frame, config.labels), groups)
        found = evaluation.figures(three, samples=_SAMPLES, seed=config.seed, only=["macro_f1"])
        figures["macro_f1 of three"] = found["macro_f1"]
    plain = evaluation.figures(forecast(floor), samples=0, seed=config.seed, only=names)
    wrong = np.abs(right - scores) if scores is not None else ((right >= 0.5) != truth).astype(float)
    review = np.array([one.needs_review for one in verdicts])
    surest = np.argsort(-np.maximum(right, 1 - right), kind="stable")
    return Line(
        name=name,
        rows=len(frame),
        figures=figures,
        floor={one: plain[one].value for one in names},
        kept=[float(wrong[surest[: max(1, round(share * len(wrong)))]].mean()) for share in _COVERAGES],
        reviewed=float(review.mean()),
        reviewed_error=(_mean(wrong[~review]), _mean(wrong[review])),
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _floor(config: Config, frame: pd.DataFrame) -> Floats:
    """[test rows]: the positive label's probability, or the share of points, by the simplest thing that
    works."""
    train = frame[frame["split"].isin(config.data.train)]
    tests = frame[frame["split"].isin(config.data.tests)].reset_index(drop=True)
    if config.kind == "text":
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        line = make_pipeline(words, LogisticRegression(C=10, max_iter=2000))
        line.fit(train["text"], places(train, config.labels))
        made: Floats = line.predict_proba(tests["text"])[:, 1]
        return made
    reader = Reader(config.encoder.path, config.encoder.max_tokens)
    texts = [*train["question"], *train["text"], *(one for many in train["references"] for one in many)]
    reader.count(texts, _VOCABULARY)
    found = np.zeros(len(tests))
    for source in config.data.sets:
        here, there = train[train["source"] == source], tests["source"] == source
        x, asked = (
            np.stack([best_pair(reader, row)[0][:5] for row in rows_of(part)])
            for part in (here, tests[there])
        )
        score = here["score"].to_numpy(float)
        line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        # A score between 0 and 1 enters as a weighted pair of a right and a wrong answer.
        line.fit(
            np.concatenate([x, x]),
            np.repeat([1, 0], len(x)),
            logisticregression__sample_weight=np.concatenate([score, 1 - score]),
        )
        found[there] = line.predict_proba(asked)[:, 1]
    return found


def _table(lines: Sequence[Line], version: str) -> str:
    """Markdown."""
    made = [f"Version {version}. Figure [95 % interval] (floor).", ""]
    names = list(dict.fromkeys(name for line in lines for name in line.figures))
    made.append(f"| part | rows | {' | '.join(names)} |")
    made.append("|---|---|" + "---|" * len(names))
    for line in lines:
        cells = [_cell(line, name) for name in names]
        made.append(f"| {line.name} | {line.rows} | {' | '.join(cells)} |")
    shares = " | ".join(f"{share:.0%}" for share in _COVERAGES)
    made += [
        "",
        "Coverage and risk: the error among the surest share of the rows (of points: the mean distance); the",
        "share sent to a person, and the error without / among them.",
        "",
        f"| part | {shares} | to a person | error without / among |",
        "|---|" + "---|" * (len(_COVERAGES) + 2),
    ]
    for line in lines:
        kept = " | ".join(f"{one:.3f}" for one in line.kept)
        without, among = line.reviewed_error
        made.append(f"| {line.name} | {kept} | {line.reviewed:.0%} | {without:.3f} / {among:.3f} |")
    return "\n".join(made)


def _cell(line: Line, name: str) -> str:
    if name not in line.figures:
        return ""
    one = line.figures[name]
    floor = f" ({line.floor[name]:.3f})" if name in line.floor else ""
    return f"{one.value:.3f} [{one.low:.3f}-{one.high:.3f}]{floor}"


def _write(card: Path, table: str) -> None:
    """Between the marks; a card without them gets them at its end."""
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {card.parent.name}\n"
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    with whole_file(card) as new:
        new.write_text(
            f"{before.rstrip()}\n\n{_BEGIN}\n{table}\n{_END}\n{after.lstrip()}".rstrip() + "\n",
            encoding="utf-8",
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="embeddings.training.report", description=__doc__)
    parser.add_argument("--config", type=Path, action="append", help="only this one; may be repeated")
    parser.add_argument("--heads", type=Path, default=HEADS)
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        for file in asked.config or sorted(CONFIGS.glob("*.yaml")):
            config = configs.read(file)
            fitting.seed_everything(config)
            asyncio.run(report(config, Settings(), asked.heads))
    except Unusable as reason:
        sys.stderr.write(f"report: {reason}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
