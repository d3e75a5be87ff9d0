"""What TorchServe gets: an archive that holds all it needs, a handler whose bad requests spoil no other."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from embeddings.training import stages
from embeddings.training.archive import HANDLER, main
from embeddings.training.config import Config
from embeddings.training.settings import Settings
from embeddings.training.torchserve.handler import Handler

# MLflow 3.17's own, with SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

Trained = tuple[Config, Settings]


class Context:
    """TorchServe's, as far as the handler uses it."""

    def __init__(self, folder: Path) -> None:
        self.system_properties = {"model_dir": str(folder)}
        self.statuses: dict[int, int] = {}

    def set_response_status(self, code: int, phrase: str = "", idx: int = 0) -> None:
        self.statuses[idx] = code


@pytest.fixture(scope="session")
def model(trained: Trained) -> Path:
    return trained[1].training_folder("tiny") / "model"


def asked(model: Path, *requests: Any) -> tuple[list[dict[str, Any]], dict[int, int]]:
    handler, context = Handler(), Context(model)
    handler.initialize(context)
    return handler.handle([{"body": request} for request in requests], context), context.statuses


def test_the_handler_says_what_the_evaluation_said(model: Path, trained: Trained) -> None:
    folder = trained[1].training_folder("tiny")
    rows = stages.prepared(folder / "prepared", ["test"])
    lines = (folder / "evaluation/test_predictions.jsonl").read_text().splitlines()
    said = [json.loads(line) for line in lines]
    answers, statuses = asked(model, *({"text": text} for text in rows["text"]))
    for answer, expected in zip(answers, said, strict=True):
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
    assert statuses == {}


def test_the_handler_divides_by_the_models_temperature(model: Path, tmp_path: Path) -> None:
    warm = Path(shutil.copytree(model, tmp_path / "warm"))
    config = json.loads((warm / "config.json").read_text())
    (warm / "config.json").write_text(json.dumps({**config, "logit_temperature": 3.0}))
    plain, cooled = (asked(folder, {"text": "a b c"})[0][0]["probabilities"] for folder in (model, warm))
    odds, fewer = (math.log(one / other) for one, other in (plain.values(), cooled.values()))
    assert fewer == pytest.approx(odds * config["logit_temperature"] / 3, abs=1e-4)


def test_bad_requests_are_refused_alone_and_not_quoted(model: Path) -> None:
    bad = [b"{my secret", {"words": "my secret"}, {"text": 3}, {"text": " "}, b"[1]"]
    answers, statuses = asked(model, *bad, b'{"text": "the word"}')
    assert statuses == dict.fromkeys(range(5), 400)
    assert all("error" in answer for answer in answers[:5])
    assert "secret" not in json.dumps(answers)
    assert set(answers[5]) == {"label", "probabilities"}


def test_the_archive_can_be_used_where_the_project_is_not(model: Path, tmp_path: Path) -> None:
    assert main(["--model", str(model), "--output", str(tmp_path / "tiny.mar")]) == 0
    with ZipFile(tmp_path / "tiny.mar") as archive:
        archive.extractall(tmp_path / "unpacked")
    manifest = json.loads((tmp_path / "unpacked/MAR-INF/MANIFEST.json").read_text())
    assert manifest["model"]["handler"] == "handler.py"
    program = "import handler; print(handler.__file__, handler.TextNetwork.__module__)"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "unpacked", capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    assert str(tmp_path) in told.stdout


def test_torchserve_finds_one_class_in_the_handler() -> None:
    """It refuses a module with two."""
    assert HANDLER.read_text().count("\nclass ") == 1


def test_what_is_no_text_classifier_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "embeddings-pair"}')
    for model, output, told in (
        (tmp_path, "a.mar", "serves text classifiers"),
        (tmp_path / "none", "a.mar", "no folder of a trained model"),
        (tmp_path, "a.zip", "must end in .mar"),
    ):
        assert main(["--model", str(model), "--output", str(tmp_path / output)]) == 2
        assert told in capsys.readouterr().err
