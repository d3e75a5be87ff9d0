"""What runs here and how well, as GET /v1/status tells it, and the gauges of the same.

Everything that somebody else must answer is asked in the background, each within its time, so that the page
answers when they do not.

Over 250 lines: each look is read beside what is told of it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from gateway.catalog import Catalog
from gateway.domain import Caller, Output, ServedModel
from gateway.errors import GatewayError
from gateway.guards import Guards
from gateway.health import SEEN_UP, WITHIN_S, Health, Look, ReplicaSeen, Seen, Service, State
from gateway.ports import Analyzer, ChatBackend, Embedder
from gateway.reviews import GraderAgreement, ReviewDesk
from gateway.slo import WINDOW_S, Slo
from gateway.tasks import ended
from gateway.training.ports import WorkerRoll
from gateway.watch import AWAY

log = logging.getLogger(__name__)

_EVERY_S = 15.0
_FRESH_S = 2.0  # the page may be asked for often, what is behind it is not
_PATIENCE_S = 0.25  # from a look's beginning: then the page tells what it knows
_AGREEMENT_S = 600.0
_ALIVE_S = 30.0
_FORGOTTEN_S = 86_400.0  # a deployment that had no worker for a day has none


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one queue."""

    count: int
    oldest_s: float | None  # None: nothing waits


class Queues(Protocol):
    """The store's queues. Fails with StoreUnavailable."""

    async def waiting(self) -> Mapping[str, Waiting]:
        """By name: batch_items, training_jobs, reviews, drift_runs."""

    async def writable(self) -> None:
        """Raises StoreUnavailable while nothing can be written."""


class LiveAnalyzer(Analyzer, Protocol):
    async def ready(self) -> bool:
        """Whether it can analyse now; answers at once."""


