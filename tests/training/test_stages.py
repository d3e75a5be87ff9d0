"""prepare -> train -> evaluate by the command line, and the run that MLflow keeps of it."""

import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from embeddings.train import main
from embeddings.training import stages
from embeddings.training.config import Config
from embeddings.training.provenance import folder_hash
from embeddings.training.settings import Settings
from tests.training.conftest import made, messages, recipe, write, write_set

# MLflow 3.17's own, with SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

Trained = tuple[Config, Settings]


def client(settings: Settings) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{settings.training_state_dir}/mlflow.db")


def again(trained: Trained, encoder: Path, sets: Path, home: Path, *, seed: int) -> Path:
    """The folder of a second training, without MLflow's figures."""
    config = made(recipe(encoder, seed=seed))
    settings = Settings(training_state_dir=home, data_dir=sets)
    stages.prepare(config, settings)
    stages.train(config, settings)
    return settings.training_folder(config.name)


def test_the_stages_leave_their_files_and_nothing_half_made(trained: Trained) -> None:
    folder = trained[1].training_folder("tiny")
    assert sorted(one.name for one in folder.iterdir()) == ["evaluation", "metrics.json", "model", "prepared"]
    assert sorted(one.name for one in (folder / "model").iterdir()) == [
        "config.json",
        "history.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["roc_auc"]["low"] <= metrics["test"]["roc_auc"]["value"]
    assert metrics["temperature"] > 0


def test_the_same_seed_gives_the_same_model_and_another_seed_another(
    trained: Trained, encoder: Path, sets: Path, tmp_path: Path
) -> None:
    first = trained[1].training_folder("tiny")
    same = again(trained, encoder, sets, tmp_path / "same", seed=7)
    other = again(trained, encoder, sets, tmp_path / "other", seed=8)
    for file in ("history.json", "model.safetensors", "config.json"):
        assert (same / "model" / file).read_bytes() == (first / "model" / file).read_bytes()
    assert (other / "model/history.json").read_bytes() != (first / "model/history.json").read_bytes()
    assert folder_hash(same / "prepared") == folder_hash(first / "prepared")


def test_it_learns_what_can_be_learned(trained: Trained) -> None:
    history = json.loads((trained[1].training_folder("tiny") / "model/history.json").read_text())
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["validation"] > 0.8


def test_predictions_hold_ids_and_no_texts(trained: Trained) -> None:
    lines = (
        (trained[1].training_folder("tiny") / "evaluation/test_predictions.jsonl").read_text().splitlines()
    )
    assert len(lines) == 30
    assert set(json.loads(lines[0])) == {"id", "label", "probabilities"}


def test_the_run_holds_parameters_figures_files_and_the_hash_of_the_data(trained: Trained) -> None:
    config, settings = trained
    folder = settings.training_folder(config.name)
    asked = client(settings)
    experiment = asked.get_experiment_by_name("embeddings")
    assert experiment is not None
    (run,) = asked.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["optimiser.lr"] == "0.01"
    assert run.data.params["data.sets"] == '["sms_spam"]'
    assert run.data.tags["dvc_data_hash"] == folder_hash(folder / "prepared")
    assert 0 <= run.data.metrics["test/roc_auc_low"] <= run.data.metrics["test/roc_auc"]
    assert [one.step for one in asked.get_metric_history(run.info.run_id, "validation")] == [1, 2, 3]
    kept = {
        one.path
        for place in ("", "model", "evaluation")
        for one in asked.list_artifacts(run.info.run_id, place)
    }
    assert {"metrics.json", "model/model.safetensors", "evaluation/test_reliability.png"} <= kept


def test_a_stage_without_the_one_before_says_which_is_missing(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path))
    file = write(recipe(encoder), tmp_path)
    for stage, told in (("train", "run --stage prepare first"), ("evaluate", "run --stage train first")):
        assert main(["--config", str(file), "--stage", stage]) == 2
        assert told in capsys.readouterr().err


def test_bad_data_leave_what_was_prepared_before(
    encoder: Path,
    sets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TRAINING_STATE_DIR", str(tmp_path / "state"))
    file = write(recipe(encoder), tmp_path)
    assert main(["--config", str(file), "--stage", "prepare", "--data", str(sets)]) == 0
    before = folder_hash(tmp_path / "state/training/tiny/prepared")
    leaking = {part: messages("same", 2) for part in ("train", "validation", "test")}
    write_set(tmp_path / "bad", "sms_spam", leaking)
    assert main(["--config", str(file), "--stage", "prepare", "--data", str(tmp_path / "bad")]) == 2
    assert "a leak" in capsys.readouterr().err
    assert folder_hash(tmp_path / "state/training/tiny/prepared") == before
    assert [one.name for one in (tmp_path / "state/training/tiny").iterdir()] == ["prepared"]
