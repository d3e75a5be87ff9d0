"""The registry and the store's shelf of models are kept alike.

The registry is the truth of what there is and which version is the champion; the shelf is what prediction
reads, so that neither a registry that is down nor a worker that is gone stops a prediction.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from gateway.errors import ModelUnavailable, StoreUnavailable
from gateway.training.facts import ModelVersion
from gateway.training.ports import RegistryUnavailable, Weights, WeightsRefused
from gateway.training.worker_ports import ModelMirror, Registry, RegistryTask

log = logging.getLogger(__name__)


class Mirroring:
    """`patience_s`: a registry that could not be told of a name is told of others for so long.
    `known_s`: so long weights are believed to lie where they were seen; a champion's never are."""

    def __init__(
        self,
        mirror: ModelMirror,
        registry: Registry,
        weights: Weights,
        patience_s: float = 10.0,
        known_s: float = 600.0,
    ) -> None:
        self._mirror = mirror
        self._registry = registry
        self._weights = weights
        self._patience_s = patience_s
        self._known_s = known_s
        self._failing: list[str] = []  # names that the registry could not be told of, the last failure last
        self._known: dict[str, float] = {}  # hashes whose weights lie where prediction reads, until when
        self.registry_state = self.models_state = "not asked yet"

    async def step(self) -> None:
        """Tells the registry what was decided here, then takes over what was decided there. Raises what the
        store raises."""
        try:
            await self._round()
        except RegistryUnavailable as error:
            self.registry_state = str(error)
            log.warning("the registry cannot be asked: %s", error)
        except ModelUnavailable as error:
            self.models_state = error.message
            log.warning("the weights' store cannot be used: %s", error.message)
        finally:
            with suppress(StoreUnavailable):  # the round's time runs out by itself
                await self._mirror.leave()

    async def _round(self) -> None:
        await self._tell_all(await self._mirror.tasks())
        found = await self._registry.versions()
        servable = [version for version, _ in found if await self._has_weights(version)]
        self.models_state = "up"
        await self._mirror.mirror(servable)
        self.registry_state = "up"
        if self._registry.faults:
            self.registry_state += f", {self._registry.faults} versions without a hash or a signature"
        if refused := len(found) - len(servable):
            self.registry_state += f", {refused} versions refused: not their hash"
        if self._failing:
            self.registry_state += f", models that it cannot be told of: {len(self._failing)}"

    async def _tell_all(self, tasks: Sequence[RegistryTask]) -> None:
        """Of one name in the order of the decisions. A name that fails waits for the next round and comes
        last there: one that always fails, or always takes the registry's deadline, must not stop others."""
        names = dict.fromkeys(task.name for task in tasks)
        self._failing = [name for name in self._failing if name in names]
        began_s, failed = monotonic(), False
        for name in [*(name for name in names if name not in self._failing), *self._failing]:
            if failed and monotonic() - began_s >= self._patience_s:
                return
            if name in self._failing:
                self._failing.remove(name)
            try:
                for task in tasks:
                    if task.name == name:
                        await self._tell(task)
            except (RegistryUnavailable, ModelUnavailable) as error:
                log.warning("the registry cannot be told of a model: %s", error)
                self._failing.append(name)
                failed = True

    async def _tell(self, task: RegistryTask) -> None:
        await self._registry.tell(task)
        if task.kind == "delete":
            # Asked now: telling takes seconds, and a job may have registered the same weights meanwhile.
            needed = await self._mirror.needed(task.sha256)
            if needed is None:
                return  # told again in the next round
            if not needed:
                self._known.pop(task.sha256, None)
                await self._weights.delete(task.sha256)
        await self._mirror.told(task)

    async def _has_weights(self, version: ModelVersion) -> bool:
        """Whether prediction can load it, made so where needed. What the registry holds may have been changed
        there: only bytes of the registered hash pass."""
        if not version.champion and self._known.get(version.sha256, 0.0) > monotonic():
            return True
        if not await self._weights.has(version.sha256):
            try:
                data = await self._registry.weights(version.name, version.version)
            except WeightsRefused:
                log.warning("the registry holds weights that are not the registered ones: not served")
                return False
            await self._weights.put(version.sha256, data)
        self._known[version.sha256] = monotonic() + self._known_s
        return True
