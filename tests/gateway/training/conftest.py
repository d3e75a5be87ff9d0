"""The desks of training over shelves in memory and over SQLite: both must do the same."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.models import DatabaseModels
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.domain import Caller, Role
from gateway.training.asks import read_training_ask
from gateway.training.classes import ModelClasses
from gateway.training.facts import JobState, ModelVersion, TrainingJob
from gateway.training.jobs import TrainingDesk
from gateway.training.models import ModelDesk
from gateway.training.ports import DatasetShelf, JobQueue, JobShelf, ModelShelf
from tests.gateway.training.facts import dataset, made
from tests.gateway.training.fakes import MemoryDatasets, MemoryJobs, MemoryModels

TRAINER = Caller("ann", Role.TRAINER, 1000)
ASK = {"model": "fraud-lr", "model_class": "logistic_regression", "dataset": "payments"}


@dataclass
class Room:
    """The desks, and behind them the shelves and a worker's hands."""

    datasets: DatasetShelf
    jobs: JobShelf
    queue: JobQueue
    models: ModelShelf
    desk: TrainingDesk
    model_desk: ModelDesk

    async def start(self, caller: Caller = TRAINER, **fields: Any) -> TrainingJob:
        return await self.desk.start(caller, read_training_ask({**ASK, **fields}))

    async def trained(self, **fields: Any) -> ModelVersion:
        """A job from its start to its end, and what came of it."""
        job = await self.start(**fields)
        return await self.worked(job)

    async def worked(self, job: TrainingJob) -> ModelVersion:
        await self.queue.lease("worker", 100, 30.0, 3)
        kept = await self.datasets.get(job.request.dataset, job.request.dataset_version)
        number = 1 + len([one for one in await self.desk.find(TRAINER, state=JobState.SUCCEEDED, limit=100)])
        version = made(job, number, dataset_columns=kept.table.columns)
        assert await self.queue.succeed(job.id, "worker", version)
        return version


def room_of(datasets: DatasetShelf, jobs: JobShelf, queue: JobQueue, models: ModelShelf) -> Room:
    async def taken(name: str) -> bool:
        return name == "grader-llm"

    desk = TrainingDesk(jobs, datasets, models, ModelClasses(), taken, most_open=3)
    return Room(datasets, jobs, queue, models, desk, ModelDesk(models))


@pytest.fixture(params=["memory", "sqlite"])
async def room(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    """With one data set, `payments`, of two versions."""
    database = None
    if request.param == "memory":
        models = MemoryModels()
        jobs = MemoryJobs(models)
        place = room_of(MemoryDatasets(), jobs, jobs, models)  # type: ignore[arg-type]
    else:
        shutil.copy(request.getfixturevalue("migrated"), tmp_path / "gateway.db")
        database = Database(f"sqlite:///{tmp_path}/gateway.db")
        await database.start()
        place = room_of(
            DatabaseDatasets(database),
            DatabaseJobs(database),
            DatabaseJobQueue(database),
            DatabaseModels(database),
        )
    for version in (1, 2):
        await place.datasets.add(replace(dataset(), version=version))
    yield place
    if database:
        await database.close()
