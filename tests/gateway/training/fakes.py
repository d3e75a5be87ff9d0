"""Stand-ins for what the desks of training ask. The shelves need none: SQLite's are quick enough."""

from collections.abc import Sequence

from gateway.errors import ModelUnavailable, StoreUnavailable
from gateway.training.ports import Backlog, WorkerFacts


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


class MemoryWeights:
    """Weights."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.removed: list[str] = []

    async def has(self, sha256: str) -> bool:
        return sha256 in self.kept

    async def put(self, sha256: str, data: bytes) -> None:
        self.kept[sha256] = data

    async def get(self, sha256: str) -> bytes:
        if sha256 not in self.kept:
            raise ModelUnavailable("Not there.")
        return self.kept[sha256]

    async def delete(self, sha256: str) -> None:
        self.removed.append(sha256)
        self.kept.pop(sha256, None)
