"""log_evidently() against a real Evidently service."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import requests

from embeddings.training import drift
from embeddings.training.settings import Settings
from tests.training.conftest import messages

TRAIN = pd.DataFrame(messages("train", 6))
VALIDATION = pd.DataFrame({"text": [f"a bot says бот {at}" for at in range(40)]})


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Settings]:
    """`evidently ui` on a free port."""
    port = free_port()
    command = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", str(tmp_path)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "ui.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"DO_NOT_TRACK": "1"})
    try:
        for _ in range(300):
            assert process.poll() is None, (tmp_path / "ui.log").read_text()
            try:
                requests.get(f"http://127.0.0.1:{port}/api/version", timeout=5)
                break
            except requests.RequestException:
                time.sleep(0.2)
        yield Settings(evidently_host="127.0.0.1", evidently_port=port)
    finally:
        process.terminate()
        process.wait(20)


def ask(settings: Settings, path: str) -> object:
    answer = requests.get(f"http://127.0.0.1:{settings.evidently_port}/api/{path}", timeout=20)
    answer.raise_for_status()
    return answer.json()


@pytest.mark.filterwarnings("ignore")  # of Evidently's own imports
def test_two_runs_share_a_project_and_its_panel_and_leave_a_report_each(service: Settings) -> None:
    drift.log_evidently(TRAIN, VALIDATION, service, "first")
    drift.log_evidently(TRAIN, TRAIN, service, "second")
    (project,) = ask(service, f"projects/search/{drift.EV_PROJECT_NAME}")
    assert project["name"] == "week-10"
    snapshots = ask(service, f"projects/{project['id']}/snapshots")
    assert len(snapshots) == 2
    dashboard = ask(service, f"v2/dashboards/{project['id']}")
    (panel,) = dashboard["panels"]
    assert panel["size"] == "full"
    assert panel["plot_params"] == {"plot_type": "line"}
    (drawn,) = panel["values"]
    assert drawn["metric"].endswith("ValueDrift")
    assert drawn["metric_labels"] == {"column": "text"}


@pytest.mark.filterwarnings("ignore")  # of Evidently's own imports
def test_other_texts_drift_and_the_same_do_not() -> None:
    scores = []
    for current in (VALIDATION, TRAIN):
        metrics = drift.report(TRAIN, current).dict()["metrics"]
        (text,) = (one for one in metrics if one["metric_name"].startswith("ValueDrift(column=text,"))
        scores.append(float(text["value"]))
    assert scores[0] > 0.9
    assert scores[1] < 0.55


def test_without_a_host_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        drift.log_evidently(TRAIN, VALIDATION, Settings(evidently_host=""))
    assert "no drift report" in caplog.text


@pytest.mark.filterwarnings("ignore")  # of Evidently's own imports
def test_an_unreachable_service_is_a_warning_and_no_end_of_the_training(
    caplog: pytest.LogCaptureFixture,
) -> None:
    drift.log_evidently(TRAIN, VALIDATION, Settings(evidently_host="127.0.0.1", evidently_port=free_port()))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "could not be sent" in caplog.text
