"""Submissions by reference where hardly any come: what fetches them is loaded for the first one."""

import asyncio
import importlib
from typing import TYPE_CHECKING

from gateway.adapters.artifact_policy import Allowed, ArtifactBounds
from gateway.domain import Artifact

if TYPE_CHECKING:
    from gateway.adapters.artifacts import HttpArtifacts


class LateArtifacts:
    """Implements Artifacts. Its client library takes a fifth of the gateway's start and 8 MB, and most
    gateways fetch nothing."""

    def __init__(self, allowed: Allowed, bounds: ArtifactBounds) -> None:
        self._allowed = allowed
        self._bounds = bounds
        self._loading = asyncio.Lock()
        self._loaded: HttpArtifacts | None = None

    async def fetch(self, artifact: Artifact) -> tuple[str, str]:
        """As HttpArtifacts does."""
        self._allowed.location(artifact.url)  # what is refused loads nothing
        async with self._loading:
            if self._loaded is None:
                module = await asyncio.to_thread(importlib.import_module, "gateway.adapters.artifacts")
                self._loaded = module.HttpArtifacts(self._allowed, self._bounds)
        return await self._loaded.fetch(artifact)

    async def close(self) -> None:
        if self._loaded is not None:
            await self._loaded.close()
