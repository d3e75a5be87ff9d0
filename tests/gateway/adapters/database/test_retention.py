"""What is too old goes with everything of its own; the rest stays."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.adapters.database import retention
from gateway.adapters.database.answers import DatabaseAnswers
from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.drift import DatabaseDrift
from gateway.adapters.database.drift_queue import DatabaseDriftQueue
from gateway.adapters.database.grades import DatabaseGrades
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.retention import Counts, counts, prunable, prune
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.adapters.database.rubrics import DatabaseRubrics
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.drift.facts import RunState
from gateway.records import GradeQuery
from tests.gateway.adapters.database.drift_facts import at, noted, reference, run
from tests.gateway.adapters.database.facts import correction, record, rubric
from tests.gateway.adapters.database.training_facts import dataset, job

BEFORE = record(5).created_at


async def filled(database: Database) -> None:
    """Eight grades, a minute apart; four of them are made before."""
    ledger, reviews, answers = DatabaseLedger(database), DatabaseReviews(database), DatabaseAnswers(database)
    await DatabaseRubrics(database).add(rubric(), "teacher")
    for number in range(1, 9):
        await ledger.keep(record(number, calls=2))
    for number in (1, 1, 8):
        await reviews.correct(correction(record(number)))
    await answers.remember("bot", "old", "hash", [record(1).id])
    await answers.remember("bot", "mixed", "hash", [record(8).id, record(2).id])
    await answers.remember("bot", "new", "hash", [record(8).id])
    await ledger.claim("left by a dead process", 0)
    await ledger.claim("held", 60)


async def test_old_grades_go_with_their_audit_corrections_and_answers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 3)
    await filled(database)
    gone = Counts(grades=4, calls=8, corrections=2, answers=2)
    assert await prunable(database, BEFORE) == gone
    assert await prune(database, BEFORE) == gone
    assert await prune(database, BEFORE) == Counts()
    left = [found.id for found in await DatabaseGrades(database).find(GradeQuery())]
    assert left == [record(number).id for number in (8, 7, 6, 5)]
    assert await counts(database) == {
        "grades": 4, "model_calls": 8, "corrections": 1, "answers": 1, "rubrics": 1, "claims": 1,
        "dataset_versions": 0, "training_jobs": 0, "training_events": 0, "model_versions": 0,
        "registry_tasks": 0, "traffic": 0, "drift_references": 0, "drift_runs": 0, "audit": 0,
    }  # fmt: skip
    answers = DatabaseAnswers(database)
    assert await answers.recall("bot", "mixed") is None
    assert await answers.recall("bot", "new") == ("hash", (record(8).id,))
    assert (await DatabaseRubrics(database).get("essay")).used


async def test_old_jobs_go_with_their_logs_when_they_are_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_JOBS", 2)
    jobs, queue = DatabaseJobs(database), DatabaseJobQueue(database)
    await DatabaseDatasets(database).add(dataset())
    over = [await jobs.add(job(minutes=minutes), "Queued.", None, 100) for minutes in range(5)]
    for one in over:
        await jobs.cancel(one.id)
    running = await jobs.add(job(), "Queued.", None, 100)
    await queue.lease("worker", 1, 60, 3)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    assert await prunable(database, soon - timedelta(minutes=1)) == Counts()
    assert await prunable(database, soon) == Counts(jobs=5, events=10)
    assert await prune(database, soon) == Counts(jobs=5, events=10)
    assert [one.id for one in await jobs.find(None, None, None, 10)] == [running.id]
    left = await counts(database)
    assert (left["training_jobs"], left["training_events"], left["dataset_versions"]) == (1, 2, 1)


async def test_old_observations_go_and_those_of_references_stay(database: Database) -> None:
    await noted(database, "spam", range(6))
    await DatabaseDrift(database).keep(reference("spam"), 100)
    assert await prunable(database, at(4)) == Counts(observations=4)
    assert await prune(database, at(4)) == Counts(observations=4)
    left = await counts(database)
    assert (left["traffic"], left["drift_references"]) == (2 + 6, 1)


async def test_counting_deletes_nothing(database: Database) -> None:
    await filled(database)
    before = await counts(database)
    await prunable(database, BEFORE)
    assert await counts(database) == before


async def test_grading_goes_on_meanwhile(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 1)
    ledger = DatabaseLedger(database)
    for number in range(1, 21):
        await ledger.keep(record(number, minutes=0))
    order: list[str] = []

    async def grade() -> None:
        await ledger.keep(record(100))
        order.append("graded")

    async def pruned() -> None:
        await prune(database, BEFORE)
        order.append("pruned")

    await asyncio.gather(pruned(), grade())
    assert order == ["graded", "pruned"]


async def test_old_comparisons_go_when_they_are_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    shelf, queue = DatabaseDrift(database), DatabaseDriftQueue(database)
    await noted(database, "spam", [10])
    kept = await shelf.keep(reference("spam"), 10)
    for minutes in range(5):
        await shelf.add(run(kept, minutes=minutes))
        leased = await queue.lease("worker", 60)
        assert leased is not None
        if minutes < 4:
            await queue.finish(replace(leased, state=RunState.SKIPPED), "worker")
    await shelf.add(run(kept, minutes=5))
    assert await prunable(database, at(2)) == Counts(runs=2)
    assert await prune(database, at(2)) == Counts(runs=2)
    assert await prune(database, at(9)) == Counts(runs=2)  # one is running, one is queued
    states = [one.state for one in await shelf.find(None, None, 10)]
    assert states == [RunState.QUEUED, RunState.RUNNING]
    assert await shelf.references(None, 10) == [kept]
