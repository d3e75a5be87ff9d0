"""Which workers are there, by what they say, and what waits for them."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from gateway.adapters.database.database import Database
from gateway.adapters.database.dataset_chores import DatabaseChores
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.model_mirror import DatabaseMirror
from gateway.adapters.database.models import DatabaseModels
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.adapters.database.training_tables import training_workers
from gateway.adapters.database.workers_roll import DatabaseRoll
from gateway.training.facts import Kept
from gateway.training.ports import Backlog, WorkerFacts
from tests.gateway.adapters.database.training_facts import dataset, job, model

FACTS = WorkerFacts("w1", "local", 2, 1, {"registry": "up", "dataset_remote": "off"})


async def later(database: Database, seconds: float) -> None:
    """As if nobody had said anything for so long."""
    aged = update(training_workers).values(seen_s=training_workers.c.seen_s - seconds)
    await database.write(lambda c: c.execute(aged).rowcount)


async def test_a_worker_is_there_as_it_last_said(database: Database) -> None:
    roll = DatabaseRoll(database, remote=True)
    assert await roll.alive(30) == []
    await roll.report(FACTS)
    said = replace(FACTS, running=2, stores={"registry": "The registry cannot be reached."})
    for facts in (replace(FACTS, id="w2"), said):
        await roll.report(facts)
    assert await roll.alive(30) == [said, replace(FACTS, id="w2")]


async def test_a_silent_worker_is_not_there_and_forgotten_after_a_day(database: Database) -> None:
    roll = DatabaseRoll(database, remote=True)
    await roll.report(FACTS)
    await later(database, 60)
    other = replace(FACTS, id="w2")
    await roll.report(other)
    assert await roll.alive(30) == [other]
    assert await roll.alive(90) == [FACTS, other]
    await later(database, 86_400)
    await roll.report(other)
    assert await roll.alive(1e9) == [other]


async def test_a_worker_of_another_version_hides_no_other(database: Database) -> None:
    roll = DatabaseRoll(database, remote=True)
    for worker in ("w1", "w2"):
        await roll.report(replace(FACTS, id=worker))
    newer = update(training_workers).where(training_workers.c.id == "w1").values(worker='{"format":2}')
    await database.write(lambda c: c.execute(newer).rowcount)
    assert await roll.alive(30) == [replace(FACTS, id="w2")]


@pytest.mark.parametrize("remote", [True, False])
async def test_the_backlog_counts_what_waits(database: Database, remote: bool) -> None:
    roll, shelf, chores = (
        DatabaseRoll(database, remote=remote),
        DatabaseDatasets(database),
        DatabaseChores(database),
    )
    assert await roll.backlog() == Backlog(0, 0, 0, 0, 0)
    for version, kept in enumerate((Kept.VERSIONED, Kept.VERSIONED, Kept.ACCEPTED, Kept.PUSHED), 1):
        await shelf.add(dataset(version=version, kept=kept))
    await shelf.delete("fraud", 4)  # to be taken out of DVC
    await chores.due("w1", 60, remote=True)  # to be versioned, which comes first
    due = await chores.due("w1", 60, remote=True)
    assert due is not None
    await chores.failed(due, "w1", "The remote cannot be reached.")
    jobs = DatabaseJobs(database)
    for minutes in range(3):
        await jobs.add(job(dataset_version=1, minutes=minutes), "Queued.", None, 10)
    await DatabaseJobQueue(database).lease("w1", 1, 60, 3)
    mirror = DatabaseMirror(database, "w1")
    await mirror.tasks()
    await mirror.mirror([model()])
    await DatabaseModels(database).promote("churn", 1)
    expected = Backlog(queued=2, running=1, datasets_due=4, pushes_failing=1, registry_tasks=1)
    if not remote:
        expected = replace(expected, datasets_due=2, pushes_failing=0)
    assert await roll.backlog() == expected
