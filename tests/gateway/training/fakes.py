"""Stand-ins for what the desks of training ask. The shelves need none: SQLite's are quick enough."""

from collections.abc import Sequence

from gateway.errors import StoreUnavailable
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
