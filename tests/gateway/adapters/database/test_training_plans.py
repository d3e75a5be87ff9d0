"""However much is kept, what is asked for every second is read off an index."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gateway.adapters.database.database import Database
from gateway.adapters.database.dataset_chores import DatabaseChores
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.model_mirror import DatabaseMirror
from gateway.adapters.database.models import DatabaseModels
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.adapters.database.workers_roll import DatabaseRoll
from gateway.records import Once
from gateway.training.facts import JobState
from tests.gateway.adapters.database.training_facts import dataset, job, model

ONCE = Once("k", "0" * 64)
QUESTIONS: dict[str, Callable[[Database, str], Awaitable[Any]]] = {
    "a page of jobs": lambda store, _: DatabaseJobs(store).find(None, None, None, 50),
    "the next page": lambda store, id_: DatabaseJobs(store).find(None, None, id_, 50),
    "a model's jobs": lambda store, id_: DatabaseJobs(store).find("churn", None, id_, 50),
    "running jobs": lambda store, _: DatabaseJobs(store).find(None, JobState.RUNNING, None, 50),
    "a model's queued jobs": lambda store, _: DatabaseJobs(store).find("churn", JobState.QUEUED, None, 9),
    "a log": lambda store, id_: DatabaseJobs(store).events(id_, 500, 100),
    "a new job": lambda store, _: DatabaseJobs(store).add(job(), "Queued.", ONCE, 10),
    "a lease": lambda store, _: DatabaseJobQueue(store).lease("b", 4, 60, 3),
    "a renewal": lambda store, _: DatabaseJobQueue(store).renew("a", 60),
    "a line of the log": lambda store, id_: DatabaseJobQueue(store).report(id_, "a", "fitting", 0.5, "On."),
    "an end": lambda store, id_: DatabaseJobQueue(store).succeed(id_, "a", model()),
    "the champions": lambda store, _: DatabaseModels(store).champions(),
    "a model": lambda store, _: DatabaseModels(store).get("churn"),
    "a data set's versions": lambda store, _: DatabaseDatasets(store).versions("fraud", 50),
    "a data set": lambda store, _: DatabaseDatasets(store).get("fraud"),
    "what is due": lambda store, _: DatabaseChores(store).due("a", 60, remote=True),
    "what is deleted": lambda store, _: DatabaseChores(store).deleted("a", 60),
    "the backlog": lambda store, _: DatabaseRoll(store, remote=True).backlog(),
}
# Read in order and only as far as the page goes; the index of champions holds nothing else; tasks are few.
FINE = (
    "SCAN training_jobs USING INDEX training_jobs_by_created_at_id",
    "SCAN model_versions USING INDEX model_versions_champion",
    "SCAN registry_tasks USING",
)


@pytest.fixture
async def store(tmp_path: Path, migrated_sqlite: Path) -> Any:
    shutil.copy(migrated_sqlite, tmp_path / "gateway.db")
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    await database.start()
    yield database
    await database.close()


@pytest.mark.parametrize("question", QUESTIONS)
async def test_no_table_is_read_as_a_whole(store: Database, question: str) -> None:
    for version in (1, 2):
        await DatabaseDatasets(store).add(dataset(version=version))
    await DatabaseDatasets(store).delete("fraud", 2)
    jobs = DatabaseJobs(store)
    begun = await jobs.add(job(), "Queued.", None, 10)
    await DatabaseJobQueue(store).lease("a", 1, 0.0, 3)
    await jobs.add(job(minutes=1), "Queued.", None, 10)
    mirror = DatabaseMirror(store, "a")
    await mirror.tasks()
    await mirror.mirror([model(champion=True)])
    asked: list[tuple[str, Any]] = []
    engine = store._engine

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    await QUESTIONS[question](store, begun.id)
    event.remove(engine, "before_cursor_execute", note)
    assert asked
    plans = [await store.read(lambda c, one=one: _plan(c, *one)) for one in asked]
    steps = [step for plan in plans for step in plan]
    slow = [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step]
    assert [step for step in slow if not step.startswith(FINE)] == []


def _plan(connection: Any, statement: str, parameters: Any) -> list[str]:
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    return [row[3] for row in rows]
