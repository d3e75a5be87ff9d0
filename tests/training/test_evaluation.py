"""Figures that can be worked out by hand, and intervals that keep what they promise."""

from dataclasses import replace

import numpy as np
import pytest

from embeddings.training import calibration, evaluation
from embeddings.training.evaluation import Forecast


def forecast(said: list[float], truth: list[int], **more: object) -> Forecast:
    second = np.array(said)
    groups = np.array([f"g{at}" for at in range(len(truth))])
    return replace(Forecast(np.stack([1 - second, second], 1), np.array(truth), groups), **more)


def test_figures_worked_out_by_hand() -> None:
    found = evaluation.figures(forecast([0.9, 0.8, 0.3, 0.6], [1, 0, 0, 1]), samples=0, seed=0)
    assert found["accuracy"].value == 0.75
    assert found["roc_auc"].value == 0.75
    assert found["average_precision"].value == pytest.approx((1 + 2 / 3) / 2)
    assert found["macro_f1"].value == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert set(found) == {"accuracy", "macro_f1", "roc_auc", "average_precision", "ece", "log_loss"}


def test_scores_are_judged_where_the_labels_have_points() -> None:
    points, scores = np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0])
    found = evaluation.figures(
        forecast([0.1, 0.5, 0.9], [0, 0, 1], points=points, scores=scores), samples=0, seed=0
    )
    assert found["pearson_r"].value == pytest.approx(1)
    assert found["rmse"].value == pytest.approx(np.sqrt(0.02 / 3))


def test_a_figure_that_is_not_defined_is_no_number() -> None:
    found = evaluation.figures(forecast([0.1, 0.2], [0, 0]), samples=20, seed=0)
    assert np.isnan(found["roc_auc"].value)
    assert np.isnan(found["roc_auc"].low)


def test_a_perfect_forecaster_has_no_calibration_error() -> None:
    """Of the rows that it is sure of by 0.8, 0.8 are right, in each bin."""
    said = [0.8] * 100 + [0.4] * 100
    truth = ([1] * 4 + [0]) * 20 + ([0] * 3 + [1] * 2) * 20
    one = forecast(said, truth)
    assert calibration.expected_calibration_error(one.probabilities, one.labels) == pytest.approx(
        0, abs=1e-12
    )


def test_one_that_is_always_sure_and_half_the_time_wrong_has_an_error_of_one_half() -> None:
    one = forecast([1.0] * 40, [0, 1] * 20)
    assert calibration.expected_calibration_error(one.probabilities, one.labels) == pytest.approx(0.5)


def test_the_temperature_that_spoiled_the_outputs_is_found_again() -> None:
    draw = np.random.default_rng(0)
    honest = draw.normal(0, 2, (20_000, 3))
    chances = calibration.softmax(honest, 1.0)
    labels = (chances.cumsum(axis=1) > draw.random((20_000, 1))).argmax(axis=1)
    assert calibration.best_temperature(honest * 3, labels) == pytest.approx(3, rel=0.05)


def test_rows_that_are_told_apart_perfectly_sharpen_nothing() -> None:
    logits = np.array([[1.0, -1.0], [-1.0, 1.0]] * 20)
    assert calibration.best_temperature(logits, np.array([0, 1] * 20)) == 1


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Accuracy 0.7 by construction; the rows of a group are all right or all wrong."""
    draw, covered = np.random.default_rng(1), 0
    for trial in range(50):
        right = np.repeat(draw.random(60) < 0.7, 4)
        one = Forecast(
            np.tile([0.4, 0.6], (240, 1)), right.astype(np.int64), np.repeat(np.arange(60), 4).astype(str)
        )
        found = evaluation.figures(one, samples=60, seed=trial)["accuracy"]
        covered += found.low <= 0.7 <= found.high
    assert covered >= 42
    alone = evaluation.figures(replace(one, groups=np.arange(240).astype(str)), samples=60, seed=0)[
        "accuracy"
    ]
    assert alone.high - alone.low < 0.7 * (found.high - found.low)  # rows drawn singly flatter


def test_the_surest_rows_stand_first_in_coverage_and_risk() -> None:
    points = dict(evaluation.coverage_risk(forecast([0.99] * 10 + [0.6] * 10, [1] * 10 + [0] * 10)))
    assert points[0.5] == 0
    assert points[1.0] == 0.5


def test_confusion_has_the_truth_in_its_rows() -> None:
    assert evaluation.confusion(forecast([0.9, 0.9, 0.1], [0, 1, 0])).tolist() == [[1, 1], [0, 1]]
