"""The worker's trainings: each a task from its lease to its end.

Over 250 lines: a training's whole life is read here, one step below the other.
"""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway.errors import GatewayError, ModelUnavailable, NotFound, StoreUnavailable
from gateway.tasks import ended
from gateway.training.facts import DatasetVersion, JobState, ModelVersion, TrainingJob
from gateway.training.patience import patiently
from gateway.training.ports import (
    DatasetShelf,
    Engine,
    FitFailed,
    Fitted,
    StepFailed,
    Weights,
    Work,
    WorkerLost,
)
from gateway.training.worker_ports import DataVersions, JobQueue, Registry

log = logging.getLogger(__name__)
T = TypeVar("T")

_JUST_NOW_S = 5.0
_MOST_ATTEMPTS = 3  # workers that may die over a job, and processes within a worker


@dataclass(frozen=True, slots=True)
class Bench:
    """How much this worker does, and where."""

    owner: str
    concurrency: int
    lease_s: float
    folder: Path  # scratch
    threads: int  # of a fit
    patience_s: float = 600.0  # how long a fit waits for data or registry, which are down


class _Unfinished(Exception):
    """The model is registered, and the rest of the way is closed for now."""


class _Lost(Exception):
    """The lease ran out, because this process stood still, and another worker has the job."""


@dataclass(slots=True)
class _UnderWay:
    task: asyncio.Task[None]
    registering: bool = False  # too late to be cancelled
    cancelled: bool = False  # its caller wants no more of it


