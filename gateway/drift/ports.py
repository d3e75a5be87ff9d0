"""What drift needs from outside, and what happens when the outside is down."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gateway.drift.facts import (
    Compared,
    Comparison,
    DriftRun,
    ModelTraffic,
    Observation,
    Reference,
    Sighting,
    Window,
)


class Traffic(Protocol):
    """Where the line tells of its answers. Never waits, never raises: the answer is worth more."""

    def saw(self, sighting: Sighting) -> None: ...


class TrafficLog(Protocol):
    """The store's log of observations. Fails with StoreUnavailable; what could not be written is dropped and
    counted."""

    async def add(self, observations: Sequence[Observation]) -> None: ...

    async def read(self, model: str, window: Window, most: int) -> tuple[int, list[Observation]]:
        """How many observations lie in the window; and of them all, or `most` drawn evenly over it, oldest
        first."""

    async def read_reference(self, reference_id: str) -> list[Observation]:
        """Raises NotFound."""

    async def prune(self, before: datetime) -> int:
        """Deletes live observations older than that; references stay. Returns how many."""


class DriftShelf(Protocol):
    """References and runs. Fails closed with StoreUnavailable."""

    async def keep(self, reference: Reference, most: int) -> Reference:
        """Copies the window's observations, `most` at most and drawn evenly over it; the reference with its
        rows. Raises NotFound when there is none in the window."""

    async def references(self, model: str | None, limit: int) -> list[Reference]:
        """Newest first."""

    async def newest_reference(self, model: str) -> Reference | None: ...

    async def forget(self, reference_id: str) -> None:
        """Raises NotFound, and Conflict while a run that is not over needs it."""

    async def add(self, run: DriftRun) -> DriftRun:
        """Keeps a queued run; where one of the same model is queued already, that one and nothing new."""

    async def get(self, run_id: str) -> DriftRun:
        """Raises NotFound."""

    async def find(self, model: str | None, after: str | None, limit: int) -> list[DriftRun]:
        """Newest first, from behind the id `after`."""

    async def traffic(self) -> list[ModelTraffic]:
        """Of every model that was seen or has a reference, by name."""


class DriftQueue(Protocol):
    """What the worker takes from the store. Fails with StoreUnavailable."""

    async def schedule(self, every_s: float, window_s: float) -> int:
        """Queues a run for each model that has a reference and was not compared for `every_s` seconds.
        However many workers ask, each model gets one. Returns how many."""

    async def lease(self, owner: str, lease_s: float) -> DriftRun | None:
        """The oldest queued run, or one whose owner let it run out, now running and with one attempt more; a
        third loss fails it."""

    async def renew(self, run_id: str, owner: str, lease_s: float) -> bool:
        """False: it is no longer this owner's."""

    async def finish(self, run: DriftRun, owner: str) -> bool:
        """Writes how it ended, if it is still this owner's."""

    async def give_back(self, run_id: str, owner: str) -> None:
        """Queued again, and the attempt does not count: the worker is told to stop."""

    async def reports_in_use(self) -> set[str]:
        """Of the runs that are kept."""

    async def forget_report(self, sha256: str) -> None:
        """The runs that have it have none any more; their figures stay."""


class Reports(Protocol):
    """HTML reports by their sha256. Fails closed with StoreUnavailable."""

    async def put(self, html: bytes) -> str:
        """Its sha256 (hex). Whole or not at all."""

    async def get(self, sha256: str) -> bytes:
        """Raises NotFound."""

    async def delete(self, sha256: str) -> None:
        """What is not there is deleted already."""

    async def put_before(self, moment: datetime) -> list[str]:
        """The sha256 of those that were put before then."""


class DriftFailed(Exception):
    """A comparison that came to nothing, in constant words."""


class DriftEngine(Protocol):
    async def compare(self, comparison: Comparison) -> Compared:
        """Also puts the report into the drift service's workspace, where there is one; what fails there is
        told in the log only. Raises DriftFailed."""

    async def close(self) -> None: ...
