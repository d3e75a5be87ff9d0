"""What waits in the store, and since when."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.adapters.database.batch_queue import DatabaseQueue
from gateway.adapters.database.batches import DatabaseShelf
from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.drift import DatabaseDrift
from gateway.adapters.database.drift_queue import DatabaseDriftQueue
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.queues import DatabaseQueues
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.adapters.database.traffic import DatabaseTraffic
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.drift.facts import DriftRun, Observation, Reference, Window
from gateway.status import Waiting
from tests.gateway.adapters.database.facts import correction, record
from tests.gateway.adapters.database.test_batches import DONE, batch, items
from tests.gateway.adapters.database.training_facts import dataset, job

NOTHING = Waiting(0, None)
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def queues(database: Database) -> DatabaseQueues:
    return DatabaseQueues(database)


def since_an_hour(waiting: Waiting, count: int) -> bool:
    return waiting.count == count and waiting.oldest_s is not None and 3600 <= waiting.oldest_s < 7200


async def test_nothing_waits_in_an_empty_store(queues: DatabaseQueues) -> None:
    assert await queues.waiting() == {
        "batch_items": NOTHING,
        "training_jobs": NOTHING,
        "reviews": NOTHING,
        "drift_runs": NOTHING,
    }


async def test_items_wait_until_they_have_ended(queues: DatabaseQueues, database: Database) -> None:
    shelf, queue = DatabaseShelf(database), DatabaseQueue(database)
    await shelf.add(batch(created_at=AN_HOUR_AGO), items("a", "b", "c"), None, 10)
    await shelf.add(batch(), items("d"), None, 10)
    (leased,) = await queue.lease("p1", 1, 30.0)
    assert since_an_hour((await queues.waiting())["batch_items"], 4)
    await queue.end(leased, "p1", DONE)
    assert since_an_hour((await queues.waiting())["batch_items"], 3)


async def test_a_job_waits_until_a_worker_has_it(queues: DatabaseQueues, database: Database) -> None:
    await DatabaseDatasets(database).add(dataset())
    jobs = DatabaseJobs(database)
    for moment in (AN_HOUR_AGO, datetime.now(UTC)):
        await jobs.add(replace(job(), created_at=moment), "Queued.", None, 10)
    assert since_an_hour((await queues.waiting())["training_jobs"], 2)
    await DatabaseJobQueue(database).lease("w1", 1, 30.0, 3)
    left = (await queues.waiting())["training_jobs"]
    assert left.count == 1
    assert left.oldest_s is not None
    assert left.oldest_s < 60


async def test_a_grade_waits_for_a_person_until_one_has_spoken(
    queues: DatabaseQueues, database: Database
) -> None:
    ledger = DatabaseLedger(database)
    doubted = replace(record(1, doubts=("low_confidence",)), created_at=AN_HOUR_AGO)
    for one in (doubted, record(2), record(3)):
        await ledger.keep(one)
    assert since_an_hour((await queues.waiting())["reviews"], 1)
    await DatabaseReviews(database).correct(correction(doubted))
    assert (await queues.waiting())["reviews"] == NOTHING


async def test_a_comparison_waits_until_a_worker_has_it(queues: DatabaseQueues, database: Database) -> None:
    window = Window(AN_HOUR_AGO - timedelta(hours=1), AN_HOUR_AGO)
    seen = Observation(window.since, "spam", "1", 10, "en", "ham", None, 0.9)
    await DatabaseTraffic(database).add([seen])
    shelf = DatabaseDrift(database)
    kept = await shelf.keep(
        Reference(f"ref_{uuid.uuid4().hex}", "spam", window, AN_HOUR_AGO, "ann", 0), most=10
    )
    await shelf.add(DriftRun(f"drift_{uuid.uuid4().hex}", "spam", kept.id, window, AN_HOUR_AGO, "ann"))
    assert since_an_hour((await queues.waiting())["drift_runs"], 1)
    assert await DatabaseDriftQueue(database).lease("w1", 30.0) is not None
    assert (await queues.waiting())["drift_runs"] == NOTHING


async def test_a_clock_that_is_ahead_makes_nobody_wait_a_negative_time(
    queues: DatabaseQueues, database: Database
) -> None:
    ahead = replace(record(1, doubts=("fallback",)), created_at=datetime.now(UTC) + timedelta(minutes=1))
    await DatabaseLedger(database).keep(ahead)
    assert (await queues.waiting())["reviews"] == Waiting(1, 0.0)
