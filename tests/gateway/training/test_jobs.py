"""Trainings as they are asked for, followed and ended."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain import Caller, Role
from gateway.errors import (
    Code,
    Conflict,
    Forbidden,
    GatewayError,
    InvalidRequest,
    NotFound,
    RateLimited,
)
from gateway.records import Once
from gateway.training.asks import TrainingAsk, read_training_ask
from gateway.training.facts import JobState
from tests.gateway.training.conftest import ASK, TRAINER, Room
from tests.gateway.training.facts import column, dataset, target

GRADER = Caller("bob", Role.GRADER, 1000)
OTHER = Caller("eve", Role.TRAINER, 1000)
NOBODYS = f"job_{'0' * 32}"


async def test_a_training_is_queued_with_what_was_left_unsaid(room: Room) -> None:
    job = await room.start(hyperparameters={"C": 0.5})
    request = job.request
    assert (job.state, job.key_id, job.attempts) == (JobState.QUEUED, "ann", 0)
    assert (request.dataset, request.dataset_version, request.target) == ("payments", 2, "fraud")
    assert request.features == ("amount", "country")
    assert (request.test_share, request.seed, request.promote) == (0.2, 0, True)
    assert request.hyperparameters == {"C": 0.5}
    assert await room.desk.get(OTHER, job.id) == job
    (event,) = await room.desk.events(TRAINER, job.id)
    assert (event.number, event.state, event.message) == (1, JobState.QUEUED, "The training is queued.")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": None}, Code.INVALID_REQUEST, "model"),
        ({"model": "grader-llm"}, Code.CONFLICT, "model"),
        ({"model_class": None}, Code.INVALID_REQUEST, "model_class"),
        ({"model_class": "astrology"}, Code.INVALID_REQUEST, "model_class"),
        ({"hyperparameters": {"C": -1}}, Code.INVALID_HYPERPARAMETERS, "hyperparameters.C"),
        ({"hyperparameters": {"charm": 1}}, Code.INVALID_HYPERPARAMETERS, "hyperparameters"),
        ({"dataset": None}, Code.INVALID_REQUEST, "dataset"),
        ({"dataset": "nowhere"}, Code.NOT_FOUND, "dataset"),
        ({"dataset": "payments@3"}, Code.NOT_FOUND, "dataset"),
        ({"target": "nowhere"}, Code.INVALID_DATASET, "target"),
        ({"features": ["nowhere"]}, Code.INVALID_DATASET, "features"),
    ],
)
async def test_what_cannot_be_trained_is_refused_before_it_is_queued(
    room: Room, fields: dict[str, Any], code: Code, param: str
) -> None:
    with pytest.raises(GatewayError) as refusal:
        await room.start(**fields)
    assert (refusal.value.code, refusal.value.param) == (code, param)
    assert await room.desk.find(TRAINER) == []


@pytest.mark.parametrize(
    ("fields", "counts", "code", "param"),
    [
        ({}, (498, 2), Code.INVALID_DATASET, "test_share"),
        (
            {"model_class": "linear_svm", "test_share": 0.5},
            (2, 2),
            Code.INVALID_DATASET,
            "test_share",
        ),
        (
            {"hyperparameters": {"solver": "liblinear"}},
            (50, 50, 50),
            Code.INVALID_HYPERPARAMETERS,
            "hyperparameters.solver",
        ),
    ],
)
async def test_what_the_fit_would_refuse_for_its_classes_is_refused_at_once(
    room: Room, fields: dict[str, Any], counts: tuple[int, ...], code: Code, param: str
) -> None:
    classes = dataset(column("amount"), target(counts=counts), name="rare", rows=sum(counts))
    await room.datasets.add(classes)
    with pytest.raises(GatewayError) as refusal:
        await room.start(dataset="rare", **fields)
    assert (refusal.value.code, refusal.value.param) == (code, param)


async def test_a_grader_sees_and_begins_nothing(room: Room) -> None:
    job = await room.start()
    desk = room.desk
    for refused in (
        desk.start(GRADER, read_training_ask(ASK)),
        desk.retrain(GRADER, "fraud-lr", TrainingAsk()),
        desk.get(GRADER, job.id),
        desk.find(GRADER),
        desk.events(GRADER, job.id),
        anext(desk.watch(GRADER, job.id)),
        desk.cancel(GRADER, job.id),
        desk.delete(GRADER, job.id),
        room.model_desk.promote(GRADER, "fraud-lr", 1),
        room.model_desk.delete(GRADER, "fraud-lr"),
    ):
        with pytest.raises(Forbidden):
            await refused
    with pytest.raises(Forbidden):
        desk.classes(GRADER)
    assert (await room.desk.get(TRAINER, job.id)).state is JobState.QUEUED


async def test_a_key_has_a_bounded_number_of_open_jobs(room: Room) -> None:
    jobs = [await room.start() for _ in range(3)]
    with pytest.raises(RateLimited):
        await room.start()
    await room.start(OTHER)
    await room.desk.cancel(TRAINER, jobs[0].id)
    await room.start()


async def test_the_same_idempotency_key_gives_the_same_job(room: Room) -> None:
    once = Once("a" * 64, "b" * 64)
    ask = read_training_ask(ASK)
    first = await room.desk.start(TRAINER, ask, once)
    # Also when the data set has gone meanwhile.
    await room.desk.cancel(TRAINER, first.id)
    await room.datasets.delete("payments", None)
    assert (await room.desk.start(TRAINER, ask, once)).id == first.id
    with pytest.raises(Conflict):
        await room.desk.start(TRAINER, ask, replace(once, body_hash="c" * 64))


async def test_many_at_once_under_one_key_are_one_job(room: Room) -> None:
    once = Once("a" * 64, "b" * 64)
    jobs = await asyncio.gather(*(room.desk.start(TRAINER, read_training_ask(ASK), once) for _ in range(8)))
    assert len({job.id for job in jobs}) == len(await room.desk.find(TRAINER)) == 1


async def test_jobs_are_listed_newest_first_by_pages_model_and_state(room: Room) -> None:
    ids = [(await room.start(model=name)).id for name in ("a", "b", "a")][::-1]
    await room.desk.cancel(TRAINER, ids[0])

    async def found(**query: Any) -> list[str]:
        return [job.id for job in await room.desk.find(OTHER, **query)]

    assert await found() == ids
    assert await found(limit=2) == ids[:2]
    assert await found(after=ids[1]) == ids[2:]
    assert await found(model="a") == [ids[0], ids[2]]
    assert await found(model="a", state=JobState.CANCELLED) == ids[:1]
    for after in (NOBODYS, "job_\0", "batch_1"):
        with pytest.raises(InvalidRequest) as refusal:
            await found(after=after)
        assert refusal.value.param == "after"


@pytest.mark.parametrize("job_id", [NOBODYS, "", "..", "job_\0", "\u0458ob_" + "0" * 32])
async def test_a_job_that_is_not_there_is_not_found(room: Room, job_id: str) -> None:
    desk = room.desk
    for asked in (desk.get, desk.events, desk.cancel, desk.delete):
        with pytest.raises(NotFound):
            await asked(TRAINER, job_id)


async def test_a_queued_job_is_cancelled_at_once_and_a_running_one_by_its_worker(room: Room) -> None:
    queued = await room.start()
    assert (await room.desk.cancel(TRAINER, queued.id)).state is JobState.CANCELLED
    running = await room.start()
    await room.queue.lease("worker", 1, 30.0, 3)
    job = await room.desk.cancel(TRAINER, running.id)
    assert (job.state, job.cancelling) == (JobState.RUNNING, True)
    with pytest.raises(Conflict):
        await room.desk.delete(TRAINER, running.id)
    await room.queue.end(running.id, "worker", JobState.CANCELLED, "cancelled", "The training was cancelled.")
    assert (await room.desk.cancel(TRAINER, running.id)).state is JobState.CANCELLED
    await room.desk.delete(TRAINER, running.id)
    with pytest.raises(NotFound):
        await room.desk.get(TRAINER, running.id)


async def test_a_watched_job_is_told_to_its_end(room: Room) -> None:
    job = await room.start()
    events = room.desk.watch(TRAINER, job.id)
    assert (await anext(events)).message == "The training is queued."
    await room.queue.lease("worker", 1, 30.0, 3)
    for number in range(250):  # more than a page
        await room.queue.report(job.id, "worker", "fitting", number / 250, f"step {number}")
    await room.queue.end(job.id, "worker", JobState.FAILED, "unlearnable", "The target has one class.")
    seen = [event async for event in events]
    assert [event.number for event in seen] == list(range(2, len(seen) + 2))
    assert [event.message for event in seen if event.stage == "fitting"] == [f"step {n}" for n in range(250)]
    assert seen[-1].state is JobState.FAILED
    # Who comes late, or again, is told what is left of it.
    assert [event async for event in room.desk.watch(TRAINER, job.id, seen[-2].number)] == [seen[-1]]
    assert [event async for event in room.desk.watch(TRAINER, job.id, seen[-1].number)] == []


async def test_a_watcher_sees_the_end_of_a_job_that_it_waits_for(room: Room) -> None:
    job = await room.start()

    async def watched() -> list[JobState]:
        return [event.state async for event in room.desk.watch(OTHER, job.id)]

    async with asyncio.timeout(30):
        watching = asyncio.create_task(watched())
        await asyncio.sleep(0)
        await room.desk.cancel(TRAINER, job.id)
        assert (await watching)[-1] is JobState.CANCELLED
