"""What is MLflow's own: its first schema, runs that died, S3, a real server."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import boto3
import psutil
import pytest
import requests
from moto.server import ThreadedMotoServer

from gateway.adapters.objects import S3
from gateway.adapters.registry.places import MlflowPlace
from gateway.adapters.registry.process import RegistryProcess
from gateway.training.worker_ports import RegistryTask
from tests.worker.registry import trained
from tests.worker.registry.benches import PROJECT, MlflowBench

pytestmark = [
    pytest.mark.timeout(400),  # a busy machine imports MLflow and makes its tables in a minute
    # MLflow's client is imported here too, for what people do with it.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
]


async def opened(stack: AsyncExitStack, place: MlflowPlace) -> RegistryProcess:
    registry = RegistryProcess(place, PROJECT, 60)
    stack.push_async_callback(registry.close)
    return registry


async def test_two_workers_may_make_the_schema_at_once(tmp_path: Path) -> None:
    place = MlflowPlace(f"sqlite:///{tmp_path}/deep/mlflow.db", str(tmp_path / "runs"))
    async with AsyncExitStack() as stack:
        workers = [await opened(stack, place) for _ in range(2)]
        jobs = [trained.job(number, "twins") for number in (1, 2)]
        fits = [trained.fitted(tmp_path / f"fit{number}", number) for number in (1, 2)]
        made = await asyncio.gather(
            *(
                worker.register(job, trained.data(), fitted)
                for worker, job, fitted in zip(workers, jobs, fits, strict=True)
            )
        )
        assert sorted(version.version for version in made) == [1, 2]
        # The first run's table has what people look for.
        bench = MlflowBench(place)
        version = bench.client.get_model_version("twins", str(made[0].version))
        run = bench.client.get_run(version.run_id)
        assert run.data.params.items() >= {"solver": "lbfgs", "given.C": "0.5", "job.seed": "0"}.items()
        assert run.data.metrics == {"test/accuracy": 0.9}
        assert run.data.tags.items() >= {"job_id": jobs[0].id, "dvc_hash": "d" * 32}.items()
        files = {one.path for one in bench.client.list_artifacts(version.run_id)}
        assert files == {"model.onnx", "model.skops", "plots", "report.json"}

        # A worker died: once before there was a version, once before it was the champion.
        experiment = run.info.experiment_id
        half = trained.job(3, "twins")
        bench.client.create_run(experiment, tags={"job_id": half.id})
        cut = dict(version.tags) | {"job_id": trained.job(4).id, "registering": "promote"}
        left = bench.client.create_run(experiment).info.run_id
        bench.client.create_model_version("twins", version.source, left, tags=cut)
        done = await workers[0].register(half, trained.data(), fits[0])
        assert bench.runs(half.id) == ["KILLED", "FINISHED"]
        assert bench.champions("twins") == [done.version]
        found = await workers[1].registered(trained.job(4).id)
        assert found is not None
        assert found.champion
        assert bench.client.get_run(left).info.status == "FINISHED"
        assert await workers[1].registered(trained.job(4).id) == found

        # An experiment that somebody deleted is there again.
        bench.client.delete_experiment(experiment)
        again = await workers[0].register(trained.job(5, "twins"), trained.data(), fits[0])
        assert again.version == 5


async def test_runs_may_keep_their_files_on_s3(tmp_path: Path, moto: S3) -> None:
    place = MlflowPlace(f"sqlite:///{tmp_path}/mlflow.db", "s3://runs/mlflow", moto)
    async with AsyncExitStack() as stack:
        registry = await opened(stack, place)
        fitted = trained.fitted(tmp_path / "fit")
        await registry.register(trained.job(1), trained.data(), fitted)
        ((_, where),) = await registry.versions()
        assert where.startswith("s3://runs/mlflow/")
        assert await registry.weights("churn", 1) == (fitted.folder / "model.onnx").read_bytes()


@pytest.fixture
def moto() -> Iterator[S3]:
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    access = S3(f"http://{host}:{port}", "key", "secret")
    client = boto3.client(
        "s3",
        endpoint_url=access.endpoint_url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name=access.region,
    )
    client.create_bucket(Bucket="runs")
    client.close()
    yield access
    server.stop()


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real `mlflow server`: 21 s to start on an idle machine, so it does that beside the other tests."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    # Its job runner, which nothing here needs, more than doubles the start.
    told = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with subprocess.Popen(
        command, env=os.environ | told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            for process in [*psutil.Process(running.pid).children(recursive=True), running]:
                process.kill()


async def test_an_mlflow_server_is_a_registry_like_the_file(server: str, tmp_path: Path) -> None:
    await asyncio.to_thread(up, server)
    bench = MlflowBench(MlflowPlace(server))
    async with AsyncExitStack() as stack:
        registry = await opened(stack, MlflowPlace(server))
        fits = [trained.fitted(tmp_path / f"fit{number}", number) for number in (1, 2)]
        first = await registry.register(trained.job(1), trained.data(), fits[0])
        second = await registry.register(trained.job(2), trained.data(), fits[1])
        assert (first.version, second.version, second.champion) == (1, 2, True)
        assert await registry.weights("churn", 2) == (fits[1].folder / "model.onnx").read_bytes()
        bench.crown("churn", 1)
        found = {version.version: version for version, _ in await registry.versions()}
        assert [found[1].champion, found[2].champion] == [True, False]
        assert found[1].run_url is not None
        assert found[1].run_url.startswith(f"{server}/#/experiments/")
        await registry.tell(RegistryTask(1, "promote", "churn", 2, second.sha256))
        assert bench.champions("churn") == [2]
        for made in (first, second, second):
            await registry.tell(RegistryTask(2, "delete", "churn", made.version, made.sha256))
        assert await registry.versions() == []


def up(server: str) -> None:
    """Returns when it answers; the port is not open before."""
    for _ in range(3000):
        try:
            if requests.get(f"{server}/health", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise TimeoutError
