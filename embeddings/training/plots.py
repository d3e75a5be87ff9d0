"""Three pictures of a forecast, as PNG. The same forecast gives the same bytes on one machine."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

# The figure's own canvas draws; pyplot would keep global state and look for a screen.
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from embeddings.training import calibration, evaluation
from embeddings.training.evaluation import Forecast


def draw(forecast: Forecast, labels: Sequence[str], folder: Path, part: str) -> list[Path]:
    """Writes reliability, coverage-risk and confusion of one part."""
    made = {
        "reliability": _reliability(forecast),
        "coverage_risk": _coverage_risk(forecast),
        "confusion": _confusion(forecast, labels),
    }
    files = []
    for name, figure in made.items():
        figure.suptitle(f"{part}: {name.replace('_', ' ')}, {len(forecast.labels)} rows")
        files.append(folder / f"{part}_{name}.png")
        FigureCanvasAgg(figure).print_png(files[-1], metadata={"Software": None})
    return files


def _reliability(forecast: Forecast) -> Figure:
    bins = calibration.calibration_bins(forecast.probabilities, forecast.labels)
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="confidence", ylabel="share of right answers")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.plot(bins[:, 0], bins[:, 1], marker="o")
    return figure


def _coverage_risk(forecast: Forecast) -> Figure:
    points = evaluation.coverage_risk(forecast)
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="share answered without a human", ylabel="share of wrong answers")
    axes.plot(*zip(*points, strict=True), marker=".")
    axes.set_ylim(bottom=0)
    return figure


def _confusion(forecast: Forecast, labels: Sequence[str]) -> Figure:
    counts = evaluation.confusion(forecast)
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="said", ylabel="is")
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    for (row, column), count in np.ndenumerate(counts):
        dark = count > counts.max() / 2
        axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
    return figure
