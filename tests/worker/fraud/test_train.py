"""The training from nothing, on worlds small enough for a test."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from threadpoolctl import threadpool_limits

from fraud import train
from fraud.examples import examples, partly_unknown
from fraud.export import Detector, checked, exported, signature, write
from fraud.features import FEATURES
from fraud.simulator import World
from fraud.train import Trees, fit, main
from gateway.training.ports import FitFailed
from gateway.training.signature import read_signature

SMALL = World(customers=300, terminals=800, days=60)
ASKED = ["--customers", "300", "--terminals", "800", "--days", "60", "--worlds", "1"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads wait for each other after every node: on a busy machine most of a fit is that."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "RECIPES", {name: Trees(8, 8, 0.3) for name in train.RECIPES})


@pytest.mark.usefixtures("quick")
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    for folder, seed in (("one", "7"), ("again", "7"), ("other", "8")):
        assert main([*ASKED, "--seed", seed, "--out", str(tmp_path / folder)]) == 0
    for name in ("fraud.onnx", "fraud_scenario.onnx"):
        one, again, other = ((tmp_path / folder / name).read_bytes() for folder in ("one", "again", "other"))
        assert one == again
        assert one != other
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == ["fraud.onnx", "fraud_scenario.onnx"]


@pytest.mark.parametrize("labels", [2, 4])
def test_the_file_answers_as_the_model_does_and_says_what_it_takes(labels: int) -> None:
    learnt = examples(SMALL, [1])
    wanted = learnt.fraud if labels == 2 else learnt.scenario
    detector = fit(Trees(10, 8, 0.3), learnt.rows, wanted, learnt.weight, seed=0)
    told = signature("fraud", labels)
    data = exported(detector, told)
    assert checked(data, detector, told, partly_unknown(learnt.rows, 5)) < 1e-6
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert read_signature(session.get_modelmeta().custom_metadata_map["signature"]) == told
    assert [feature.name for feature in told.features] == list(FEATURES)
    label, probabilities = session.run(["label", "probabilities"], {"numbers": learnt.rows})
    assert (label == probabilities.argmax(axis=1)).all()
    assert probabilities.shape == (len(learnt.rows), labels)


def test_a_file_of_another_model_does_not_pass() -> None:
    learnt = examples(SMALL, [1])
    one, other = (
        fit(Trees(rounds, 8, 0.3), learnt.rows, learnt.fraud, learnt.weight, seed=0) for rounds in (2, 20)
    )
    told = signature("fraud", 2)
    with pytest.raises(FitFailed):
        checked(exported(one, told), Detector(other.model), told, learnt.rows)


def test_honest_payments_that_are_left_out_are_counted_all_the_same() -> None:
    learnt = examples(SMALL, [1, 2])
    assert set(np.unique(learnt.weight[learnt.scenario > 0])) == {1.0}
    assert set(np.unique(learnt.weight[learnt.scenario == 0])) == {10.0}
    assert len(learnt.rows) == len(learnt.scenario) == len(learnt.weight)


def test_gaps_are_of_a_whole_past_and_rare() -> None:
    rows = partly_unknown(np.ones((20_000, len(FEATURES)), np.float32), seed=0)
    gaps = np.isnan(rows)
    for columns in (slice(3, 9), slice(9, 15)):
        part = gaps[:, columns]
        assert (part.all(axis=1) == part.any(axis=1)).all()
        assert part.any(axis=1).mean() == pytest.approx(0.05, abs=0.01)
    assert not gaps[:, :3].any()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "fraud.onnx"
    write(b"old", file)

    def full(_: int) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("fraud.export.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write(b"new", file)
    assert file.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["fraud.onnx"]
