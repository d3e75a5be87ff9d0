"""Both doors over the same services: real SQLite, real files, real models; only the model server is none."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request, Response

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.models import DatabaseModels
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.adapters.database.workers_roll import DatabaseRoll
from gateway.adapters.keyring import Keyring, add_key
from gateway.adapters.model_watch import ChampionWatch, FraudModel
from gateway.adapters.objects import S3
from gateway.adapters.onnx_models import OnnxPredictor, load
from gateway.adapters.rates import MemoryRates
from gateway.adapters.tables.files import FolderFiles
from gateway.adapters.weights import StoredWeights
from gateway.catalog import Catalog
from gateway.chat.request import Bounds
from gateway.domain import Caller, Output, Role, ServedModel
from gateway.errors import GatewayError
from gateway.guards import Guards
from gateway.inference import Inference
from gateway.open_inference import OpenInference
from gateway.prediction import Predictions
from gateway.rest import datasets, fraud, inference, predict, training
from gateway.rest.door import Door, DoorPolicy
from gateway.rest.errors import error_response
from gateway.rest.observe import Observer
from gateway.rest.page import exchange_of
from gateway.rpc.server import RpcDesks, RpcPolicy, RpcServer
from gateway.settings import Settings
from gateway.training.classes import ModelClasses
from gateway.training.datasets import DatasetDesk
from gateway.training.facts import JobState, ModelVersion, TrainingJob
from gateway.training.jobs import TrainingDesk
from gateway.training.models import ModelDesk
from gateway.training.status import TrainingStatus
from tests.fakes import FakeAnalyzer, serving
from tests.gateway.doors.clients import Client, RestClient, RpcClient
from tests.gateway.training.facts import column, dataset, made, target

MODELS = Path(__file__).parents[1] / "models"
ADMIN = Caller("settings", Role.ADMIN, 100_000)
MOST_BYTES = 20_000  # of a data set
MOST_OPEN = 3  # jobs of a key
MESSAGE_BYTES = 64 << 10


class NoModelServer:
    """A ChatBackend that serves one model and is never asked for more."""

    async def served_model(self) -> ServedModel:
        return ServedModel("tiny", 2048, Output.TEXT)


class House:
    """The services, a door for each protocol, and a worker's hands."""

    def __init__(self, database: Database, folder: Path, threads: ThreadPoolExecutor) -> None:
        self.folder = folder
        self.queue = DatabaseJobQueue(database)
        self.models = DatabaseModels(database)
        self.datasets = DatabaseDatasets(database)
        jobs = DatabaseJobs(database)
        keys_file = folder / "keys.json"
        self.keys = {
            name: add_key(keys_file, name, role, per_minute)
            for name, role, per_minute in (
                ("grader", Role.GRADER, 6000),
                ("metrics", Role.METRICS, 6000),
                ("hasty", Role.TRAINER, 1),
            )
        }
        keyring = Keyring(keys_file, {"admin-key": ADMIN}, 6000)
        policies = Settings(api_key="x").masking_policies
        self.guards = Guards(
            keyring, MemoryRates(), FakeAnalyzer(), policies, mask_personal_data=True, max_in_flight=64
        )
        self.weights = StoredWeights(str(folder / "models"), S3())
        self.predictor = OnnxPredictor(self.weights, 8, threads)
        self.champions = ChampionWatch(self.models, self.predictor, 60.0)
        self.fraud = FraudModel(str(MODELS / "fraud.onnx"), S3(), {0, 1}, 60.0, threads)
        catalog = Catalog(
            cast("Any", NoModelServer()),
            None,
            unknown_model_fallback=False,
            trained=self.champions.served_models,
        )
        files = FolderFiles(folder / "datasets", MOST_BYTES, 20.0, 50, 1)
        self.dataset_desk = DatasetDesk(self.datasets, files)
        self.training = TrainingDesk(jobs, self.datasets, self.models, ModelClasses(), _taken, MOST_OPEN)
        self.model_desk = ModelDesk(self.models)
        predictions = Predictions(
            self.guards, self.models, self.champions, self.predictor, {"fraud": self.fraud}
        )
        open_inference = OpenInference(
            Inference(self.guards, catalog, None, timeout_s=5.0), catalog, predictions, 32
        )
        self.observer = Observer(lambda: self.guards.in_flight)
        self.status = TrainingStatus(DatabaseRoll(database, remote=False), {})
        self.desks = RpcDesks(
            catalog,
            self.dataset_desk,
            self.training,
            self.model_desk,
            predictions,
            open_inference,
            self.status,
            self.told,
        )
        self.signature = load((MODELS / "fraud.onnx").read_bytes(), threads).signature
        self.app = self._rest(predictions, catalog, open_inference)

    async def told(self) -> dict[str, Any]:
        return {"service": "gateway", "training": await self.status.facts()}

    def rpc(self, message_timeout_s: float = 20.0) -> RpcServer:
        policy = RpcPolicy("127.0.0.1", MESSAGE_BYTES, message_timeout_s, "0.1.0")
        return RpcServer(self.desks, self.guards, self.observer, policy)

    def _rest(self, predictions: Predictions, catalog: Catalog, models: OpenInference) -> Door:
        app = FastAPI()

        @app.exception_handler(GatewayError)
        async def refused(request: Request, error: GatewayError) -> Response:
            exchange = exchange_of(request)
            status, headers, body = error_response(error, exchange.path, exchange.request_id)
            return Response(body, status, {name.decode(): value.decode() for name, value in headers})

        bounds = Bounds()
        app.include_router(datasets.router(self.dataset_desk))
        app.include_router(training.router(self.training, self.model_desk, bounds))
        app.include_router(
            predict.router(
                cast("Any", None),  # no grader is asked here
                Inference(self.guards, catalog, None, timeout_s=5.0),
                catalog,
                predictions,
                self.observer,
                bounds,
                32,
            )
        )
        app.include_router(inference.router(models, bounds))
        app.include_router(fraud.router(predictions, bounds))
        policy = DoorPolicy(
            max_body_bytes=1 << 20,
            body_timeout_s=20.0,
            unmask_replies=True,
            max_upload_bytes=MOST_BYTES,
            upload_timeout_s=20.0,
        )
        return Door(self.guards, cast("Any", None), app, self.observer, policy)

    # What a worker does

    async def begin(self) -> list[TrainingJob]:
        return await self.queue.lease("worker", 100, 30.0, 3)

    async def succeed(self, job_id: str) -> ModelVersion:
        """The job ends with the next version of its model, whose weights are the pair's."""
        await self.begin()
        job = await self.training.get(ADMIN, job_id)
        number = 1 + len(await self.training.find(ADMIN, state=JobState.SUCCEEDED, limit=100))
        content = await asyncio.to_thread((MODELS / "fraud.onnx").read_bytes)
        sha256 = hashlib.sha256(content).hexdigest()
        await self.weights.put(sha256, content)
        version = replace(
            made(job, number, dataset_columns=PAYMENTS.table.columns), sha256=sha256, signature=self.signature
        )
        assert await self.queue.succeed(job.id, "worker", version)
        await self.champions.look()
        return version


