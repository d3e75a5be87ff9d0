"""Both doors of one gateway: real store, real files, real models; only the model server is a fake."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.adapters.keyring import add_key
from gateway.adapters.objects import S3
from gateway.adapters.weights import StoredWeights
from gateway.domain import Role
from gateway.training.facts import Feature, JobState, ModelVersion, Signature
from tests.gateway.conftest import KEY, Running
from tests.gateway.doors.clients import Client, RestClient, RpcClient
from tests.gateway.training.facts import column, dataset, made, target

FRAUD_FILE = Path(__file__).parents[1] / "models" / "fraud.onnx"
MOST_BYTES = 20_000  # of a data set
MOST_OPEN = 3  # jobs of a key
MESSAGE_BYTES = 64 << 10
PAYMENTS = dataset(
    column("amount"), column("hour", "integer", distinct=24), target("target"), own_target="target"
)
# FRAUD_FILE's: the logit of 1 is amount / 100.
SIGNATURE = Signature(
    tuple(Feature(one.name, one.type) for one in PAYMENTS.table.columns[:2]), "target", (0, 1)
)
_KEYS = (("grader", Role.GRADER, 6000), ("metrics", Role.METRICS, 6000), ("hasty", Role.TRAINER, 1))


class House:
    """A gateway, and a worker's hands on what lies behind it."""

    def __init__(self, running: Running, database: Database, folder: Path, keys: dict[str, str]) -> None:
        self.running = running
        self.keys = keys
        self.datasets = DatabaseDatasets(database)
        self.jobs = DatabaseJobs(database)
        self._queue = DatabaseJobQueue(database)
        self._weights = StoredWeights(str(folder / "models"), S3())

    async def succeed(self, job_id: str) -> ModelVersion:
        """The job ends with the next version of its model, whose weights are FRAUD_FILE's."""
        await self._queue.lease("worker", 100, 30.0, 3)
        job = await self.jobs.get(job_id)
        number = 1 + len(await self.jobs.find(None, JobState.SUCCEEDED, None, 100))
        content = await asyncio.to_thread(FRAUD_FILE.read_bytes)
        sha256 = hashlib.sha256(content).hexdigest()
        await self._weights.put(sha256, content)
        version = made(job, number, dataset_columns=PAYMENTS.table.columns)
        version = replace(version, sha256=sha256, signature=SIGNATURE)
        assert await self._queue.succeed(job.id, "worker", version)
        return version


@pytest.fixture
async def house(start: Callable[..., Any], tmp_path: Path) -> AsyncIterator[House]:
    """With the data set `payments`, one version."""
    keys = {name: add_key(tmp_path / "keys.json", name, role, rate) for name, role, rate in _KEYS}
    running: Running = await start(
        datasets_dir=tmp_path / "datasets",
        dataset_max_bytes=MOST_BYTES,
        training_most_open=MOST_OPEN,
        fraud_model_url=str(FRAUD_FILE),
        rpc_max_bytes=MESSAGE_BYTES,
    )
    database = Database(f"sqlite:///{tmp_path}/store.db")
    await database.start()
    house = House(running, database, tmp_path, keys)
    await house.datasets.number("payments")
    await house.datasets.add(PAYMENTS)
    yield house
    await database.close()


@pytest.fixture
async def rpc_target(house: House) -> AsyncIterator[str]:
    """Where the gateway answers to gRPC."""
    server = house.running.services.rpc
    port = await server.start(0)
    yield f"127.0.0.1:{port}"
    await server.close(1.0)


@pytest.fixture
async def rpc_client(rpc_target: str) -> AsyncIterator[RpcClient]:
    """A caller with the admin's key at the gRPC door."""
    async with RpcClient.at(rpc_target, KEY) as client:
        yield client


@pytest.fixture
def rest_client(house: House) -> RestClient:
    return RestClient(house.running.url, house.running.http, KEY)


@pytest.fixture(params=["rest", "rpc"])
def client(request: pytest.FixtureRequest) -> Client:
    """The one door, then the other."""
    door: Client = request.getfixturevalue(f"{request.param}_client")
    return door
