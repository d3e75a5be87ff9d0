"""The worker over a real store, with a scripted engine, registry and DVC behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.dataset_chores import DatabaseChores
from gateway.adapters.database.model_mirror import DatabaseMirror
from gateway.errors import ModelNotFound, ModelUnavailable, NotFound, StoreUnavailable
from gateway.training.chores import Chores
from gateway.training.facts import DatasetVersion, JobState, ModelVersion, TrainingJob
from gateway.training.mirroring import Mirroring
from gateway.training.ports import (
    FitFailed,
    Fitted,
    Progress,
    RegistryUnavailable,
    StepFailed,
    WeightsRefused,
    Work,
    WorkerLost,
)
from gateway.training.trainings import Bench, Trainings
from gateway.training.worker_ports import RegistryTask
from tests.gateway.training.conftest import TRAINER, Room
from tests.gateway.training.facts import NOW, dataset, made
from tests.gateway.training.fakes import MemoryWeights

OWNER = "worker-1"
DVC_HASH = "cd" * 16


class ScriptedEngine:
    """Each run plays the next act: an error is raised, None trains, an event is waited for."""

    def __init__(self, *acts: Exception | asyncio.Event | None) -> None:
        self.acts = [*acts]
        self.works: list[Work] = []
        self.closed = 0

    async def run(self, work: Work) -> AsyncIterator[Progress | Fitted]:
        self.works.append(work)
        act = self.acts.pop(0) if self.acts else None
        try:
            yield Progress("fitting", 0.3, "fitted 3 of 10 trees")
            if isinstance(act, Exception):
                raise act
            if act is not None:
                await act.wait()
            (work.folder / "model.onnx").write_bytes(b"onnx")
            signature = made(TrainingJob(work.job_id, "ann", work.request, NOW), 1).signature
            yield Fitted(work.folder, f"{1:064x}", signature, {"accuracy": 0.9}, {})
        finally:
            self.closed += 1

    async def close(self) -> None: ...


class MemoryRegistry:
    faults = 0

    def __init__(self) -> None:
        self.kept: list[ModelVersion] = []
        self.told: list[RegistryTask] = []
        self.refused: set[str] = set()
        self.down = False

    async def register(self, job: TrainingJob, data: DatasetVersion, fitted: Fitted) -> ModelVersion:
        self._check()
        assert data.dvc_hash == DVC_HASH
        self.kept.append(made(job, len(self.kept) + 1))
        return self.kept[-1]

    async def registered(self, job_id: str) -> ModelVersion | None:
        self._check()
        return next((one for one in self.kept if one.lineage and one.lineage.job_id == job_id), None)

    async def versions(self) -> list[tuple[ModelVersion, str]]:
        self._check()
        return [(one, "there") for one in self.kept]

    async def weights(self, name: str, version: int) -> bytes:
        found = next(one for one in self.kept if (one.name, one.version) == (name, version))
        if found.sha256 in self.refused:
            raise WeightsRefused("The weights are not the registered ones.")
        return b"onnx"

    async def tell(self, task: RegistryTask) -> None:
        self._check()
        self.told.append(task)
        if task.kind == "delete":
            self.kept = [one for one in self.kept if (one.name, one.version) != (task.name, task.version)]

    def _check(self) -> None:
        if self.down:
            raise RegistryUnavailable("The registry does not answer.")


class Dvc:
    def __init__(self) -> None:
        self.added: list[str] = []
        self.pushed: list[str] = []
        self.removed: list[tuple[str, bool]] = []
        self.remote_is_down = False

    async def add(self, version: DatasetVersion) -> str:
        self.added.append(version.id)
        return DVC_HASH

    async def push(self, version: DatasetVersion) -> None:
        if self.remote_is_down:
            raise StepFailed("The remote cannot be reached.")
        self.pushed.append(version.id)

    async def pull(self, version: DatasetVersion) -> Path:
        return Path("data.csv")

    async def remove(self, version: DatasetVersion, shared: Callable[[], Awaitable[bool]]) -> None:
        self.removed.append((version.id, await shared()))


class Workshop:
    """A worker's parts over the room's store."""

    def __init__(self, room: Room, database: Database, folder: Path) -> None:
        self.room = room
        self.engine = ScriptedEngine()
        self.registry = MemoryRegistry()
        self.weights = MemoryWeights()
        self.dvc = Dvc()
        self.folder = folder
        bench = Bench(OWNER, 1, 30.0, folder, 1, patience_s=0.0)
        self.trainings = Trainings(
            room.queue, room.datasets, self.dvc, self.engine, self.registry, self.weights, bench
        )
        self.chores = Chores(DatabaseChores(database), self.dvc, OWNER, remote=True, lease_s=30.0)
        self.mirroring = Mirroring(DatabaseMirror(database, OWNER), self.registry, self.weights)

    async def until(self, holds: Callable[[TrainingJob], Any], job: TrainingJob) -> TrainingJob:
        async with asyncio.timeout(30):
            while not holds(found := await self.room.jobs.get(job.id)):
                await asyncio.sleep(0.01)
        return found

    async def over(self, job: TrainingJob) -> TrainingJob:
        await self.trainings.feed()
        return await self.until(lambda found: found.state.over, job)


@pytest.fixture
def workshop(room: Room, tmp_path: Path) -> Workshop:
    return Workshop(room, room.database, tmp_path / "scratch")


async def test_a_job_becomes_a_champion_and_leaves_no_scratch(workshop: Workshop) -> None:
    job = await workshop.over(await workshop.room.start())

    assert (job.state, job.model_version, job.progress) == (JobState.SUCCEEDED, 1, 1.0)
    champion = await workshop.room.models.get("fraud-lr")
    assert champion.champion
    assert workshop.weights.kept == {champion.sha256: b"onnx"}
    assert workshop.engine.works[0].dvc_hash == DVC_HASH
    said = [event.message for event in await workshop.room.jobs.events(job.id, 0, 100)]
    assert "fitted 3 of 10 trees" in said
    await workshop.trainings.close(5.0)
    assert not list(workshop.folder.iterdir())


async def test_a_job_whose_worker_died_after_registering_is_finished_and_not_trained_again(
    workshop: Workshop,
) -> None:
    job = await workshop.room.start()
    await workshop.room.queue.lease("worker-0", 1, lease_s=0.0, most_attempts=3)
    workshop.registry.kept.append(made(job, 1))

    over = await workshop.over(job)

    assert (over.state, over.model_version) == (JobState.SUCCEEDED, 1)
    assert workshop.engine.works == []
    assert list(workshop.weights.kept) == [workshop.registry.kept[0].sha256]


async def test_a_cancelled_training_is_stopped_where_it_is(workshop: Workshop) -> None:
    workshop.engine.acts = [asyncio.Event()]
    job = await workshop.room.start()
    await workshop.trainings.feed()
    await workshop.until(lambda found: found.stage == "fitting", job)

    cancelling = await workshop.room.desk.cancel(TRAINER, job.id)
    await workshop.trainings.renew()
    over = await workshop.until(lambda found: found.state.over, job)

    assert cancelling.cancelling
    assert over.state is JobState.CANCELLED
    assert workshop.engine.closed == 1
    with pytest.raises(ModelNotFound):
        await workshop.room.models.get("fraud-lr")


async def test_a_fault_of_the_data_ends_the_job_and_a_lost_process_does_not(workshop: Workshop) -> None:
    workshop.engine.acts = [FitFailed("one_class", "The training part has one class.")]
    failed = await workshop.over(await workshop.room.start())
    workshop.engine.acts = [WorkerLost("gone"), WorkerLost("gone")]
    third_time_lucky = await workshop.over(await workshop.room.start())
    workshop.engine.acts = [WorkerLost("The process died.")] * 3
    lost = await workshop.over(await workshop.room.start())

    assert (failed.state, failed.error_code) == (JobState.FAILED, "one_class")
    assert third_time_lucky.state is JobState.SUCCEEDED
    assert (lost.state, lost.error) == (JobState.FAILED, "The process died.")


async def test_an_outage_of_the_store_costs_a_line_of_the_log_and_no_fit(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> bool:
        raise StoreUnavailable("The store is not available.")

    job = await workshop.room.start()
    monkeypatch.setattr(workshop.room.queue, "report", down)

    over = await workshop.over(job)

    assert (over.state, over.attempts, len(workshop.engine.works)) == (JobState.SUCCEEDED, 1, 1)


async def test_a_registered_model_that_cannot_be_told_of_fails_no_job(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(sha256: str) -> bool:
        raise ModelUnavailable("The weights' store is down.")

    job = await workshop.room.start()
    with monkeypatch.context() as outage:
        outage.setattr(workshop.weights, "has", down)
        await workshop.trainings.feed()
        await workshop.until(lambda _: not workshop.trainings.running, job)
    waiting = await workshop.room.jobs.get(job.id)
    monkeypatch.setattr("gateway.training.trainings._JUST_NOW_S", -1.0)
    over = await workshop.over(job)

    assert waiting.state is JobState.RUNNING
    assert (over.state, over.model_version, over.attempts) == (JobState.SUCCEEDED, 1, 1)
    assert (len(workshop.engine.works), len(workshop.registry.kept)) == (1, 1)


async def test_a_lease_whose_answer_was_lost_is_given_back_and_costs_no_attempt(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = workshop.room.queue.lease

    async def lost(*arguments: Any) -> list[TrainingJob]:
        await lease(*arguments)
        raise StoreUnavailable("The store did not answer in time.")

    job = await workshop.room.start()
    with monkeypatch.context() as outage:
        outage.setattr(workshop.room.queue, "lease", lost)
        with pytest.raises(StoreUnavailable):
            await workshop.trainings.feed()

    assert (await workshop.over(job)).attempts == 1


async def test_a_worker_that_stops_gives_its_job_back_uncounted(workshop: Workshop) -> None:
    workshop.engine.acts = [asyncio.Event()]
    job = await workshop.room.start()
    await workshop.trainings.feed()
    await workshop.until(lambda found: found.stage == "fitting", job)

    await workshop.trainings.close(1.0)

    back = await workshop.room.jobs.get(job.id)
    assert (back.state, back.attempts, workshop.engine.closed) == (JobState.QUEUED, 0, 1)


async def test_a_job_that_another_worker_took_over_ends_there_only(workshop: Workshop) -> None:
    going_on = asyncio.Event()
    workshop.engine.acts = [going_on]
    job = await workshop.room.start()
    await workshop.trainings.feed()
    await workshop.until(lambda found: found.stage == "fitting", job)

    await workshop.room.queue.give_back(OWNER)
    (taken,) = await workshop.room.queue.lease("worker-2", 1, 30.0, 3)
    going_on.set()
    async with asyncio.timeout(30):
        while workshop.trainings.running:
            await asyncio.sleep(0.01)

    assert taken.id == job.id
    assert (await workshop.room.jobs.get(job.id)).state is JobState.RUNNING
    assert workshop.registry.kept == []


async def test_a_data_set_goes_into_dvc_and_to_the_remote_and_a_failed_push_stays_visible(
    workshop: Workshop,
) -> None:
    workshop.dvc.remote_is_down = True
    while await workshop.chores.step():
        pass
    waiting = await workshop.room.datasets.get("payments", 1)

    assert workshop.dvc.added == ["payments@1", "payments@2"]
    assert (waiting.kept.value, waiting.dvc_hash) == ("versioned", DVC_HASH)
    assert (waiting.attempts, waiting.error) == (1, "The remote cannot be reached.")
    assert workshop.chores.remote_state == "The remote cannot be reached."


async def test_a_deleted_data_set_leaves_dvc_and_its_twin_keeps_the_content(workshop: Workshop) -> None:
    await workshop.room.datasets.add(dataset(name="twin"))
    for name in ("payments", "twin"):
        while await workshop.chores.step():
            pass
        await workshop.room.datasets.delete(name, 1)
    while await workshop.chores.step():
        pass

    assert sorted(workshop.dvc.pushed) == ["payments@1", "payments@2", "twin@1"]
    assert workshop.dvc.removed == [("payments@1", True), ("twin@1", False)]
    with pytest.raises(NotFound):
        await workshop.room.datasets.get("twin")


async def test_a_champion_chosen_in_the_registry_is_served_and_a_tampered_one_is_not(
    workshop: Workshop,
) -> None:
    first = await workshop.over(await workshop.room.start())
    second = await workshop.over(await workshop.room.start())
    kept = workshop.registry.kept
    kept[:] = [replace(kept[0], champion=True), replace(kept[1], champion=False)]
    tampered = replace(kept[0], name="other", sha256="e" * 64)
    kept.append(tampered)
    workshop.registry.refused = {tampered.sha256}
    workshop.registry.faults = 2

    await workshop.mirroring.step()
    await workshop.mirroring.step()

    assert (first.model_version, second.model_version) == (1, 2)
    assert (await workshop.room.models.get("fraud-lr")).version == 1
    with pytest.raises(ModelNotFound):
        await workshop.room.models.get("other")
    assert "1 versions refused" in workshop.mirroring.registry_state
    assert "2 versions without a hash" in workshop.mirroring.registry_state


async def test_what_is_decided_here_reaches_a_registry_that_was_down(workshop: Workshop) -> None:
    await workshop.over(await workshop.room.start())
    await workshop.over(await workshop.room.start())
    workshop.registry.down = True
    await workshop.room.model_desk.promote(TRAINER, "fraud-lr", 1)
    await workshop.room.model_desk.delete(TRAINER, "fraud-lr", 2)
    await workshop.mirroring.step()
    unheard, state = [*workshop.registry.told], workshop.mirroring.registry_state
    champion = await workshop.room.models.get("fraud-lr")

    workshop.registry.down = False
    await workshop.mirroring.step()

    assert (unheard, state) == ([], "The registry does not answer.")
    assert champion.version == 1
    assert [(task.kind, task.version) for task in workshop.registry.told] == [("promote", 1), ("delete", 2)]
    assert list(workshop.weights.kept) == [champion.sha256]
    with suppress(ModelNotFound):
        await workshop.room.models.get("fraud-lr", 2)
        pytest.fail("a deleted version is there")
