"""The two servers' ports over several servers each. What they have in common is in replica_pool.py."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gateway.adapters.embeddings import Embeddings
from gateway.adapters.replica_pool import Pool, ReplicasPolicy, Told
from gateway.adapters.vllm import VLLM
from gateway.domain import Classification, Comparison, Estimate, ServedModel, Server
from gateway.health import ReplicaSeen
from gateway.retries import RetryBudget


class ChatReplicas:
    """Implements ChatBackend, and readiness's and the status's wishes of one."""

    def __init__(self, backends: Sequence[VLLM], policy: ReplicasPolicy, told: Told) -> None:
        self._pool: Pool[VLLM, ServedModel] = Pool(
            Server.LLM, backends, lambda one: one.known, lambda one: one.served_model(), policy, told
        )
        self._time = asyncio.get_running_loop().time
        self._answered_at: float | None = None

    async def close(self) -> None:
        await self._pool.close()

    @property
    def replicas(self) -> list[ReplicaSeen]:
        return self._pool.seen

    def at_work(self, within_s: float) -> bool:
        """Whether it has answered, and did so a moment ago or is being asked."""
        if self._answered_at is None:
            return False
        return bool(self._pool.in_flight) or self._time() - self._answered_at < within_s

    async def alive(self, within_s: float) -> None:
        await self._pool.alive(within_s)

    async def served_model(self) -> ServedModel:
        return await self._pool.listing()

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        answer = await self._pool.asked(lambda one: one.complete(body, timeout_s))
        self._answered_at = self._time()
        return answer

    @asynccontextmanager
    async def stream(self, body: bytes, timeout_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._pool.streamed(lambda one: one.stream(body, timeout_s)) as pieces:
            self._answered_at = self._time()
            yield pieces

    async def count_tokens(self, messages: Sequence[dict[str, Any]], timeout_s: float) -> int:
        return await self._pool.asked(lambda one: one.count_tokens(messages, timeout_s))


class EmbedderReplicas:
    """Implements Embedder."""

    def __init__(self, backends: Sequence[Embeddings], policy: ReplicasPolicy, told: Told) -> None:
        self._pool: Pool[Embeddings, list[ServedModel]] = Pool(
            Server.EMBEDDINGS, backends, lambda one: one.known, lambda one: one.models(), policy, told
        )

    async def close(self) -> None:
        await self._pool.close()

    @property
    def replicas(self) -> list[ReplicaSeen]:
        return self._pool.seen

    @property
    def budget(self) -> RetryBudget:
        """Of whoever else asks once more, too."""
        return self._pool.budget

    async def embed(
        self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
    ) -> tuple[list[list[float]], int]:
        return await self._pool.asked(lambda one: one.embed(texts, timeout_s, model))

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        return await self._pool.asked(lambda one: one.classify(model, texts, timeout_s))

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        return await self._pool.asked(lambda one: one.estimate(model, comparisons, timeout_s))

    async def models(self) -> list[ServedModel]:
        return await self._pool.listing()
