"""Settings -> the servers behind the gateway: the model server, the embeddings service; one or more each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.adapters.embeddings import Embeddings
from gateway.adapters.metrics import Metrics
from gateway.adapters.replica import Probing
from gateway.adapters.replica_pool import ReplicasPolicy
from gateway.adapters.replicas import ChatReplicas, EmbedderReplicas
from gateway.adapters.tracing import Traces
from gateway.adapters.vllm import VLLM
from gateway.breaker import BreakerPolicy
from gateway.domain import Server
from gateway.health import ReplicaSeen
from gateway.settings import Settings, addresses_of


@dataclass(frozen=True, slots=True)
class Backends:
    llm: ChatReplicas
    embedder: EmbedderReplicas | None  # None: this deployment has none

    def replicas(self) -> Mapping[str, Sequence[ReplicaSeen]]:
        """By the service's name."""
        found = {Server.LLM.value: self.llm.replicas}
        if self.embedder is not None:
            found[Server.EMBEDDINGS.value] = self.embedder.replicas
        return found

    async def close(self) -> None:
        if self.embedder is not None:
            await self.embedder.close()
        await self.llm.close()


def backends_of(settings: Settings, traces: Traces, metrics: Metrics) -> Backends:
    """Make them inside the running loop."""
    policy = ReplicasPolicy(
        BreakerPolicy(settings.breaker_failures, settings.breaker_open_s, settings.breaker_open_max_s),
        Probing(settings.probe_every_s, settings.probe_timeout_s),
        settings.retry_budget,
    )
    llm_key = settings.llm_api_key.get_secret_value()
    embeddings_key = settings.embeddings_api_key.get_secret_value()
    llm = [
        VLLM(
            url,
            llm_key,
            connect_timeout_s=settings.llm_connect_timeout_s,
            max_connections=settings.max_in_flight,
            trace=traces.headers,
        )
        for url in addresses_of(settings.llm_url)
    ]
    embeddings = [
        Embeddings(
            url,
            embeddings_key,
            connect_timeout_s=settings.llm_connect_timeout_s,
            max_connections=settings.max_in_flight,
            trace=traces.headers,
        )
        for url in addresses_of(settings.embeddings_url)
    ]
    return Backends(
        ChatReplicas(llm, policy, metrics),
        EmbedderReplicas(embeddings, policy, metrics) if embeddings else None,
    )
