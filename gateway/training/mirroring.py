"""The registry and the store's shelf of models are kept alike.

The registry is the truth of what there is and which version is the champion; the shelf is what prediction
reads, so that neither a registry that is down nor a worker that is gone stops a prediction.
"""

import logging

from gateway.errors import ModelUnavailable
from gateway.training.facts import ModelVersion
from gateway.training.ports import (
    ModelMirror,
    Registry,
    RegistryTask,
    RegistryUnavailable,
    Weights,
    WeightsRefused,
)

log = logging.getLogger(__name__)


class Mirroring:
    def __init__(self, mirror: ModelMirror, registry: Registry, weights: Weights) -> None:
        self._mirror = mirror
        self._registry = registry
        self._weights = weights
        self._kept: set[str] = set()  # hashes whose weights are known to lie where prediction reads
        self.registry_state = self.models_state = "not asked yet"

    async def step(self) -> None:
        """Tells the registry what was decided here, then takes over what was decided there. Raises what the
        store raises."""
        try:
            for task in await self._mirror.tasks():
                await self._tell(task)
            found = await self._registry.versions()
            servable = [version for version, _ in found if await self._has_weights(version)]
        except RegistryUnavailable as error:
            self.registry_state = str(error)
            log.warning("the registry cannot be asked: %s", error)
            return
        except ModelUnavailable as error:
            self.models_state = error.message
            log.warning("the weights' store cannot be used: %s", error.message)
            return
        self.models_state = "up"
        await self._mirror.mirror(servable)
        refused = len(found) - len(servable)
        self.registry_state = f"up, {refused} versions refused: not their hash" if refused else "up"

    async def _tell(self, task: RegistryTask) -> None:
        await self._registry.tell(task)
        if task.sha256:
            await self._weights.delete(task.sha256)
            self._kept.discard(task.sha256)
        await self._mirror.told(task)

    async def _has_weights(self, version: ModelVersion) -> bool:
        """Whether prediction can load it, made so where needed. What the registry holds may have been changed
        there: only bytes of the registered hash pass."""
        if version.sha256 in self._kept:
            return True
        if not await self._weights.has(version.sha256):
            try:
                data = await self._registry.weights(version.name, version.version)
            except WeightsRefused:
                log.warning("the registry holds weights that are not the registered ones: not served")
                return False
            await self._weights.put(version.sha256, data)
        self._kept.add(version.sha256)
        return True
