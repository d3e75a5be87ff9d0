"""The evaluation, on simulated payments in the sample's form."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fraud.evaluate import FILES, judged, report, rows_of, sample, shipped
from fraud.features import FEATURES, features
from fraud.measures import auc
from fraud.simulator import START, World, simulate
from fraud.train import MODELS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two weeks of one world."""
    made = tmp_path_factory.mktemp("sample")
    payments = simulate(World(customers=500, terminals=1_000, days=60), seed=9)
    table = pl.DataFrame(features(payments), schema=list(FEATURES)).with_columns(
        TX_DATETIME=pl.Series(
            [START.replace(tzinfo=None) + timedelta(seconds=s) for s in payments.seconds.tolist()]
        ),
        CUSTOMER_ID=payments.customer,
        TX_FRAUD=payments.fraud,
        TX_FRAUD_SCENARIO=payments.scenario,
        DAY=payments.day,
    )
    for part, days in (("train", (38, 44)), ("test", (52, 58))):
        week = table.filter(pl.col("DAY").is_between(*days))
        week.write_csv(made / FILES[part], datetime_format="%Y-%m-%d %H:%M:%S")
    return made


def test_cards_with_a_fraud_in_the_train_week_are_not_tested(folder: Path) -> None:
    train, test = sample(folder, "train"), sample(folder, "test")
    blocked = set(train.filter(pl.col("TX_FRAUD") == 1)["CUSTOMER_ID"])
    assert blocked
    assert blocked.isdisjoint(test["CUSTOMER_ID"])
    everybody = pl.read_csv(folder / FILES["test"])
    assert len(test) == len(everybody.filter(~pl.col("CUSTOMER_ID").is_in(sorted(blocked))))


def test_the_shipped_pair_is_far_better_than_chance_on_a_world_it_has_not_seen(folder: Path) -> None:
    """The floor is the handbook's best AUC on a world of its own; this one is small and full of fraud."""
    table = sample(folder, "test")
    seen = judged(table, shipped(MODELS))
    assert set(seen.day.tolist()) <= set(range(52, 59))
    assert seen.scenarios.shape == (len(table), 4)
    assert rows_of(table).dtype == np.float32
    assert auc(seen, np.ones(len(table))) > 0.8


def test_the_report_tells_floors_and_counts_every_payment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fraud.evaluate.MEASURES", {"AUC": auc})
    table = sample(folder, "test")
    lines = report(judged(table, shipped(MODELS)))
    assert lines[2].startswith("| AUC | 0.")
    assert lines[2].endswith("| 0.871 |")
    assert sum(int(line.split("|")[2]) for line in lines[6:]) == len(table)
