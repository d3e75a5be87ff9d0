"""A real gateway and a real worker, over HTTP and gRPC: trained, killed, trained again.

With MLflow in a SQLite file, DVC with a folder as its remote, SQLite as the store; no model server.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
KEY = "test-key"
PATIENCE_S = 240.0  # on a busy machine a fit's process takes half a minute to start

pytestmark = pytest.mark.timeout(600)


class House:
    """Both processes, and a caller."""

    def __init__(self, folder: Path) -> None:
        self.port, self.rpc_port = _free_port(), _free_port()
        self.folder = folder
        self._environment = {
            **os.environ,
            "PORT": str(self.port),
            "RPC_PORT": str(self.rpc_port),
            "API_KEY": KEY,
            "REQUESTS_PER_MINUTE": "1000000",
            "API_KEYS_FILE": str(folder / "keys.json"),
            "DATABASE_URL": f"sqlite:///{folder}/store.db",
            "LLM_URL": "http://127.0.0.1:9",
            "MASK_PERSONAL_DATA": "false",
            "DATASETS_DIR": str(folder / "datasets"),
            "DATASETS_REMOTE": str(folder / "remote"),
            "MODELS_URL": str(folder / "models"),
            "MODEL_POLL_S": "0.2",
            "TRAINING_DIR": str(folder / "scratch"),
            "TRAINING_LEASE_S": "3",
            "TRAINING_WORKERS": "2",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLFLOW_ARTIFACTS": str(folder / "mlruns"),
            "REGISTRY_SYNC_S": "1",
        }
        self.gateway = self.start("serve")
        self.worker = self.start("worker")

    def start(self, command: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{command}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "gateway", command], cwd=ROOT, env=self._environment, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    def close(self) -> None:
        for process in (self.gateway, self.worker):
            process.terminate()
        for process in (self.gateway, self.worker):
            process.wait(60)

    def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        request.add_header("authorization", f"Bearer {KEY}")
        request.add_header("content-type", kind)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                content = answer.read()
                return answer.status, json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def until(self, holds: Callable[[], Any]) -> Any:
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            try:
                if found := holds():
                    return found
            except OSError:  # the gateway is starting
                pass
            time.sleep(0.1)
        logs = [(self.folder / name).read_text()[-2000:] for name in ("serve.log", "worker.log")]
        pytest.fail("it did not come about:\n" + "\n".join(logs))

    def upload(self, name: str, rows: int = 400) -> None:
        status, told = self.ask(
            "POST", f"/v1/datasets?name={name}&target=label", _table(rows), kind="text/csv"
        )
        assert status in (200, 201), told

    def train(self, model: str, dataset: str, **fields: Any) -> str:
        asked = {"model": model, "model_class": "logistic_regression", "dataset": dataset, **fields}
        status, job = self.ask("POST", "/v1/training-jobs", asked)
        assert status == 202, job
        return str(job["id"])

    def job(self, job_id: str) -> Any:
        return self.ask("GET", f"/v1/training-jobs/{job_id}")[1]

    def over(self, job_id: str) -> Any:
        job: Any = self.until(lambda: _if(self.job(job_id), lambda j: j["ended_at"] is not None))
        return job

    def predicted(self, model: str) -> tuple[int, Any]:
        return self.ask("POST", f"/v1/models/{model}:predict", {"instances": [{"x": 2.0, "y": 1}, [-2.0, 0]]})


def _if(found: Any, holds: Callable[[Any], bool]) -> Any:
    return found if holds(found) else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _table(rows: int) -> str:
    """x > 0 is likely a pass."""
    chance = random.Random(rows)
    lines = ["x,y,label"]
    for _ in range(rows):
        x = chance.gauss(0, 1)
        lines.append(f"{x:.4f},{chance.randrange(3)},{'pass' if x + chance.gauss(0, 0.2) > 0 else 'fail'}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    try:
        house.until(lambda: house.ask("GET", "/v1/datasets")[0] == 200)
        yield house
    finally:
        house.close()


def test_the_grpc_client_walks_through_everything(house: House) -> None:
    command = [sys.executable, "-m", "scripts.grpc_client", "--target", f"127.0.0.1:{house.rpc_port}"]
    walked = subprocess.run(
        [*command, "--key", KEY], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S * 2
    )

    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert "registered" in walked.stdout


def test_a_data_set_reaches_the_remote_under_its_hash(house: House) -> None:
    house.upload("marks")

    told = house.until(
        lambda: _if(house.ask("GET", "/v1/datasets/marks")[1], lambda d: d["dvc"]["state"] == "pushed")
    )

    md5 = told["dvc"]["hash"]
    assert (house.folder / "remote" / "files" / "md5" / md5[:2] / md5[2:]).read_text() == _table(400)


def test_a_killed_worker_loses_no_job_and_doubles_none(house: House) -> None:
    house.upload("long", rows=60_000)
    job_id = house.train(
        "survivor",
        "long",
        model_class="random_forest",
        hyperparameters={"n_estimators": 200, "max_depth": 10},
    )
    house.until(lambda: house.job(job_id)["stage"] == "fitting")
    children = psutil.Process(house.worker.pid).children(recursive=True)

    house.worker.send_signal(signal.SIGKILL)
    house.worker.wait(30)
    psutil.wait_procs(children, timeout=30)
    left = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    house.worker = house.start("worker")
    job = house.over(job_id)

    assert left == []
    assert (job["status"], job["attempts"], job["model_version"]) == ("succeeded", 2, 1)
    assert len(house.ask("GET", "/v1/models/survivor/versions")[1]["data"]) == 1
    said = [line["message"] for line in house.ask("GET", f"/v1/training-jobs/{job_id}/events")[1]["data"]]
    assert "Attempt 2: the worker before was lost." in said


def test_a_killed_gateway_loses_nothing_and_the_training_goes_on(house: House) -> None:
    house.upload("marks")
    job_id = house.train("outliver", "marks")

    house.gateway.send_signal(signal.SIGKILL)
    house.gateway.wait(30)
    house.gateway = house.start("serve")
    job = house.over(job_id)
    status, told = house.until(lambda: _if(house.predicted("outliver"), lambda a: a[0] == 200))

    assert (job["status"], job["attempts"]) == ("succeeded", 1)
    assert (status, [one["label"] for one in told["predictions"]]) == (200, ["pass", "fail"])


def test_two_retrains_at_once_and_a_deletion_refuse_no_prediction_that_can_be_made(house: House) -> None:
    house.upload("marks")
    house.over(house.train("busy", "marks"))
    house.until(lambda: house.predicted("busy")[0] == 200)
    answers: list[tuple[int, Any]] = []
    enough = threading.Event()

    def predict() -> None:
        while not enough.is_set():
            answers.append(house.predicted("busy"))

    asking = threading.Thread(target=predict)
    asking.start()
    try:
        jobs = [
            house.ask("POST", "/v1/models/busy:retrain", {"hyperparameters": {"C": c}})[1]["id"]
            for c in (0.1, 10.0)
        ]
        versions = {house.over(job)["model_version"] for job in jobs}
        conflict = house.ask("DELETE", "/v1/models/busy?version=99")[0]
        newest = house.until(lambda: _if(house.predicted("busy")[1]["model_version"], lambda v: v != "1"))
        before_deletion = len(answers)
        deleted = house.ask("DELETE", "/v1/models/busy")[0]
        house.until(lambda: house.predicted("busy")[0] == 404)
    finally:
        enough.set()
        asking.join(60)

    assert versions == {2, 3}
    assert (conflict, deleted) == (404, 204)
    assert newest in ("2", "3")
    assert {status for status, _ in answers[:before_deletion]} == {200}
    assert {status for status, _ in answers} <= {200, 404}


def test_a_cancelled_fit_ends_and_its_process_with_it(house: House) -> None:
    house.upload("long", rows=60_000)
    job_id = house.train(
        "stopped", "long", model_class="random_forest", hyperparameters={"n_estimators": 200, "max_depth": 10}
    )
    house.until(lambda: house.job(job_id)["stage"] == "fitting")

    cancelling = house.ask("POST", f"/v1/training-jobs/{job_id}:cancel")
    job = house.over(job_id)

    assert cancelling[0] == 200
    assert job["status"] == "cancelled"
    assert house.ask("GET", "/v1/models/stopped/versions")[0] == 404
    house.until(lambda: not _fits(house.worker.pid))


def _fits(worker: int) -> list[str]:
    """The worker's processes that fit."""
    children = psutil.Process(worker).children(recursive=True)
    return [line for child in children if "fitting" in (line := " ".join(child.cmdline()))]
