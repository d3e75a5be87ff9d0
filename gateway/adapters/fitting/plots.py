"""Small pictures of a model on the held rows. The same picture for the same numbers, byte by byte."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

_SIZE = (4.5, 4.0)  # inches
_MOST = 20  # labels that a matrix still shows by name
_LONGEST = 24  # characters of a label on an axis


def draw(
    folder: Path,
    labels: Sequence[object],
    held: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    predicted: npt.NDArray[np.int64],
) -> None:
    """confusion.png, calibration.png, and of two labels roc.png and precision_recall.png."""
    _confusion(folder / "confusion.png", labels, held, predicted)
    confidence = probabilities.max(axis=1)
    if len(labels) == 2:
        false, true, _ = roc_curve(held, probabilities[:, 1])
        _curve(folder / "roc.png", false, true, ("false positive rate", "true positive rate"), diagonal=True)
        precision, recall, _ = precision_recall_curve(held, probabilities[:, 1])
        _curve(folder / "precision_recall.png", recall, precision, ("recall", "precision"))
        likely, share = probabilities[:, 1], held
        names = ("probability of the second label", "its share of the rows")
    else:
        likely, share = confidence, (predicted == held).astype(np.int64)
        names = ("confidence", "share of rows answered right")
    found, told = calibration_curve(share, np.clip(likely, 0.0, 1.0), n_bins=10)
    _curve(folder / "calibration.png", told, found, names, diagonal=True)


def _confusion(
    path: Path, labels: Sequence[object], held: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]
) -> None:
    figure = Figure(_SIZE, layout="constrained")
    axes = figure.add_subplot(xlabel="predicted", ylabel="true")
    matrix = confusion_matrix(held, predicted, labels=np.arange(len(labels)))
    axes.imshow(matrix, cmap="Blues")
    if len(labels) <= _MOST:
        # A dollar would be mathematics to matplotlib.
        names = [str(label)[:_LONGEST].replace("$", r"\$") for label in labels]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        for (row, column), count in np.ndenumerate(matrix):
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7)
    _save(figure, path)


def _curve(
    path: Path,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    names: tuple[str, str],
    *,
    diagonal: bool = False,
) -> None:
    figure = Figure(_SIZE, layout="constrained")
    axes = figure.add_subplot(xlabel=names[0], ylabel=names[1], xlim=(0, 1), ylim=(0, 1.02))
    if diagonal:
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.plot(x, y, marker="o" if len(x) <= 20 else "")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=80, metadata={"Software": None})
