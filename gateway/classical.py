"""Settings -> what stands behind data sets, trainings and trained models, and who looks for newer ones."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.models import DatabaseModels
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.adapters.database.workers_roll import DatabaseRoll
from gateway.adapters.model_watch import ChampionWatch, FraudModel, PairFeatures
from gateway.adapters.observed import Calls, ObservedPredictor, ObservedWatchedFile
from gateway.adapters.onnx_models import OnnxPredictor
from gateway.adapters.tables.files import FolderFiles
from gateway.adapters.tables.sweeping import Sweep
from gateway.adapters.weights import StoredWeights
from gateway.catalog import Catalog
from gateway.drift.ports import Traffic
from gateway.errors import StoreUnavailable
from gateway.guards import Guards
from gateway.inference import Inference
from gateway.open_inference import OpenInference
from gateway.prediction import Pair, Predictions
from gateway.settings import Settings
from gateway.training.classes import ModelClasses
from gateway.training.datasets import DatasetDesk
from gateway.training.jobs import TrainingDesk
from gateway.training.models import ModelDesk
from gateway.training.status import TrainingStatus

_MODEL_THREADS = 2  # predictions of many rows at once


@dataclass(frozen=True, slots=True)
class ClassicalDesks:
    datasets: DatasetDesk
    training: TrainingDesk
    models: ModelDesk
    predictions: Predictions
    open_inference: OpenInference
    status: TrainingStatus


class Classical:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(_MODEL_THREADS, thread_name_prefix="model")
        self._roll = DatabaseRoll(database, remote=bool(settings.datasets_remote))
        self._jobs = DatabaseJobs(database)
        self._datasets = DatabaseDatasets(database)
        self._files = FolderFiles(
            settings.datasets_dir,
            settings.dataset_max_bytes,
            settings.dataset_upload_timeout_s,
            settings.dataset_max_columns,
            settings.dataset_checks,
        )
        self._sweep = Sweep(settings.datasets_dir, self._datasets)
        self._models = DatabaseModels(database)
        self._weights = StoredWeights(settings.models_url, settings.s3)
        self._predictor = OnnxPredictor(
            self._weights, settings.hot_models, settings.hot_models_bytes, self._threads
        )
        self.champions = ChampionWatch(self._models, self._predictor, settings.model_poll_s)
        pair: tuple[tuple[Pair, str, int], ...] = (
            ("fraud", settings.fraud_model_url, 2),
            ("fraud_scenario", settings.fraud_scenario_model_url, 4),
        )
        features, poll_s = PairFeatures(), settings.model_poll_s
        self._pair = {
            which: FraudModel(url, settings.s3, range(labels), poll_s, self._threads, features)
            for which, url, labels in pair
            if url
        }
        self._probing = ThreadPoolExecutor(1, thread_name_prefix="folder probe")
        probes = {"datasets": self._look_at_folder, "models": self._look_at_weights}
        self._status = TrainingStatus(self._roll, probes)

    def desks(
        self, guards: Guards, catalog: Catalog, inference: Inference, traffic: Traffic, calls: Calls
    ) -> ClassicalDesks:
        """`catalog` knows the champions already."""
        predictions = Predictions(
            guards,
            self._models,
            self.champions,
            ObservedPredictor(self._predictor, calls),
            {which: ObservedWatchedFile(file, which, calls) for which, file in self._pair.items()},
            traffic,
        )
        return ClassicalDesks(
            datasets=DatasetDesk(self._datasets, self._files),
            training=TrainingDesk(
                self._jobs,
                self._datasets,
                self._models,
                ModelClasses(),
                catalog.taken,
                self._settings.training_most_open,
            ),
            models=ModelDesk(self._models),
            predictions=predictions,
            open_inference=OpenInference(inference, catalog, predictions, self._settings.max_instances),
            status=self._status,
        )

    def start(self) -> None:
        """Inside the running loop."""
        for watch in (self.champions, *self._pair.values()):
            watch.start()
        self._sweep.start()

    async def sweep(self) -> None:
        """Removes what uploads of crashed gateways have left; the store is open."""
        await self._sweep.sweep()

    async def _look_at_weights(self) -> None:
        await self._weights.has("0" * 64)

    async def _look_at_folder(self) -> None:
        # In a thread of its own: a folder of a file server that is gone holds it for ever.
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._probing, _may_be_written, self._settings.datasets_dir):
            raise StoreUnavailable("The folder of data sets cannot be written.")

    async def close(self) -> None:
        for watch in (self.champions, *self._pair.values()):
            await watch.close()
        await self._sweep.close()
        await self._status.close()
        await self._predictor.close()
        for threads in (self._threads, self._probing):
            threads.shutdown(wait=False, cancel_futures=True)


def _may_be_written(folder: Path) -> bool:
    """It, or where it will be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
