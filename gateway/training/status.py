"""What the status page tells of training. Facts for people: nothing fails because a part is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.errors import GatewayError
from gateway.training.ports import Backlog, WorkerFacts, WorkerRoll

Probe = Callable[[], Awaitable[None]]  # returns when a store answers; raises GatewayError

_FRESH_S = 2.0  # the page may be asked for often, the stores are not
_PROBE_S = 2.0
_ALIVE_S = 30.0
_BY_WORKERS = ("registry", "dataset_remote")  # stores that only workers reach
_NO_WORKER = "unknown: no worker reports"


class TrainingStatus:
    def __init__(self, roll: WorkerRoll, probes: Mapping[str, Probe], alive_s: float = _ALIVE_S) -> None:
        """`probes`: of the stores that this process reaches itself, by name (`datasets`, `models`). A worker
        that reported within `alive_s` seconds is there."""
        self._roll = roll
        self._probes = probes
        self._alive_s = alive_s
        self._probing: dict[str, asyncio.Task[bool]] = {}  # what was begun last, by name
        self._lock = asyncio.Lock()
        self._told: dict[str, object] = {}
        self._fresh_until = 0.0

    async def facts(self) -> dict[str, object]:
        """As they are now or were a moment ago."""
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._told = await self._looked()
                self._fresh_until = time.monotonic() + _FRESH_S
            return self._told

    async def close(self) -> None:
        """Ends what is being looked at."""
        for probing in self._probing.values():
            probing.cancel()
        await asyncio.gather(*self._probing.values(), return_exceptions=True)

    async def _looked(self) -> dict[str, object]:
        (backlog, workers), probed = await asyncio.gather(self._roll_call(), self._probed())
        stores = {"database": "up" if backlog else "down", **probed}
        stores |= {name: _reported(name, workers) for name in _BY_WORKERS}
        return {
            "jobs": {"queued": backlog.queued, "running": backlog.running} if backlog else None,
            "workers": [_worker(one) for one in workers],
            "stores": stores,
            "datasets_due": backlog.datasets_due if backlog else None,
            "pushes_failing": backlog.pushes_failing if backlog else None,
            "registry_tasks": backlog.registry_tasks if backlog else None,
        }

    async def _probed(self) -> dict[str, str]:
        """Of each store: one that hangs is not asked again until it has answered, so that it holds one thread
        at most."""
        for name, probe in self._probes.items():
            if name not in self._probing or self._probing[name].done():
                self._probing[name] = asyncio.create_task(_answers(probe), name="store probe")
        if self._probing:
            await asyncio.wait(self._probing.values(), timeout=_PROBE_S)
        return {
            name: "up" if probing.done() and probing.result() else "down"
            for name, probing in self._probing.items()
        }

    async def _roll_call(self) -> tuple[Backlog | None, list[WorkerFacts]]:
        backlog = None
        try:
            backlog = await self._roll.backlog()
            return backlog, await self._roll.alive(self._alive_s)
        except GatewayError:
            return backlog, []


async def _answers(probe: Probe) -> bool:
    try:
        await probe()
    except GatewayError:
        return False
    return True


def _reported(store: str, workers: Sequence[WorkerFacts]) -> str:
    """What the workers say of a store; where one has trouble with it, that."""
    words = [one.stores[store] for one in workers if store in one.stores]
    return next((word for word in words if word not in ("up", "off")), words[0] if words else _NO_WORKER)


def _worker(facts: WorkerFacts) -> dict[str, object]:
    return {
        "id": facts.id,
        "engine": facts.engine,
        "capacity": facts.capacity,
        "running": facts.running,
        "stores": dict(facts.stores),
    }
