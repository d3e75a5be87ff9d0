"""A fit: what is learnt, measured and left behind, and that it is the same every time."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import skops.io

from gateway.adapters.fitting.encoding import encoded_target, features_frame
from gateway.adapters.fitting.fit import TRUSTED, fit
from gateway.adapters.fitting.metrics import calibration_error, label_metrics, measured
from gateway.adapters.fitting.table import TABLE
from gateway.training.facts import ColumnType, Feature
from gateway.training.ports import FitFailed, Fitted, Progress
from tests.worker.fitting.tables import table, work

SMALL: Mapping[str, Mapping[str, object]] = {
    "random_forest": {"n_estimators": 20, "oob_score": True},
    "extra_trees": {"n_estimators": 20},
    "hist_gradient_boosting": {"max_iter": 20},
}


def quiet(_: Progress) -> None:
    pass


@pytest.mark.parametrize(("name", "labels"), [(name, 2 + place % 2) for place, name in enumerate(TABLE)])
def test_the_same_work_gives_the_same_files(name: str, labels: int, tmp_path: Path) -> None:
    data = table(400, labels)
    made = [fit(work(tmp_path / one, name, SMALL.get(name), data), quiet) for one in "ab"]
    first, second = made
    assert first.sha256 == second.sha256
    assert first.metrics == second.metrics
    for file in first.folder.glob("*.png"):
        assert file.read_bytes() == (second.folder / file.name).read_bytes()
    assert first.metrics["accuracy"] > first.metrics["baseline_accuracy"] + 0.1
    the_dump_loads_with_what_we_trust(first, data)


def the_dump_loads_with_what_we_trust(fitted: Fitted, data: pl.DataFrame) -> None:
    loaded = skops.io.load(fitted.folder / "model.skops", trusted=[*TRUSTED])
    rows = features_frame(data, fitted.signature.features)
    assert set(loaded.predict(rows)) == set(range(len(fitted.signature.labels)))
    report = json.loads((fitted.folder / "report.json").read_text())
    assert report["parity"]["largest_difference"] < 1e-6
    assert report["rows"] == {"training": 320, "held": 80}


def test_another_seed_splits_otherwise(tmp_path: Path) -> None:
    first, second = (fit(work(tmp_path / str(seed), seed=seed), quiet) for seed in (0, 1))
    assert first.sha256 != second.sha256


def test_progress_moves_through_gradient_boosting_and_regression(tmp_path: Path) -> None:
    for name, hyperparameters in (
        ("hist_gradient_boosting", {"max_iter": 40}),
        ("logistic_regression", {"tol": 1e-8}),
    ):
        told: list[Progress] = []
        fit(work(tmp_path / name, name, hyperparameters), told.append)
        shares = [one.share for one in told if one.stage == "fitting"]
        assert len(set(shares)) > 3, name
        assert shares == sorted(shares)


def test_a_solver_that_was_stopped_says_so(tmp_path: Path) -> None:
    told: list[Progress] = []
    fit(work(tmp_path, hyperparameters={"max_iter": 1}), told.append)
    assert any("before it converged" in one.message for one in told)


def test_out_of_bag_rows_are_measured_where_asked(tmp_path: Path) -> None:
    fitted = fit(work(tmp_path, "random_forest", SMALL["random_forest"]), quiet)
    assert 0.5 < fitted.metrics["oob_accuracy"] <= 1


def test_texts_and_booleans_are_labels_too(tmp_path: Path) -> None:
    word = pl.when(pl.col("label") == 1).then(pl.lit("Ärger")).otherwise(pl.lit("no"))
    for name, label, labels, metrics in (
        ("texts", word, ("no", "Ärger"), ["f1_no", "f1_Ärger"]),
        ("booleans", pl.col("label") == 1, (False, True), ["f1_false", "f1_true"]),
        ("numbers", pl.col("label") + 0.5, (0.5, 1.5), ["f1_0.5", "f1_1.5"]),
    ):
        fitted = fit(work(tmp_path / name, data=table(300).with_columns(label=label)), quiet)
        assert fitted.signature.labels == labels
        assert fitted.metrics["accuracy"] > 0.7
        assert fitted.metrics.keys() >= {*metrics}
        report = json.loads((fitted.folder / "report.json").read_text())
        assert [one["label"] for one in report["labels"]] == [*labels]
        assert [one["metric"] for one in report["labels"]] == metrics


@pytest.mark.parametrize(
    "labels",
    [
        ("yes", "no!"),
        ("a" * 65, "b"),
        ("", "b"),
        ("Yes", "yes"),
        ("macro", "micro"),
        (" a", "b"),
        ("a\n", "b"),
    ],
)
def test_labels_that_cannot_name_a_metric_are_named_by_their_places(labels: tuple[str, ...]) -> None:
    assert label_metrics(labels) == ("f1_0", "f1_1")
    assert label_metrics(("very good", "так-сяк")) == ("f1_very good", "f1_так-сяк")


def test_a_row_that_costs_too_much_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.adapters.fitting.fit.row_cost_ms", lambda *_: 0.31)
    told: list[Progress] = []
    fit(work(tmp_path), told.append)
    assert "a row costs 0.31 ms of CPU, more than the 0.2 ms that it should." in told[-1].message


def test_rows_without_a_target_are_left_out_and_told(tmp_path: Path) -> None:
    data = table(300).with_columns(
        label=pl.when(pl.int_range(300) < 30).then(None).otherwise(pl.col("label"))
    )
    told: list[Progress] = []
    assert isinstance(fit(work(tmp_path, data=data), told.append), Fitted)
    assert any(one.message.startswith("30 rows without a target") for one in told)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("labels", table(300).with_columns(label=pl.lit(1))),
        ("labels", table(300).with_columns(label=pl.int_range(300))),
        ("labels", table(300).with_columns(label=(pl.int_range(300) == 7).cast(pl.Int64))),
        ("columns", table(300).drop("country")),
        ("not_finite", table(300).with_columns(amount=pl.lit(1e39))),
        (
            "features",
            table(300).with_columns(
                pl.lit(None).alias(name) for name in ("amount", "count", "known", "country")
            ),
        ),
    ],
)
def test_the_datas_faults_have_words(code: str, data: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(FitFailed) as failed:
        fit(work(tmp_path, data=data), quiet)
    assert failed.value.code == code


def test_liblinear_is_refused_three_labels(tmp_path: Path) -> None:
    with pytest.raises(FitFailed) as failed:
        fit(work(tmp_path, "logistic_regression", {"solver": "liblinear"}, table(300, labels=3)), quiet)
    assert failed.value.code == "labels"


def test_labels_are_sorted_and_rows_point_at_them() -> None:
    places, labels = encoded_target(pl.Series(["b", "a", "b", "ä"]))
    assert labels == ("a", "b", "ä")
    assert places.tolist() == [1, 0, 1, 2]


def test_numbers_are_what_float32_makes_of_them() -> None:
    features = (Feature("n", ColumnType.INTEGER), Feature("t", ColumnType.TEXT))
    frame = features_frame(pl.DataFrame({"n": [2**24 + 1, None], "t": [None, "x"]}), features)
    assert frame["n"][0] == 2**24
    assert np.isnan(frame["n"][1])
    assert frame["t"].to_list() == ["", "x"]


def test_a_model_that_is_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    held = np.array([0] * 9 + [1])
    sure = np.tile([0.9, 0.1], (10, 1))
    assert calibration_error(held, sure) == pytest.approx(0.0)
    assert calibration_error(held, np.tile([1.0, 0.0], (10, 1))) == pytest.approx(0.1)


def test_metrics_are_by_the_book() -> None:
    held, train = np.array([0, 0, 0, 1]), np.array([0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    found = measured(held, probabilities, probabilities.argmax(axis=1), train, ("f1_no", "f1_yes"))
    assert found["accuracy"] == 0.75
    assert found["baseline_accuracy"] == 0.75
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2, abs=1e-6)
    assert found["roc_auc"] == 1.0
    assert found["average_precision"] == 1.0
    assert found["f1_yes"] == pytest.approx(2 / 3, abs=1e-6)
