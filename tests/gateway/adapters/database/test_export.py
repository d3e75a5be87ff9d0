"""Everything that is kept comes out, a page at a time."""

import json

import pytest

from gateway.adapters.database import export as module
from gateway.adapters.database.codec import CALL, CORRECTION, GRADE, with_calls
from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.export import export, export_jobs
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.reviews import DatabaseReviews
from gateway.adapters.database.training_jobs import DatabaseJobs
from tests.gateway.adapters.database.facts import correction, record
from tests.gateway.adapters.database.training_facts import dataset, job, model


async def test_every_grade_comes_once_whole_with_its_corrections(
    database: Database, ledger: DatabaseLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    kept = [record(number, minutes=number // 2, calls=number, text="line\nline") for number in range(5)]
    for one in kept:
        await ledger.keep(one)
    words = [correction(kept[3], 1.0), correction(kept[3], 2.0)]
    for word in words:
        await DatabaseReviews(database).correct(word)
    lines = [line async for line in export(database)]
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    for one, line in zip(kept, map(json.loads, lines), strict=True):
        calls = tuple(CALL.decode(_text(call)) for call in line["calls"])
        assert with_calls(GRADE.decode(_text(line["grade"])), calls) == one
    found = [[CORRECTION.decode(_text(word)) for word in json.loads(line)["corrections"]] for line in lines]
    assert found == [[], [], [], words, []]


def _text(part: object) -> str:
    return json.dumps(part, separators=(",", ":"), ensure_ascii=False)


async def test_every_job_comes_once_with_its_log(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    await DatabaseDatasets(database).add(dataset())
    shelf, queue = DatabaseJobs(database), DatabaseJobQueue(database)
    kept = [await shelf.add(job(minutes=minutes), f"Queued {minutes}.", None, 9) for minutes in range(5)]
    await queue.lease("worker", 1, 60, 3)
    await queue.succeed(kept[0].id, "worker", model())
    lines = [json.loads(line) async for line in export_jobs(database)]
    assert [line["job"]["id"] for line in lines] == [one.id for one in kept]
    assert [line["events"][0]["message"] for line in lines] == [f"Queued {n}." for n in range(5)]
    assert [event["state"] for event in lines[0]["events"]] == ["queued", "running", "succeeded"]
    done = lines[0]["job"]
    assert (done["model_version"], done["metrics"], done["request"]["hyperparameters"]) == (
        1, {"roc_auc": 0.875}, {"C": 0.5, "penalty": None}
    )  # fmt: skip
    assert not {"owner", "idempotency_key"} & done.keys()


async def test_of_nothing_nothing_comes(database: Database) -> None:
    assert [line async for line in export(database)] == []
    assert [line async for line in export_jobs(database)] == []