class Gauges(Protocol):
    """What is shown of it to Prometheus."""

    def services(self, up: Mapping[str, bool]) -> None:
        """Of every service that this deployment has."""

    def queues(self, waiting: Mapping[str, int], oldest_s: Mapping[str, float]) -> None:
        """Of an empty queue the oldest is 0 s."""

    def workers(self, count: int | None) -> None: ...  # None: not known

    def agreed(self, found: Sequence[GraderAgreement]) -> None: ...


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at."""

    catalog: Catalog
    backend: ChatBackend
    embedder: Embedder | None
    analyzer: LiveAnalyzer
    guards: Guards
    detector: Callable[[], Awaitable[str]]
    queues: Queues
    roll: WorkerRoll
    training: Callable[[], Awaitable[Mapping[str, object]]]
    prediction: Callable[[], Mapping[str, object]]
    reviews: ReviewDesk
    replicas: Callable[[], Mapping[str, Sequence[ReplicaSeen]]] = dict  # by the service's name


class Status:
    """`about`: what never changes, `limits`: those of every caller. Make it anywhere, use it in one loop."""

    def __init__(
        self,
        watched: Watched,
        gauges: Gauges,
        slo: Slo,
        about: Mapping[str, object],
        limits: Mapping[str, object],
    ) -> None:
        self._watched = watched
        self._gauges = gauges
        self._slo = slo
        self._about = about
        self._limits = limits
        looks: dict[str, Look] = {
            "llm": self._llm,
            "embeddings": self._embeddings,
            "store": self._store,
            "worker": self._worker,
            "masking": self._masking,
        }
        self._names = tuple(looks)
        self._health = Health(looks)
        self._queue: Mapping[str, Waiting] | None = None  # None: not known
        self._workers: int | None = None
        self._models: Sequence[ServedModel] = ()
        self._detector: str | None = None
        self._training: Mapping[str, object] | None = None
        self._look: asyncio.Task[None] | None = None
        self._began = 0.0
        self._looked = False  # once, from beginning to end
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Inside the running loop: looks and measures from now on, whether anybody asks or not."""
        self._tasks = [
            asyncio.create_task(self._keep_looking(), name="status"),
            asyncio.create_task(self._keep_measuring(), name="agreement"),
        ]

    async def close(self) -> None:
        for task in (*self._tasks, *([self._look] if self._look else [])):
            await ended(task)

    async def facts(self, caller: Caller) -> dict[str, Any]:
        """As it was a moment ago, or, where somebody does not answer, when it was last seen. Anybody with a
        key may ask: nothing here is an address or a secret."""
        patience = _PATIENCE_S if self._looked else WITHIN_S
        look = self._begun_look()
        await asyncio.wait({look}, timeout=max(0.0, self._began + patience - time.monotonic()))
        known = self._models
        return {
            **self._about,
            "model": next((model.name for model in known if model.output is Output.TEXT), None),
            "models": [model.name for model in known],
            "in_flight": self._watched.guards.in_flight,
            "masking": self._watched.guards.masking,
            "injection_detector": self._detector,
            "training": self._training,
            "prediction": self._watched.prediction(),
            "services": self._services(),
            "limits": {
                "requests_per_minute": caller.requests_per_minute,
                "tokens_per_minute": caller.tokens_per_minute,
                "max_parallel": caller.max_parallel,
                **self._limits,
            },
            "places": {
                server.value: {"in_flight": there, "limit": most}
                for server, (there, most) in self._watched.guards.places.items()
            },
            "queue": self._queue and {name: one.count for name, one in self._queue.items()},
            "slo": [{**asdict(one), "window_s": WINDOW_S} for one in self._slo.objectives()],
        }

    def _services(self) -> list[dict[str, Any]]:
        """With those that a service consists of, where it may be several."""
        replicas = self._watched.replicas()

        def told(service: Service) -> dict[str, Any]:
            some = replicas.get(service.name)
            return {**asdict(service), **({"replicas": [asdict(one) for one in some]} if some else {})}

        return [told(service) for service in self._health.all()]

    def _begun_look(self) -> asyncio.Task[None]:
        """The one that is under way, or was a moment ago, or a new one."""
        now = time.monotonic()
        if self._look is None or (self._look.done() and now >= self._began + _FRESH_S):
            self._began = now
            self._look = asyncio.create_task(self._looked_around(), name="status look")
        return self._look

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.wait({self._begun_look()})
            await asyncio.sleep(_EVERY_S)

    async def _keep_measuring(self) -> None:
        while True:
            pause = _AGREEMENT_S
            try:
                self._gauges.agreed(await self._watched.reviews.overall())
            except GatewayError:  # the store is down, which the look tells
                pause = _EVERY_S
            except Exception:  # the task's edge: whatever it is, the next one may go well
                log.exception("measuring the agreement failed")
            await asyncio.sleep(pause)

    async def _looked_around(self) -> None:
        # Each keeps at once what it has found: one that hangs holds up nobody's news.
        looks = (
            self._list_models(),
            self._look_for_detector(),
            self._look_at_training(),
            *(self._health.look(name) for name in self._names),
        )
        for outcome in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(outcome, Exception):  # a fault of ours; the next look may go well
                log.error("looking around failed", exc_info=outcome)
        self._looked = True
        self._show()

    def _show(self) -> None:
        here = [service for service in self._health.all() if service.state is not State.OFF]
        self._gauges.services({service.name: service.state is State.UP for service in here})
        queue = self._queue or {}
        self._gauges.queues(
            {name: one.count for name, one in queue.items()},
            {name: one.oldest_s or 0.0 for name, one in queue.items()},
        )
        self._gauges.workers(self._workers)

    async def _list_models(self) -> None:
        self._models = await self._watched.catalog.up(WITHIN_S)

    async def _look_for_detector(self) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                self._detector = await self._watched.detector()
        except TimeoutError:
            self._detector = AWAY

    async def _look_at_training(self) -> None:
        self._training = await self._watched.training()

    async def _llm(self) -> Seen:
        await self._watched.backend.served_model()
        return SEEN_UP

    async def _embeddings(self) -> Seen:
        if self._watched.embedder is None:
            return State.OFF, None
        await self._watched.embedder.models()
        return SEEN_UP

    async def _store(self) -> Seen:
        counted = None
        try:
            counted = await self._watched.queues.waiting()
        finally:
            self._queue = counted  # what is not known now is not told
        await self._watched.queues.writable()
        return SEEN_UP

    async def _worker(self) -> Seen:
        self._workers = None  # while it is not told
        self._workers = len(await self._watched.roll.alive(_ALIVE_S))
        if self._workers:
            return SEEN_UP
        if await self._watched.roll.alive(_FORGOTTEN_S):
            return State.DOWN, f"No worker reported within {_ALIVE_S:.0f} s."
        return State.OFF, "No worker reported within a day."

    async def _masking(self) -> Seen:
        if not self._watched.guards.masking:
            return State.OFF, None
        return SEEN_UP if await self._watched.analyzer.ready() else (State.DOWN, "No analyser is running.")
