"""What data sets, training and models need from outside, and what happens when the outside is down.

The store's shelves fail closed with StoreUnavailable. What only the worker needs of the store is in
worker_ports.py.

Over 250 lines: one short protocol after the other.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.records import Once
from gateway.training.facts import (
    Cell,
    DatasetSummary,
    DatasetVersion,
    JobEvent,
    JobState,
    ModelVersion,
    Prediction,
    Signature,
    Table,
    TableFormat,
    TrainingJob,
    TrainingRequest,
)


class StepFailed(Exception):
    """A step of the worker that is tried again. The message is constant text: no path, no cell."""


class RegistryUnavailable(StepFailed):
    pass


class WeightsRefused(RegistryUnavailable):
    """The registry answers, but this version's weights are not there or not the registered ones."""


class WorkerLost(StepFailed):
    """The process that did the work is gone, or took too long to say anything."""


class FitFailed(Exception):
    """The data's or the parameters' fault: the same again would fail again. `code`: a word for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


# Data sets


@dataclass(frozen=True, slots=True)
class Received:
    """An upload that is whole and on disk, and no version yet."""

    path: Path
    sha256: str
    size: int


class DatasetFiles(Protocol):
    """The folder that gateway and worker share. Fails closed with StoreUnavailable."""

    async def receive(self, chunks: AsyncIterator[bytes]) -> Received:
        """Streams an upload to disk. Raises PayloadTooLarge as soon as it is one, BodyTimeout; then nothing
        is left behind."""

    async def check(self, received: Received, form: TableFormat, target: str | None) -> Table:
        """Reads all of it in a process of its own. Raises InvalidDataset with the line where it breaks,
        Overloaded when too many are being checked."""

    async def keep(self, received: Received, file: Path) -> None:
        """Moves it to its place, safe from a power cut."""

    async def discard(self, received: Received) -> None:
        """Forgets an upload that became no version."""

    async def take_back(self, file: Path) -> None:
        """Removes what was kept and became no version."""


class DatasetShelf(Protocol):
    async def number(self, name: str) -> int:
        """A version number that nobody else gets; one that is not used leaves a gap."""

    async def add(self, version: DatasetVersion) -> DatasetVersion:
        """The version; or the newest one where it has the same content, format and target: then nothing is
        written. Raises NotKept where that is sure, else StoreUnavailable: it may be written then."""

    async def latest(self, name: str) -> DatasetVersion | None: ...

    async def get(self, name: str, version: int | None = None) -> DatasetVersion:
        """Without a version the newest. Raises NotFound."""

    async def versions(self, name: str, limit: int) -> list[DatasetSummary]:
        """Newest first. Raises NotFound when there is none."""

    async def find(self, after: str | None, limit: int) -> list[DatasetVersion]:
        """The newest version of each data set, by name, from behind the name `after`."""

    async def delete(self, name: str, version: int | None) -> None:
        """One version or all: gone for callers at once, and due to be taken out of DVC. Raises NotFound,
        and Conflict while a job that is not over needs it."""


# Jobs


class JobShelf(Protocol):
    async def add(self, job: TrainingJob, note: str, once: Once | None, most_open: int) -> TrainingJob:
        """Keeps the job and `note` as its first event. Under an idempotency key that was used already, the
        job of then. Raises Conflict when it was used for another body, RateLimited when the key has
        `most_open` jobs that are not over, NotFound when the data set went meanwhile."""

    async def made(self, key_id: str, once: Once) -> TrainingJob | None:
        """The job under that idempotency key. Raises Conflict when it was for another body."""

    async def get(self, job_id: str) -> TrainingJob:
        """Raises NotFound."""

    async def find(
        self, model: str | None, state: JobState | None, after: str | None, limit: int
    ) -> list[TrainingJob]:
        """A page, newest first, without the features' names. Raises InvalidRequest for an `after` that is no
        job."""

    async def events(self, job_id: str, after: int, limit: int) -> list[JobEvent]:
        """From behind the number `after`, oldest first."""

    async def cancel(self, job_id: str) -> TrainingJob:
        """A queued job is cancelled at once, a running one by its worker; one that is over stays as it
        is."""

    async def delete(self, job_id: str) -> None:
        """With its events. Raises Conflict while it is not over, NotFound."""


# Models


class ModelShelf(Protocol):
    """What the registry says, as prediction sees it; the worker keeps the two alike."""

    async def champions(self) -> list[ModelVersion]: ...

    async def versions(self, name: str) -> list[ModelVersion]:
        """Newest first. Raises ModelNotFound."""

    async def get(self, name: str, version: int | None = None) -> ModelVersion:
        """Without a version the champion. Raises ModelNotFound."""

    async def promote(self, name: str, version: int) -> ModelVersion:
        """The champion from now on, here and, by the worker, in the registry. Raises ModelNotFound."""

    async def delete(self, name: str, version: int | None) -> None:
        """Gone here at once, from the registry by the worker. When the champion goes, the newest version
        that is left becomes it. Raises ModelNotFound, and Conflict while a job of that name is not over."""


class Weights(Protocol):
    """ONNX files by their sha256: a folder or S3, shared by workers and gateways."""

    async def has(self, sha256: str) -> bool: ...

    async def put(self, sha256: str, data: bytes) -> None: ...

    async def get(self, sha256: str) -> bytes:
        """Raises ModelUnavailable when what lies there has another hash or cannot be read."""

    async def delete(self, sha256: str) -> None: ...


# Workers


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker says of itself every few seconds."""

    id: str
    engine: str
    capacity: int  # fits at once
    running: int
    stores: Mapping[str, str]  # registry, dataset_remote, models: "up", "off", or why not: constant text


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits."""

    queued: int  # jobs
    running: int
    datasets_due: int  # versions whose next DVC step is not done
    pushes_failing: int  # of them, those whose last attempt failed
    registry_tasks: int


class WorkerRoll(Protocol):
    async def report(self, facts: WorkerFacts) -> None: ...

    async def alive(self, within_s: float) -> list[WorkerFacts]:
        """Those who reported within that time."""

    async def backlog(self) -> Backlog: ...


# Work


@dataclass(frozen=True, slots=True)
class Work:
    """A job as the engine gets it."""

    job_id: str
    request: TrainingRequest
    data: Path
    format: TableFormat
    dvc_hash: str
    folder: Path  # empty; what is made is put here
    threads: int


@dataclass(frozen=True, slots=True)
class Progress:
    stage: str
    share: float  # 0..1
    message: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit left in its folder."""

    folder: Path  # model.onnx, model.skops, *.png, report.json
    sha256: str  # of model.onnx
    signature: Signature
    metrics: Mapping[str, float]
    parameters: Mapping[str, object]  # the estimator's, all of them