PAYMENTS = dataset(
    column("amount"), column("hour", "integer", distinct=24), target("target"), own_target="target"
)


async def _taken(name: str) -> bool:
    return name == "grader-llm"


@pytest.fixture
async def house(tmp_path: Path, migrated: Path) -> AsyncIterator[House]:
    """With the data set `payments`, one version."""
    shutil.copy(migrated, tmp_path / "store.db")
    database = Database(f"sqlite:///{tmp_path}/store.db")
    await database.start()
    with ThreadPoolExecutor(2) as threads:
        house = House(database, tmp_path, threads)
        await house.datasets.number("payments")
        await house.datasets.add(PAYMENTS)
        await house.fraud.look()
        yield house
        await house.predictor.close()
    await database.close()


@pytest.fixture(params=["rest", "rpc"])
async def client(house: House, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A caller with the admin's key, at one door after the other."""
    async with AsyncExitStack() as stack:
        if request.param == "rest":
            url = await stack.enter_async_context(serving(house.app))
            yield await stack.enter_async_context(RestClient.at(url, "admin-key"))
            return
        server = house.rpc()
        port = await server.start(0)
        stack.push_async_callback(server.close, 1.0)
        yield await stack.enter_async_context(RpcClient.at(f"127.0.0.1:{port}", "admin-key"))
