"""What is ClearML's own: what people see of a run, weights on S3, its offline mode."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import boto3
import pytest
import pytest_asyncio
from moto.server import ThreadedMotoServer

from gateway.adapters.objects import S3
from gateway.adapters.registry.places import ClearmlPlace
from gateway.adapters.registry.process import RegistryProcess
from gateway.training.worker_ports import RegistryTask
from tests.worker.registry import trained
from tests.worker.registry.benches import PROJECT
from tests.worker.registry.clearml_standin import Standin, clearml_server

ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
]


@pytest.fixture(scope="module")
def moto() -> Iterator[S3]:
    """With a bucket `models`."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    access = S3(f"http://{host}:{port}", "key", "secret")
    with closing(client_of(access)) as client:
        client.create_bucket(Bucket="models")
    yield access
    server.stop()


def client_of(access: S3) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=access.endpoint_url,
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        region_name=access.region,
    )


def keys(access: S3) -> set[str]:
    with closing(client_of(access)) as client:
        found = client.list_objects_v2(Bucket="models").get("Contents", [])
    return {one["Key"] for one in found}


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with clearml_server() as running:
        yield running
        assert running.unknown == set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(standin: Standin, moto: S3) -> AsyncIterator[RegistryProcess]:
    """For all tests: its start takes seconds. Each uses models of its own."""
    place = ClearmlPlace(standin.url, "http://web", "", "key", "secret", "s3://models/kept", moto)
    running = RegistryProcess(place, PROJECT, 60, "c0ffee")
    yield running
    await running.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_training_is_a_task_with_its_model_on_s3(
    registry: RegistryProcess, standin: Standin, moto: S3, tmp_path: Path
) -> None:
    fitted = trained.fitted(tmp_path / "fit")
    made = await registry.register(trained.job(1), trained.data(), fitted)
    (task,), (model,) = standin.named("tasks", "churn v1"), standin.named("models", "churn")
    events = [event for event in standin.events if event["task"] == task["id"]]
    # What people see.
    assert (task["type"], task["status"]) == ("training", "completed")
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
    assert {event["variant"]: event["value"] for event in events if "value" in event} == {
        "test/accuracy": 0.9
    }
    assert [one["key"] for one in task["execution"]["artifacts"]] == ["report.json", "model.skops"]
    assert [event["variant"] for event in events if "url" in event] == ["confusion"]
    assert task["models"]["output"] == [{"name": "model", "model": model["id"]}]
    assert (model["framework"], model["labels"]) == ("ONNX", {"0": 0, "1": 1})
    assert set(model["tags"]) == {"version:1", "champion", trained.job(1).id}
    assert str(tmp_path) not in json.dumps([task, model, events])
    # And where the files are.
    assert model["uri"].startswith(f"s3://{moto.endpoint_url.removeprefix('http://')}/models/kept/")
    kept = model["uri"].partition("/models/")[2]
    assert kept in keys(moto)
    assert {key.rpartition("/")[2] for key in keys(moto)} >= {"model.skops", "report.json"}
    assert await registry.weights("churn", 1) == (fitted.folder / "model.onnx").read_bytes()
    await registry.tell(RegistryTask(1, "delete", "churn", 1, fitted.sha256))
    assert kept not in keys(moto)


@pytest.mark.asyncio(loop_scope="module")
async def test_of_two_champions_the_newer_version_is_one(
    registry: RegistryProcess, standin: Standin, tmp_path: Path
) -> None:
    """Somebody gave the tag to a second model and took it from none."""
    for number in (1, 2):
        fitted = trained.fitted(tmp_path / f"fit{number}", number)
        await registry.register(trained.job(number + 10, "crowned"), trained.data(), fitted)
    for row in standin.named("models", "crowned"):
        row["tags"] = [*{*row["tags"], "champion"}]
    versions = [version for version, _ in await registry.versions() if version.name == "crowned"]
    assert {version.version: version.champion for version in versions} == {1: False, 2: True}
    await registry.tell(RegistryTask(1, "promote", "crowned", 1, versions[0].sha256))
    champions = [row for row in standin.named("models", "crowned") if "champion" in row["tags"]]
    assert ["version:1" in row["tags"] for row in champions] == [True]


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
    place = ClearmlPlace("http://nowhere", files_host="http://nowhere")
    environment = place.environment(tmp_path) | {"PATH": "/usr/bin"}
    (tmp_path / "clearml.conf").write_text(json.dumps(place.configuration()))
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
