"""The embeddings service, asked by graders a few at a time, and again when it is busy."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gateway.domain import Classification, Comparison, Estimate, ServedModel
from gateway.errors import BackendBusy
from gateway.ports import Embedder
from gateway.retries import RetryBudget

_PAUSES_S = (0.05, 0.1, 0.2, 0.4)

T = TypeVar("T")


class InTurn:
    """Implements Embedder over another one. The service refuses what it cannot begin within 75 ms, which is
    right for a classifier's caller and wrong for a grade: of 200 gradings, eight at once, a third was lost.
    So a grader waits for its turn, which does not count against a timeout, and asks up to four times more, as
    far as the budget of everybody's retries goes. How many wait is bounded by the gateway's places."""

    def __init__(
        self,
        embedder: Embedder,
        at_once: int,
        budget: RetryBudget,
        again: Callable[[], None] = lambda: None,
    ) -> None:
        """`again` is called whenever it is asked once more. The budget is paid into by `embedder`."""
        self._embedder = embedder
        self._budget = budget
        self._again = again
        self._turns = asyncio.Semaphore(at_once)

    async def embed(
        self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
    ) -> tuple[list[list[float]], int]:
        return await self._asked(lambda: self._embedder.embed(texts, timeout_s, model))

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        return await self._asked(lambda: self._embedder.classify(model, texts, timeout_s))

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        return await self._asked(lambda: self._embedder.estimate(model, comparisons, timeout_s))

    async def models(self) -> list[ServedModel]:
        return await self._embedder.models()

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self._turns:
            for pause_s in _PAUSES_S:
                try:
                    return await ask()
                except BackendBusy:
                    if not self._budget.take():
                        raise
                    self._again()
                    await asyncio.sleep(pause_s * (0.5 + random.random()))  # noqa: S311 - no secret
            return await ask()
