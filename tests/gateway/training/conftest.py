"""The desks of training over SQLite, and a worker's hands."""

import shutil
from collections.abc import AsyncIterator
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
from tests.gateway.training.facts import dataset, made

TRAINER = Caller("ann", Role.TRAINER, 1000)
ASK = {"model": "fraud-lr", "model_class": "logistic_regression", "dataset": "payments"}


class Room:
    """The desks, and behind them the shelves and a worker's queue."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.database = database
        self.datasets = DatabaseDatasets(database)
        self.jobs = DatabaseJobs(database)
        self.queue = DatabaseJobQueue(database)
        self.models = DatabaseModels(database)
        self.desk = TrainingDesk(
            self.jobs, self.datasets, self.models, ModelClasses(), taken_elsewhere, most_open=3
        )
        self.model_desk = ModelDesk(self.models)

    async def start(self, caller: Caller = TRAINER, **fields: Any) -> TrainingJob:
        return await self.desk.start(caller, read_training_ask({**ASK, **fields}))

    async def trained(self, **fields: Any) -> ModelVersion:
        """A job from its start to its end, and what came of it."""
        job = await self.start(**fields)
        return await self.worked(job)

    async def worked(self, job: TrainingJob) -> ModelVersion:
        await self.queue.lease("worker", 100, 30.0, 3)
        kept = await self.datasets.get(job.request.dataset, job.request.dataset_version)
        number = 1 + len(await self.desk.find(TRAINER, state=JobState.SUCCEEDED, limit=100))
        version = made(job, number, dataset_columns=kept.table.columns)
        assert await self.queue.succeed(job.id, "worker", version)
        return version


async def taken_elsewhere(name: str) -> bool:
    return name == "grader-llm"


@pytest.fixture
async def room(tmp_path: Path, migrated: Path) -> AsyncIterator[Room]:
    """With one data set, `payments`, of two versions."""
    shutil.copy(migrated, tmp_path / "gateway.db")
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    await database.start()
    room = Room(database)
    for version in (1, 2):
        await room.datasets.add(dataset(version=version))
    yield room
    await database.close()
