"""Batches from the desk through the runner to the results, over a real store."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.database.batch_queue import DatabaseQueue, DatabaseResults
from gateway.adapters.database.batches import DatabaseShelf
from gateway.adapters.database.database import Database
from gateway.batch.desk import BatchDesk, BatchLimits
from gateway.batch.patience import Patience
from gateway.batch.queue import Batch, Status
from gateway.batch.rows import Format, Job
from gateway.batch.runner import Pace, Runner
from gateway.batch.submitted import Asked, format_of, read_requests
from gateway.domain import Caller, Priority
from gateway.errors import (
    BackendUnavailable,
    Conflict,
    InvalidRequest,
    MaskingUnavailable,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    StoreUnavailable,
    UnusableAnswer,
)
from gateway.records import Once
from tests.gateway.batch.conftest import ADMIN, ANN, BOB, Line

SOON = Patience(0.2, 0.001, 0.002)
LONG = Pace(concurrency=2, lease_s=600.0, poll_s=0.02)
PACE = Pace(concurrency=3, lease_s=0.3, poll_s=0.02, sweep_s=0.05, pause_s=0.0, patience=SOON)


class Office:
    """One process: a desk and a runner."""

    def __init__(self, database: Database, line: Line, pace: Pace = PACE, **limits: Any) -> None:
        results = DatabaseResults(database)
        self.again = 0  # how often an item was tried once more
        self.runner = Runner(DatabaseQueue(database), results, line, pace, self._once_more)
        limits = {"patience": SOON, **limits}
        shelf = DatabaseShelf(database)
        self.desk = BatchDesk(shelf, results, line, BatchLimits(**limits), self.runner.wake)

    def _once_more(self) -> None:
        self.again += 1

    async def accept(self, *requests: Any, caller: Caller = ANN, once: Once | None = None) -> Batch:
        asked = read_requests(list(requests), Job(format_of(requests)), 1000)
        return await self.desk.accept(caller, asked, format_of(requests), once)

    async def over(self, batch: Batch, caller: Caller = ANN) -> Batch:
        while (now := await self.desk.get(caller, batch.id)).ended_at is None:
            await asyncio.sleep(0.01)
        return now

    async def results(self, batch: Batch, caller: Caller = ANN) -> list[dict[str, Any]]:
        pieces = [piece async for piece in await self.desk.results(caller, batch.id)]
        return [json.loads(line) for line in b"".join(pieces).splitlines()]


@pytest.fixture
async def opened(database: Database, line: Line) -> AsyncIterator[Callable[..., Office]]:
    offices: list[Office] = []

    def open_office(**changes: Any) -> Office:
        offices.append(Office(changes.pop("database", database), line, **changes))
        offices[-1].runner.start()
        return offices[-1]

    yield open_office
    line.open.set()
    for office in offices:
        await office.runner.close(drain_s=1.0)


@asynccontextmanager
async def another_process(path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{path}/gateway.db")
    await database.start()
    try:
        yield database
    finally:
        await database.close()


def everything(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]


def request(name: str, text: str = "x", **fields: Any) -> dict[str, Any]:
    return {"id": name, "submission": text, **fields}


async def test_a_batch_is_graded_and_answered_in_its_order(opened: Callable[..., Office], line: Line) -> None:
    office = opened()
    made = await office.accept(*(request(f"r{n}", f"text {n}") for n in range(20)))
    over = await office.over(made)
    assert (over.status, over.total) == (Status.COMPLETED, 20)
    results = await office.results(made)
    assert [one["id"] for one in results] == [f"r{n}" for n in range(20)]
    assert results[3]["comments"] == "text 3"
    assert (results[3]["grade_id"], results[3]["score"]) == ("grade_1", 7.5)
    assert line.most == PACE.concurrency
    assert {key for key, _, _ in line.seen} == {"ann"}
    assert line.priorities == {Priority.BATCH}


async def test_names_are_neither_kept_nor_answered(
    opened: Callable[..., Office], line: Line, tmp_path: Path
) -> None:
    line.open.clear()
    office = opened()
    made = await office.accept(request("r", "I am Anna"))
    while not line.under_way:
        await asyncio.sleep(0.01)
    assert b"Anna" not in b"".join(everything(tmp_path))
    line.open.set()
    await office.over(made)
    assert (await office.results(made))[0]["comments"] == "I am <PERSON_1_abcde>"


async def test_a_request_that_breaks_its_contract_fails_alone(opened: Callable[..., Office]) -> None:
    office = opened()
    elsewhere = {"id": "far", "artifact": {"url": "https://example.org/a"}}
    made = await office.accept(request("a", 5), request("b"), elsewhere)
    assert (await office.over(made)).status is Status.COMPLETED
    first, second, third = await office.results(made)
    assert (first["id"], first["error"]["code"]) == ("a", "invalid_request")
    assert "submission" in first["error"]["message"]
    assert second["id"] == "b"
    assert "artifact" in third["error"]["message"]


async def test_openais_lines_are_answered_as_openai_does(opened: Callable[..., Office], line: Line) -> None:
    office = opened()
    asked = {"method": "POST", "url": "/v1/models/grader-embedding:predict"}
    lines = [{"custom_id": name, **asked, "body": {"submission": name}} for name in ("a", "b")]
    line.errors["b"] = [UnusableAnswer("Odd.")]
    made = await office.accept(*lines)
    await office.over(made)
    first, second = await office.results(made)
    assert first.keys() == second.keys() == {"id", "custom_id", "response", "error"}
    assert (first["custom_id"], first["response"]["body"]["score"], first["error"]) == ("a", 7.5, None)
    assert (second["response"], second["error"]["code"]) == (None, "unusable_answer")
    assert {grader for _, _, grader in line.seen} == {"grader-embedding"}


async def test_what_passes_is_waited_for_and_longer_than_one_try(
    opened: Callable[..., Office], line: Line
) -> None:
    office = opened(pace=Pace(3, 60.0, 0.02, 10.0, 0.0, patience=Patience(0.0, 0.001, 0.001)))
    line.errors["x"] = [BackendUnavailable("Down.")] * 7
    made = await office.accept(request("a"))
    assert (await office.over(made)).status is Status.COMPLETED
    assert len(line.seen) == 8
    assert office.again == 7


async def test_a_killed_process_leaves_its_items_to_the_next_one(
    opened: Callable[..., Office], line: Line, tmp_path: Path
) -> None:
    """The first process vanishes with three items under way: no goodbye, its leases stay."""
    line.open.clear()
    killed = opened()
    made = await killed.accept(*(request(f"r{n}", f"text {n}") for n in range(10)))
    while line.under_way < 3:
        await asyncio.sleep(0.01)
    for task in (*killed.runner._tasks, *killed.runner._under_way):
        task.cancel()
    line.open.set()
    async with another_process(tmp_path) as database:
        heir = opened(database=database)
        over = await heir.over(made)
        assert (over.status, len(await heir.results(made))) == (Status.COMPLETED, 10)
        await heir.runner.close()
    assert len(line.seen) == 13  # the three were asked twice, and ended once
    killed.runner._tasks.clear()


async def test_two_processes_share_one_queue_and_grade_nothing_twice(
    opened: Callable[..., Office], line: Line, tmp_path: Path
) -> None:
    async with another_process(tmp_path) as database:
        one, two = opened(pace=LONG), opened(pace=LONG, database=database)
        made = await one.accept(*(request(f"r{n}", f"text {n}") for n in range(60)))
        await two.over(made)
        await two.runner.close()
    assert sorted(text for _, text, _ in line.seen) == sorted(f"text {n}" for n in range(60))


async def test_the_leases_of_what_is_under_way_are_renewed(
    opened: Callable[..., Office], line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.open.clear()
    office = opened()
    renew, times = office.runner._queue.renew, asyncio.Semaphore(0)

    async def renewed(owner: str, lease_s: float) -> None:
        await renew(owner, lease_s)
        times.release()

    monkeypatch.setattr(office.runner._queue, "renew", renewed)
    made = await office.accept(request("a"))
    for _ in range(3):
        await times.acquire()
    line.open.set()
    await office.over(made)


async def test_a_runner_that_closes_leaves_what_it_cannot_end_to_others_at_once(
    opened: Callable[..., Office], line: Line
) -> None:
    line.open.clear()
    leaving = opened(pace=LONG)
    made = await leaving.accept(request("a"), request("b"))
    while line.under_way < 2:
        await asyncio.sleep(0.01)
    await leaving.runner.close(drain_s=0.05)
    assert line.under_way == 0
    line.open.set()
    await opened(pace=LONG).over(made)


async def test_a_runner_that_closes_lets_what_is_under_way_end(
    opened: Callable[..., Office], line: Line
) -> None:
    line.open.clear()
    office = opened()
    made = await office.accept(*(request(f"r{n}") for n in range(9)))
    while line.under_way < 3:
        await asyncio.sleep(0.01)
    closing = asyncio.create_task(office.runner.close(drain_s=5.0))
    await asyncio.sleep(0)
    line.open.set()
    await closing
    assert len(await office.results(made)) == len(line.seen) == 3


async def test_a_cancelled_batch_ends_with_what_is_under_way(
    opened: Callable[..., Office], line: Line
) -> None:
    line.open.clear()
    office = opened()
    made = await office.accept(*(request(f"r{n}") for n in range(9)))
    while line.under_way < 3:
        await asyncio.sleep(0.01)
    assert (await office.desk.cancel(ANN, made.id)).status is Status.CANCELLING
    line.open.set()
    assert (await office.over(made)).status is Status.CANCELLED
    codes = [one.get("error", {}).get("code") for one in await office.results(made)]
    assert codes == [None] * 3 + ["cancelled"] * 6


async def test_nobody_sees_anothers_batch_but_an_admin(opened: Callable[..., Office]) -> None:
    office = opened()
    made = await office.accept(request("a"))
    await office.over(made)
    for ask in (
        office.desk.get(BOB, made.id),
        office.desk.results(BOB, made.id),
        office.desk.cancel(BOB, made.id),
        office.desk.find(BOB, made.id, 10),
    ):
        with pytest.raises(NotFound):
            await ask
    assert await office.desk.find(BOB, None, 10) == []
    assert [one.id for one in await office.desk.find(ADMIN, None, 10)] == [made.id]
    assert len(await office.results(made, ADMIN)) == 1


async def test_the_same_idempotency_key_is_the_same_batch(opened: Callable[..., Office], line: Line) -> None:
    office = opened()
    once = Once("k", "0" * 64)
    made = await office.accept(request("a"), once=once)
    await office.over(made)
    assert (await office.accept(request("a"), once=once)).id == made.id
    assert (await office.accept(request("a"), caller=BOB, once=once)).id != made.id
    with pytest.raises(Conflict):
        await office.accept(request("b"), once=Once("k", "1" * 64))
    assert [key for key, _, _ in line.seen].count("ann") == 1


async def test_open_batches_of_a_key_are_bounded(opened: Callable[..., Office], line: Line) -> None:
    line.open.clear()
    office = opened(most_open=2)
    for _ in range(2):
        await office.accept(request("a"))
    with pytest.raises(RateLimited):
        await office.accept(request("a"))
    await office.accept(request("a"), caller=BOB)


async def test_a_batch_is_taken_in_whole_or_not_at_all(opened: Callable[..., Office], line: Line) -> None:
    office = opened()
    line.masking = [MaskingUnavailable("Not yet.")]
    await office.accept(request("a"))  # masking that comes back soon is waited for
    line.masking = [MaskingUnavailable("Not yet.")] * 1000
    with pytest.raises(MaskingUnavailable):
        await office.accept(request("a"), request("b"))
    assert len(await office.desk.find(ANN, None, 10)) == 1


async def test_results_that_break_off_say_so(
    opened: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = opened()
    made = await office.accept(*(request(f"r{n}") for n in range(150)))
    await office.over(made)
    ended = office.desk._results.ended

    async def breaking(batch_id: str, after: int, limit: int) -> Any:
        if after >= 0:
            raise StoreUnavailable("The store is not available.")
        return await ended(batch_id, after, limit)

    monkeypatch.setattr(office.desk._results, "ended", breaking)
    lines = await office.results(made)
    assert len(lines) == 101
    assert lines[-1] == {"error": {"code": "store_unavailable", "message": "The store is not available."}}


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ("x", "requests"),
        ([], "requests"),
        ([request("a"), "x"], "requests.1"),
        ([request("")], "requests.0.id"),
        ([{"submission": "x"}], "requests.0.id"),
        ([request("a"), request("b"), request("a")], "requests.2.id"),
        ([{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {}}], "requests.0"),
        ([{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}], "requests.0.url"),
    ],
)
def test_requests_that_cannot_be_told_apart_are_refused_by_their_place(requests: Any, field: str) -> None:
    form = format_of(requests) if isinstance(requests, list) else Format.JSONL
    with pytest.raises(InvalidRequest) as refused:
        read_requests(requests, Job(form), 10)
    assert refused.value.param == field


def test_more_requests_than_a_batch_may_have_are_refused() -> None:
    with pytest.raises(PayloadTooLarge):
        read_requests([request(str(n)) for n in range(11)], Job(Format.JSONL), 10)


def test_what_the_batch_says_is_for_requests_that_do_not() -> None:
    job = Job(Format.JSONL, rubric_id="essay", grader="embedding")
    first, second = read_requests([request("a"), request("b", grader="llm", rubric_id="own")], job, 10)
    assert first == Asked(
        "a",
        "grader-embedding",
        {"submission": "x", "submission_id": "a", "grader": "embedding", "rubric_id": "essay"},
    )
    assert (second.grader, second.payload["rubric_id"]) == ("grader-llm", "own")