class Engine(Protocol):
    """Where fits run: local processes or Ray. Bounded."""

    def run(self, work: Work) -> AsyncIterator[Progress | Fitted]:
        """Ends with Fitted. Raises FitFailed (the data's or the parameters' fault: not tried again),
        WorkerLost (tried again). Closing the iterator kills the work."""

    async def close(self) -> None: ...


# Prediction


class Predictor(Protocol):
    """Loaded models."""

    @property
    def pushed_out(self) -> int:
        """How many left the memory so far because others came."""

    async def load(self, model: ModelVersion) -> "LoadedFile":
        """From memory, where it is there. Raises ModelUnavailable; when loading takes more than some seconds
        too, and then it goes on."""


class Champions(Protocol):
    """The champions as the store had them a moment ago, in memory."""

    def get(self, name: str) -> ModelVersion | None: ...

    def all(self) -> list[ModelVersion]: ...

    def unavailable(self) -> frozenset[str]:
        """Names whose champion could not be loaded."""


class LoadedFile(Protocol):
    """A model in memory. What replaces the file does not touch it."""

    @property
    def sha256(self) -> str: ...

    @property
    def signature(self) -> Signature: ...

    async def predict(self, rows: Sequence[Sequence[Cell]]) -> list[Prediction]:
        """Of rows in the order of the signature's features, checked against it. Raises InvalidRequest for
        rows that the model has no finite answer to, ModelUnavailable."""


class WatchedFile(Protocol):
    """A model file that may be replaced at any time."""

    @property
    def state(self) -> str:
        """`up`, or what is wrong: constant text."""

    def current(self) -> LoadedFile:
        """The newest one that could be loaded. Raises ModelUnavailable when there was none yet."""
