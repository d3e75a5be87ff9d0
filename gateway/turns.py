"""The embeddings service, asked by graders a few at a time."""

import asyncio
from collections.abc import Sequence

from gateway.domain import Classification, Comparison, Estimate, ServedModel
from gateway.ports import Embedder


class InTurn:
    """Implements Embedder over another one. The service refuses what it cannot begin within 75 ms, which is
    right for a classifier's caller and wrong for a grade: of 200 gradings, eight at once, a third was lost.
    Waiting here for a turn does not count against a timeout; how many wait is bounded by the gateway's
    places."""

    def __init__(self, embedder: Embedder, at_once: int) -> None:
        self._embedder = embedder
        self._turns = asyncio.Semaphore(at_once)

    async def embed(
        self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
    ) -> tuple[list[list[float]], int]:
        async with self._turns:
            return await self._embedder.embed(texts, timeout_s, model)

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        async with self._turns:
            return await self._embedder.classify(model, texts, timeout_s)

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        async with self._turns:
            return await self._embedder.estimate(model, comparisons, timeout_s)

    async def models(self) -> list[ServedModel]:
        return await self._embedder.models()
