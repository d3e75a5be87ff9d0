"""What is ClearML's own: what people see of a run, weights on S3, its offline mode."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gateway.adapters.objects import S3
from gateway.adapters.registry.places import ClearmlPlace
from gateway.adapters.registry.process import RegistryProcess
from gateway.training.ports import RegistryTask
from tests.worker.registry import trained
from tests.worker.registry.benches import PROJECT, ClearmlBench
from tests.worker.registry.clearml_standin import clearml_server

ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
]


@pytest.fixture
def moto() -> Iterator[S3]:
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield S3(f"http://{host}:{port}", "key", "secret")
    server.stop()


async def test_a_training_is_a_task_with_its_model_on_s3(moto: S3, tmp_path: Path) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=moto.endpoint_url,
        aws_access_key_id=moto.access_key_id,
        aws_secret_access_key=moto.secret_access_key,
        region_name=moto.region,
    )
    client.create_bucket(Bucket="models")

    def keys() -> set[str]:
        found = client.list_objects_v2(Bucket="models").get("Contents", [])
        return {one["Key"].rpartition("/")[2] for one in found}

    with clearml_server() as standin:
        place = ClearmlPlace(standin.url, "http://web", "", "key", "secret", "s3://models/kept", moto)
        registry = RegistryProcess(place, PROJECT, 60, "c0ffee")
        try:
            fitted = trained.fitted(tmp_path / "fit")
            made = await registry.register(trained.job(1), trained.data(), fitted)
            task, model = standin.only("tasks"), standin.only("models")
            # What people see.
            assert (task["name"], task["type"], task["status"]) == ("churn v1", "training", "completed")
            assert made.run_url == f"http://web/projects/{task['project']}/tasks/{task['id']}/output/log"
            seen = {
                f"{section}/{name}": one["value"]
                for section, parameters in task["hyperparams"].items()
                for name, one in parameters.items()
            }
            assert seen["estimator/solver"] == "lbfgs"
            assert seen["given/C"] == "0.5"
            assert seen["lineage/dvc_hash"] == "d" * 32
            assert task["script"]["version_num"] == "c0ffee"
            scalars = {event["variant"]: event["value"] for event in standin.events if "value" in event}
            assert scalars == {"test/accuracy": 0.9}
            assert [one["key"] for one in task["execution"]["artifacts"]] == ["report.json", "model.skops"]
            assert [event["variant"] for event in standin.events if "url" in event] == ["confusion"]
            assert task["models"]["output"] == [{"name": "model", "model": model["id"]}]
            assert (model["framework"], model["labels"]) == ("ONNX", {"0": 0, "1": 1})
            assert set(model["tags"]) == {"version:1", "champion", trained.job(1).id}
            assert str(tmp_path) not in json.dumps([task, model, standin.events])
            # And where the files are.
            assert model["uri"].startswith(f"s3://{moto.endpoint_url.removeprefix('http://')}/models/kept/")
            assert keys() >= {"model.onnx", "model.skops", "report.json"}
            assert await registry.weights("churn", 1) == (fitted.folder / "model.onnx").read_bytes()
            await registry.tell(RegistryTask(1, "delete", "churn", 1))
            assert "model.onnx" not in keys()
            assert standin.unknown == set()
        finally:
            await registry.close()
            client.close()


async def test_of_two_champions_the_newer_version_is_one(tmp_path: Path) -> None:
    """Somebody gave the tag to a second model and took it from none."""
    with clearml_server() as standin:
        place = ClearmlPlace(standin.url, "", "", "key", "secret", str(tmp_path / "weights"))
        bench = ClearmlBench(standin, place)
        registry = RegistryProcess(place, PROJECT, 60)
        try:
            for number in (1, 2):
                fitted = trained.fitted(tmp_path / f"fit{number}", number)
                await registry.register(trained.job(number), trained.data(), fitted)
            for row in standin.rows["models"].values():
                row["tags"] = [*{*row["tags"], "champion"}]
            found = {version.version: version.champion for version, _ in await registry.versions()}
            assert found == {1: False, 2: True}
            await registry.tell(RegistryTask(1, "promote", "churn", 1))
            assert bench.champions("churn") == [1]
        finally:
            await registry.close()


OFFLINE = """
import sys
from pathlib import Path

from clearml import Task
from clearml.backend_api.services import models

models.Model.locked = False  # 2.1.12 asks an offline model for what it has not
Task.set_offline(True)

from gateway.adapters.registry.clearml_task import opened_task, written
from gateway.adapters.registry.entries import run_of
from tests.worker.registry import trained

run = run_of(trained.job(1), trained.data(), trained.fitted(Path(sys.argv[1])), "c0ffee")
task = opened_task("grading", "churn v1", run.job_id, None)
written(task, run, ["champion"], None)
print(f"{task.get_offline_mode_folder()}.zip")
task.close()
"""


def test_clearmls_own_offline_mode_takes_what_we_write(tmp_path: Path) -> None:
    environment = ClearmlPlace("http://nowhere", files_host="http://nowhere").environment(tmp_path) | {
        "PATH": "/usr/bin"
    }
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path / "fit")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    session = next(line for line in done.stdout.splitlines() if line.endswith(".zip"))
    with ZipFile(session) as kept:
        task = json.loads(kept.read("task.json"))
        names = kept.namelist()
    assert task["name"] == "churn v1"
    assert task["hyperparams"]["estimator"]["solver"]["value"] == "lbfgs"
    assert task["hyperparams"]["lineage"]["dvc_hash"]["value"] == "d" * 32
    (model,) = task["offline_output_models"]
    assert (model["init"]["name"], model["init"]["framework"]) == ("churn", "ONNX")
    assert any(name.endswith("model.onnx") for name in names)