class Trainings:
    def __init__(
        self,
        queue: JobQueue,
        datasets: DatasetShelf,
        data: DataVersions,
        engine: Engine,
        registry: Registry,
        weights: Weights,
        bench: Bench,
    ) -> None:
        self._queue = queue
        self._datasets = datasets
        self._data = data
        self._engine = engine
        self._registry = registry
        self._weights = weights
        self._bench = bench
        self._under_way: dict[str, _UnderWay] = {}
        self._strays = False  # the store may say that this worker has jobs that it knows nothing of

    @property
    def running(self) -> int:
        return len(self._under_way)

    async def feed(self) -> bool:
        """Begins what there is room for; False: there was nothing, or no room."""
        bench = self._bench
        free = bench.concurrency - len(self._under_way)
        if not free:
            return False
        await self.renew()  # after an outage of the store, before anybody else looks for what was abandoned
        if self._strays:
            await self._queue.give_back(bench.owner, [*self._under_way])
        self._strays = True  # whether a lease whose answer is lost was given, nobody knows
        jobs = await self._queue.lease(bench.owner, free, bench.lease_s, _MOST_ATTEMPTS)
        self._strays = False
        for job in jobs:
            if (before := self._under_way.get(job.id)) is not None:
                await ended(before.task)  # this process stood still until its own lease was over
            task = asyncio.create_task(self._run(job), name="training")
            self._under_way[job.id] = _UnderWay(task)
            task.add_done_callback(partial(self._over, job.id))
        return bool(jobs)

    async def renew(self) -> None:
        """Keeps what is under way, and ends what its caller cancelled."""
        if not self._under_way:
            return
        for job_id in await self._queue.renew(self._bench.owner, self._bench.lease_s, [*self._under_way]):
            one = self._under_way.get(job_id)
            if one is not None and not one.registering and not one.cancelled:
                one.cancelled = True
                one.task.cancel()

    async def close(self, drain_s: float) -> None:
        """What is being registered gets `drain_s` seconds; every other fit is killed and queued again."""
        registering = [one.task for one in self._under_way.values() if one.registering]
        if registering:
            await asyncio.wait(registering, timeout=drain_s)
        for one in [*self._under_way.values()]:
            await ended(one.task)
        await self._queue.give_back(self._bench.owner)

    def _over(self, job_id: str, task: asyncio.Task[None]) -> None:
        one = self._under_way.get(job_id)
        if one is not None and one.task is task:
            del self._under_way[job_id]

    async def _run(self, job: TrainingJob) -> None:
        owner = self._bench.owner
        folder = self._bench.folder / f"{job.id}-{owner[:8]}"
        try:
            await self._train(job, folder)
        except asyncio.CancelledError:
            one = self._under_way.get(job.id)
            if one is None or not one.cancelled:
                raise  # the worker closes
            await self._end(job, JobState.CANCELLED, "cancelled", "The training was cancelled.")
        except _Lost:
            log.warning("a training was lost to another worker")
        except _Unfinished as reason:
            log.warning("a registered model waits to be told of: %s", reason)
            self._strays = True
        except FitFailed as error:
            await self._end(job, JobState.FAILED, error.code, error.message)
        except StepFailed as error:
            await self._end(job, JobState.FAILED, "unavailable", str(error))
        except NotFound:
            await self._end(job, JobState.FAILED, "dataset_deleted", "The data set is gone.")
        except GatewayError as error:
            # The store is down: when the lease is over, this worker or another begins again.
            log.warning("a training is left to its lease: %s", error.code.value)
        except Exception:
            # The last line of defence, as in the doors: the job says so, the log where.
            log.exception("a training failed unexpectedly")
            await self._end(job, JobState.FAILED, "internal", "The worker failed.")
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _train(self, job: TrainingJob, folder: Path) -> None:
        made = None
        if _begun_before(job):
            # That worker may have died between registering the model and telling the store.
            made = await self._patiently(lambda: self._registry.registered(job.id))
        if made is None:
            await self._report(job.id, "preparing", 0.0, "The data set is being read.")
            found = await self._patiently(lambda: self._dataset(job))
            version = await self._patiently(lambda: self._versioned(found))
            file = await self._patiently(lambda: self._data.pull(version))
            fitted = await self._fitted(job, version, file, folder)
            await self._registered(job, version, fitted)
        else:
            self._too_late_to_cancel(job)
            await self._finished(job, made, None)

    async def _dataset(self, job: TrainingJob) -> DatasetVersion:
        try:
            return await self._datasets.get(job.request.dataset, job.request.dataset_version)
        except StoreUnavailable as error:
            raise StepFailed(error.message) from None

    async def _versioned(self, version: DatasetVersion) -> DatasetVersion:
        """What is trained on is under DVC first."""
        return replace(version, dvc_hash=version.dvc_hash or await self._data.add(version))

    async def _fitted(self, job: TrainingJob, version: DatasetVersion, file: Path, folder: Path) -> Fitted:
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            await asyncio.to_thread(_emptied, folder)
            form, dvc_hash = version.table.format, version.dvc_hash or ""
            work = Work(job.id, job.request, file, form, dvc_hash, folder, self._bench.threads)
            try:
                return await self._followed(work)
            except WorkerLost:
                if attempt == _MOST_ATTEMPTS:
                    raise
                log.warning("a fit's process died; it is begun again")
        raise AssertionError

    async def _followed(self, work: Work) -> Fitted:
        async with aclosing(self._engine.run(work)) as steps:  # type: ignore[type-var]
            async for step in steps:
                if isinstance(step, Fitted):
                    return step
                await self._report(work.job_id, step.stage, step.share, step.message)
        raise WorkerLost("The fit ended without a model.")

    async def _registered(self, job: TrainingJob, version: DatasetVersion, fitted: Fitted) -> None:
        self._too_late_to_cancel(job)
        await self._report(job.id, "registering", 0.97, "The model is being registered.")
        made = await self._patiently(lambda: self._registry.register(job, version, fitted))
        await self._finished(job, made, fitted)

    async def _finished(self, job: TrainingJob, made: ModelVersion, fitted: Fitted | None) -> None:
        """From here on the job cannot fail: there is a model, which the registry shows to everybody."""
        try:
            await self._shelved(made, fitted)
            await self._told(job, made)
        except StepFailed as error:
            raise _Unfinished(str(error)) from None

    async def _shelved(self, made: ModelVersion, fitted: Fitted | None) -> None:
        """The weights lie where prediction reads them, before anybody hears of the version."""

        async def shelve() -> None:
            try:
                if await self._weights.has(made.sha256):
                    return
                if fitted is not None and fitted.sha256 == made.sha256:
                    data = await asyncio.to_thread((fitted.folder / "model.onnx").read_bytes)
                else:
                    data = await self._registry.weights(made.name, made.version)
                await self._weights.put(made.sha256, data)
            except ModelUnavailable as error:
                raise StepFailed(error.message) from None

        await self._patiently(shelve)

    async def _told(self, job: TrainingJob, made: ModelVersion) -> None:
        """A store that is down now must not cost the training."""

        async def tell() -> None:
            try:
                if not await self._queue.succeed(job.id, self._bench.owner, made):
                    log.warning("a training's end was told by another worker")
            except StoreUnavailable as error:
                raise StepFailed(error.message) from None

        await self._patiently(tell)

    async def _end(self, job: TrainingJob, state: JobState, code: str, message: str) -> None:
        try:
            await self._queue.end(job.id, self._bench.owner, state, code, message)
        except GatewayError as error:
            log.warning("a training's end could not be told: %s", error.code.value)

    async def _report(self, job_id: str, stage: str, share: float, message: str) -> None:
        """A line that the store cannot take now is worth no fit."""
        try:
            if not await self._queue.report(job_id, self._bench.owner, stage, share, message):
                raise _Lost
        except StoreUnavailable:
            log.warning("a line of a training's log was lost: the store is down")

    def _too_late_to_cancel(self, job: TrainingJob) -> None:
        one = self._under_way.get(job.id)
        if one is not None:
            one.registering = True

    async def _patiently(self, step: Callable[[], Awaitable[T]]) -> T:
        return await patiently(step, self._bench.patience_s)


def _begun_before(job: TrainingJob) -> bool:
    """By a worker that died or gave it back. Where clocks differ it costs a question, or a fit that is found
    to be registered."""
    since = datetime.now(UTC) - (job.started_at or datetime.now(UTC))
    return job.attempts > 1 or since.total_seconds() > _JUST_NOW_S


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
