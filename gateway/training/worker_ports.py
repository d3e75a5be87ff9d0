"""What the worker needs from the store, and from DVC and the registry, which only it knows.

`owner` is one worker process; what it does not renew, others may take.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.training.facts import DatasetVersion, JobState, Kept, ModelVersion, TrainingJob
from gateway.training.ports import Fitted


class DatasetChores(Protocol):
    """What the worker still has to do with data sets."""

    async def due(self, owner: str, lease_s: float, remote: bool) -> DatasetVersion | None:
        """The oldest version that is due for DVC, else with `remote` the oldest that is due for the push,
        leased. A step that failed is due again after a pause that doubles up to ten minutes, and never given
        up."""

    async def done(self, version: DatasetVersion, owner: str, kept: Kept, dvc_hash: str) -> None: ...

    async def failed(self, version: DatasetVersion, owner: str, error: str) -> None: ...

    async def deleted(self, owner: str, lease_s: float) -> DatasetVersion | None:
        """A deleted version that is still under DVC, leased: its file is to go. After failed() it is due
        again, with the same pauses."""

    async def shared(self, version: DatasetVersion) -> bool:
        """Whether a live version has the same content now."""

    async def forget(self, version: DatasetVersion, owner: str) -> None:
        """It is out of DVC: its row goes too."""


class DataVersions(Protocol):
    """DVC, in the worker only; one step at a time. Raises StepFailed with constant text."""

    async def add(self, version: DatasetVersion) -> str:
        """Puts the version's file under DVC, or finds it there; returns its md5."""

    async def push(self, version: DatasetVersion) -> None:
        """Sends it to the remote, or finds it there."""

    async def pull(self, version: DatasetVersion) -> Path:
        """The file: from the workspace, else the cache, else the remote. Checked against the version's
        sha256."""

    async def remove(self, version: DatasetVersion, shared: Callable[[], Awaitable[bool]]) -> None:
        """Takes it out of workspace, cache and remote; only out of the workspace where another version has
        the same content. `shared` tells that, and is asked last of all."""


class JobQueue(Protocol):
    async def lease(self, owner: str, most: int, lease_s: float, most_attempts: int) -> list[TrainingJob]:
        """Running jobs whose worker is gone, and queued ones, by turns of their keys; state running now,
        `attempts` one more. A job over which `most_attempts` workers died has failed and is not given out."""

    async def renew(
        self, owner: str, lease_s: float, job_ids: Collection[str] | None = None
    ) -> frozenset[str]:
        """Those of them that the owner has, without `job_ids` all; returns those that are to be cancelled."""

    async def report(self, job_id: str, owner: str, stage: str, progress: float, message: str) -> bool:
        """A line of the log. False when the owner has lost it."""

    async def succeed(self, job_id: str, owner: str, made: ModelVersion) -> bool:
        """The job's end and its version on the models' shelf, together; the champion when the job promotes.
        False when the owner has lost it."""

    async def end(self, job_id: str, owner: str, state: JobState, code: str, error: str) -> bool:
        """failed or cancelled."""

    async def give_back(self, owner: str, keep: Collection[str] = ()) -> None:
        """All that the owner has, but for the jobs to keep, is queued again, the attempt not counted."""


@dataclass(frozen=True, slots=True)
class RegistryTask:
    """What the registry has not been told yet."""

    number: int
    kind: str  # promote | delete
    name: str
    version: int
    sha256: str  # of the version that was meant: a registry may have given its number again


class ModelMirror(Protocol):
    """One worker's side of the models' shelf. A round is tasks(), each told, and mirror() or leave(); of many
    workers one at a time is in one: the others have no tasks, and what they mirror is ignored."""

    async def tasks(self) -> list[RegistryTask]:
        """Oldest first. The registry's versions are to be asked for after this."""

    async def needed(self, sha256: str) -> bool | None:
        """Whether a version on the shelf has these weights; None: a model that is being registered may."""

    async def told(self, task: RegistryTask) -> None: ...

    async def mirror(self, versions: Sequence[ModelVersion]) -> None:
        """The shelf becomes what the registry has, but for names with open tasks and names that changed on
        the shelf since the round began: there the shelf is newer."""

    async def leave(self) -> None:
        """The round is over, whatever came of it."""


class Registry(Protocol):
    """MLflow or ClearML, in a process of its own with a deadline. Raises RegistryUnavailable."""

    faults: int  # versions that versions() left out the last time

    async def register(self, job: TrainingJob, data: DatasetVersion, fitted: "Fitted") -> ModelVersion:
        """A run (experiment, Task) with parameters, metrics, plots and lineage, and a version of the model
        with its weights; the alias `champion` where the job promotes. A job that is registered already is
        not registered twice: its version is returned."""

    async def registered(self, job_id: str) -> ModelVersion | None: ...

    async def versions(self) -> list[tuple[ModelVersion, str]]:
        """Every version with where its weights lie, by the registry; versions whose signature or hash cannot
        be read are left out and counted."""

    async def weights(self, name: str, version: int) -> bytes: ...

    async def tell(self, task: RegistryTask) -> None:
        """Told twice is told once. What has the version's number but not its hash is not deleted."""
