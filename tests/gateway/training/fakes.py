"""The shelves of training in memory. What is asked of them in these tests is asked of the database too."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from gateway.errors import Conflict, InvalidRequest, ModelNotFound, NotFound, RateLimited, StoreUnavailable
from gateway.records import Once
from gateway.training.facts import DatasetVersion, JobEvent, JobState, ModelVersion, TrainingJob
from gateway.training.ports import Backlog, WorkerFacts


class MemoryDatasets:
    """DatasetShelf as far as jobs need it."""

    def __init__(self) -> None:
        self.kept: list[DatasetVersion] = []

    async def number(self, name: str) -> int:
        return 1 + max((one.version for one in self.kept if one.name == name), default=0)

    async def add(self, version: DatasetVersion) -> None:
        self.kept.append(version)

    async def latest(self, name: str) -> DatasetVersion | None:
        found = [one for one in self.kept if one.name == name]
        return max(found, key=lambda one: one.version, default=None)

    async def get(self, name: str, version: int | None = None) -> DatasetVersion:
        for one in await self.versions(name):
            if version in (None, one.version):
                return one
        raise NotFound("There is no such version.", param="version")

    async def versions(self, name: str) -> list[DatasetVersion]:
        found = [one for one in self.kept if one.name == name]
        if not found:
            raise NotFound("There is no data set of that name.", param="name")
        return sorted(found, key=lambda one: -one.version)

    async def find(self, after: str | None, limit: int) -> list[DatasetVersion]:
        names = sorted({one.name for one in self.kept if one.name > (after or "")})
        return [await self.get(name) for name in names[:limit]]

    async def delete(self, name: str, version: int | None) -> None:
        gone = [one for one in await self.versions(name) if version in (None, one.version)]
        self.kept = [one for one in self.kept if one not in gone]


class MemoryModels:
    """ModelShelf."""

    def __init__(self) -> None:
        self.kept: list[ModelVersion] = []
        self.busy: set[str] = set()  # names of models with a job that is not over

    async def champions(self) -> list[ModelVersion]:
        return [one for one in self.kept if one.champion]

    async def versions(self, name: str) -> list[ModelVersion]:
        found = [one for one in self.kept if one.name == name]
        if not found:
            raise ModelNotFound("There is no trained model of that name.", param="name")
        return sorted(found, key=lambda one: -one.version)

    async def get(self, name: str, version: int | None = None) -> ModelVersion:
        for one in await self.versions(name):
            if one.version == version or (version is None and one.champion):
                return one
        raise ModelNotFound("There is no such version.", param="version")

    async def promote(self, name: str, version: int) -> ModelVersion:
        await self.get(name, version)
        for place, one in enumerate(self.kept):
            if one.name == name:
                self.kept[place] = replace(one, champion=one.version == version)
        return await self.get(name, version)

    async def delete(self, name: str, version: int | None) -> None:
        gone = [one for one in await self.versions(name) if version in (None, one.version)]
        if not gone:
            raise ModelNotFound("There is no such version.", param="version")
        if name in self.busy:
            raise Conflict("A training of that model is not over.", param="name")
        self.kept = [one for one in self.kept if one not in gone]
        left = [one for one in self.kept if one.name == name]
        if left and not any(one.champion for one in left):
            await self.promote(name, max(one.version for one in left))

    def shelve(self, made: ModelVersion) -> None:
        if made.champion:
            self.kept = [replace(one, champion=one.champion and one.name != made.name) for one in self.kept]
        self.kept.append(made)


class MemoryJobs:
    """JobShelf, and of JobQueue what a worker needs that never dies."""

    def __init__(self, models: MemoryModels) -> None:
        self._models = models
        self._jobs: dict[str, TrainingJob] = {}
        self._events: dict[str, list[JobEvent]] = {}
        self._once: dict[tuple[str, str], tuple[str, str]] = {}  # to the body's hash and the job

    async def add(self, job: TrainingJob, note: str, once: Once | None, most_open: int) -> TrainingJob:
        if once and (made := await self.made(job.key_id, once)):
            return made
        if sum(one.key_id == job.key_id and not one.state.over for one in self._jobs.values()) >= most_open:
            raise RateLimited(f"The key has {most_open} trainings that are not over.", retry_after=60.0)
        self._put(job, note)
        if once:
            self._once[job.key_id, once.key] = (once.body_hash, job.id)
        return job

    async def made(self, key_id: str, once: Once) -> TrainingJob | None:
        body_hash, job_id = self._once.get((key_id, once.key), (None, ""))
        if body_hash not in (None, once.body_hash):
            raise Conflict("This idempotency key was used for another request.", param="Idempotency-Key")
        return self._jobs.get(job_id)

    async def get(self, job_id: str) -> TrainingJob:
        if job_id not in self._jobs:
            raise NotFound("There is no training job of that id.", param="id")
        return self._jobs[job_id]

    async def find(
        self, model: str | None, state: JobState | None, after: str | None, limit: int
    ) -> list[TrainingJob]:
        found = sorted(self._jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)
        if after is not None:
            if after not in self._jobs:
                raise InvalidRequest("There is no job of that id to go on from.", param="after")
            found = found[[job.id for job in found].index(after) + 1 :]
        wanted = [job for job in found if model in (None, job.request.model) and state in (None, job.state)]
        return wanted[:limit]

    async def events(self, job_id: str, after: int, limit: int) -> list[JobEvent]:
        return [event for event in self._events[job_id] if event.number > after][:limit]

    async def cancel(self, job_id: str) -> TrainingJob:
        job = await self.get(job_id)
        if job.state is JobState.QUEUED:
            job = replace(job, state=JobState.CANCELLED, stage="over", ended_at=datetime.now(UTC))
            self._put(job, "cancelled")
        elif job.state is JobState.RUNNING:
            job = self._jobs[job_id] = replace(job, cancelling=True)
        return job

    async def delete(self, job_id: str) -> None:
        if not (await self.get(job_id)).state.over:
            raise Conflict("The job is not over: cancel it first.", param="id")
        del self._jobs[job_id], self._events[job_id]

    async def lease(self, owner: str, most: int, lease_s: float, most_attempts: int) -> list[TrainingJob]:
        queued = [job for job in self._jobs.values() if job.state is JobState.QUEUED]
        for job in queued[:most]:
            started = datetime.now(UTC)
            leased = replace(job, state=JobState.RUNNING, stage="preparing", started_at=started, attempts=1)
            self._put(leased, "started")
        return [self._jobs[job.id] for job in queued[:most]]

    async def report(self, job_id: str, owner: str, stage: str, progress: float, message: str) -> None:
        self._put(replace(self._jobs[job_id], stage=stage, progress=progress), message)

    async def succeed(self, job_id: str, owner: str, made: ModelVersion) -> bool:
        self._models.shelve(made)
        job = replace(self._jobs[job_id], progress=1.0, model_version=made.version, metrics=made.metrics)
        self._put(_over(job, JobState.SUCCEEDED), "succeeded")
        return True

    async def end(self, job_id: str, owner: str, state: JobState, code: str, error: str) -> bool:
        self._put(_over(replace(self._jobs[job_id], error_code=code, error=error), state), error)
        return True

    def _put(self, job: TrainingJob, message: str) -> None:
        self._jobs[job.id] = job
        log = self._events.setdefault(job.id, [])
        log.append(JobEvent(len(log) + 1, datetime.now(UTC), job.state, job.stage, job.progress, message))


def _over(job: TrainingJob, state: JobState) -> TrainingJob:
    return replace(job, state=state, stage="over", ended_at=datetime.now(UTC))


class MemoryRoll:
    """WorkerRoll; without a backlog the store is down."""

    def __init__(self, backlog: Backlog | None, workers: Sequence[WorkerFacts] = ()) -> None:
        self.waiting = backlog
        self.workers = list(workers)
        self.asked = 0

    async def report(self, facts: WorkerFacts) -> None:
        self.workers.append(facts)

    async def alive(self, within_s: float) -> list[WorkerFacts]:
        return self.workers

    async def backlog(self) -> Backlog:
        self.asked += 1
        if self.waiting is None:
            raise StoreUnavailable("The store did not answer in time.")
        return self.waiting
