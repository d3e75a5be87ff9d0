"""The gRPC server: opened and closed beside the HTTP one, in the same loop.

gRPC is imported when the server starts, 0.4 s in a thread and 24 MB: a gateway without it never loads it.
"""

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.adapters.metrics import Metrics
from gateway.adapters.tracing import Traces
from gateway.audit import Audit
from gateway.catalog import Catalog
from gateway.domain import Caller
from gateway.guards import Guards
from gateway.open_inference import OpenInference
from gateway.prediction import Predictions
from gateway.stopping import Stopping
from gateway.training.datasets import DatasetDesk
from gateway.training.jobs import TrainingDesk
from gateway.training.models import ModelDesk
from gateway.training.status import TrainingStatus

if TYPE_CHECKING:
    from gateway.rpc.calls import Lines
    from gateway.rpc.listening import Listening


@dataclass(frozen=True, slots=True)
class RpcDesks:
    """The services behind the procedures."""

    catalog: Catalog
    datasets: DatasetDesk
    training: TrainingDesk
    models: ModelDesk
    predictions: Predictions
    open_inference: OpenInference
    training_status: TrainingStatus
    status: Callable[[Caller], Awaitable[Mapping[str, Any]]]  # what /v1/status tells
    audit: Audit
    stopping: Stopping


@dataclass(frozen=True, slots=True)
class RpcPolicy:
    host: str
    max_message_bytes: int
    message_timeout_s: float  # the silence before a caller's next message
    version: str  # of the gateway, for Open Inference's metadata


@dataclass(frozen=True, slots=True)
class RpcAccount:
    """Where it is told what the calls came to."""

    metrics: Metrics
    traces: Traces
    lines: "Lines"


class RpcServer:
    """One server; started once."""

    def __init__(self, desks: RpcDesks, guards: Guards, account: RpcAccount, policy: RpcPolicy) -> None:
        self._desks = desks
        self._guards = guards
        self._account = account
        self._policy = policy
        self._listening: Listening | None = None

    async def start(self, port: int, *, share: bool = False) -> int:
        """Answers from now on, at the port that is returned: with 0 any that is free. `share`: with other
        processes that share it too. Raises OSError when it cannot be had."""
        # Its C core would write lines of its own to stderr, which are no JSON and name callers' addresses.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        # Heavy, and not there for a gateway whose RPC_PORT is 0.
        module = await asyncio.to_thread(importlib.import_module, "gateway.rpc.listening")
        listening: Listening = module.Listening(
            self._desks, self._guards, self._account, self._policy, share=share
        )
        port = await listening.start(port)
        self._listening = listening
        return port

    async def close(self, drain_s: float) -> None:
        """Takes no more calls; what is under way has `drain_s` seconds, what streams is ended at once."""
        if self._listening is not None:
            await self._listening.close(drain_s)
