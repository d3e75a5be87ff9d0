"""Settings -> the worker: where its ports meet their adapters, and where what is opened is closed."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from gateway.adapters.database.database import Database
from gateway.adapters.database.dataset_chores import DatabaseChores
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.drift_queue import DatabaseDriftQueue
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.model_mirror import DatabaseMirror
from gateway.adapters.database.traffic import DatabaseTraffic
from gateway.adapters.database.workers_roll import DatabaseRoll
from gateway.adapters.dvc import Dvc
from gateway.adapters.evidently.engine import EvidentlyEngine
from gateway.adapters.fitting.local import LocalEngine
from gateway.adapters.fitting.ray_engine import RayEngine
from gateway.adapters.json_log import log_as_json
from gateway.adapters.registry.places import ClearmlPlace, MlflowPlace, Place
from gateway.adapters.registry.process import RegistryProcess, git_commit
from gateway.adapters.reports import StoredReports
from gateway.adapters.weights import StoredWeights
from gateway.drift.ports import DriftEngine
from gateway.drift.rounds import Rounds, Terms
from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.training.chores import Chores
from gateway.training.mirroring import Mirroring
from gateway.training.ports import Engine
from gateway.training.trainings import Bench, Trainings
from gateway.training.worker import Rhythm, Worker

log = logging.getLogger(__name__)

_STORE_RETRY_S = 2.0
_STEP_S = 300.0  # of DVC: a large data set over a slow line; what a killed worker left waits as long


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[Worker]:
    """A worker that works until it is left; then what is being registered is finished, and the rest is given
    back."""
    log_as_json(settings.log_level)
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url.get_secret_value(), timeout_s=settings.database_timeout_s)
        stack.push_async_callback(database.close)
        await _opened(database)
        engine = _engine(settings)
        stack.push_async_callback(engine.close)
        commit = await asyncio.to_thread(git_commit, settings.git_commit)
        registry = RegistryProcess(
            _place(settings), settings.registry_project, settings.registry_timeout_s, commit
        )
        stack.push_async_callback(registry.close)
        drift = EvidentlyEngine(settings.drift_timeout_s, settings.evidently_url, settings.evidently_project)
        stack.push_async_callback(drift.close)
        made = assembled(settings, database, engine, registry, drift)
        made.start()
        stack.push_async_callback(made.close)
        yield made


def assembled(
    settings: Settings, database: Database, engine: Engine, registry: RegistryProcess, drift: DriftEngine
) -> Worker:
    """The worker over a store, engines and a registry."""
    bench = Bench(
        owner=uuid.uuid4().hex,
        concurrency=settings.training_workers,
        lease_s=settings.training_lease_s,
        folder=settings.training_dir,
        threads=settings.training_threads,
    )
    remote = bool(settings.datasets_remote)
    data = Dvc(settings.datasets_dir, settings.datasets_remote, settings.s3, _STEP_S)
    weights = StoredWeights(settings.models_url, settings.s3)
    datasets, queue = DatabaseDatasets(database), DatabaseJobQueue(database)
    rounds = _rounds(settings, database, drift, bench.owner)
    return Worker(
        Trainings(queue, datasets, data, engine, registry, weights, bench),
        Chores(DatabaseChores(database), data, bench.owner, remote=remote, lease_s=_STEP_S),
        # A round's time: a call past its deadline, and one that just keeps it.
        Mirroring(DatabaseMirror(database, bench.owner, 2 * settings.registry_timeout_s), registry, weights),
        DatabaseRoll(database, remote=remote),
        bench,
        settings.training_engine,
        Rhythm(sync_s=settings.registry_sync_s),
        {"drift": rounds.step, "old traffic": rounds.tidy},
    )


def _rounds(settings: Settings, database: Database, drift: DriftEngine, owner: str) -> Rounds:
    return Rounds(
        DatabaseDriftQueue(database),
        DatabaseTraffic(database),
        StoredReports(settings.reports_url, settings.s3),
        drift,
        owner,
        Terms(
            every_s=settings.drift_every_s,
            window_s=settings.drift_window_h * 3600,
            keep=timedelta(days=settings.traffic_days),
        ),
    )


def _engine(settings: Settings) -> Engine:
    if settings.training_engine == "ray":
        return RayEngine(
            settings.training_workers,
            settings.training_timeout_s,
            settings.ray_address,
            memory_mb=settings.training_memory_mb,
        )
    return LocalEngine(
        settings.training_workers, settings.training_timeout_s, memory_mb=settings.training_memory_mb
    )


def _place(settings: Settings) -> Place:
    if settings.registry == "clearml":
        return ClearmlPlace(
            settings.clearml_api_host,
            settings.clearml_web_host,
            settings.clearml_files_host,
            settings.clearml_access_key,
            settings.clearml_secret_key.get_secret_value(),
            settings.clearml_output_uri,
            settings.s3,
        )
    return MlflowPlace(
        settings.mlflow_tracking_uri.get_secret_value(), settings.mlflow_artifacts, settings.s3
    )


async def _opened(database: Database) -> None:
    while True:
        try:
            await database.start()
            return
        except GatewayError as error:
            log.warning("the store is not ready: %s", error.message)
            await asyncio.sleep(_STORE_RETRY_S)
