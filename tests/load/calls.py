"""A caller at the gRPC door, whose calls are rows of the report like any other."""

import os
import time
from collections.abc import Callable
from typing import Any

import grpc
import grpc.experimental.gevent
from locust import events
from locust.env import Environment

from tests.load.asking import InTurn

# Before the first channel: a call then waits in gevent's loop, and the other users go on.
grpc.experimental.gevent.init_gevent()


class Calling(InTurn):
    """One connection of its own, with the key of the environment's AUTH_TOKEN."""

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # Without a pool of its own, channels of one process to one address share a connection.
        self.channel = grpc.insecure_channel(
            environment.parsed_options.rpc, options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self._metadata = (("authorization", f"Bearer {os.environ['AUTH_TOKEN']}"),)

    def on_stop(self) -> None:
        self.channel.close()

    def call(self, name: str, procedure: Callable[..., Any], message: Any) -> None:
        """One call of the row `name`; any status but OK is an error."""
        began, length, error = time.perf_counter(), 0, None
        try:
            answer = procedure(
                message, metadata=self._metadata, timeout=self.environment.parsed_options.patience
            )
            length = answer.ByteSize()
        except grpc.RpcError as refusal:
            error = RuntimeError(refusal.code().name)  # without the details, which hold an address
        events.request.fire(
            request_type="gRPC",
            name=name,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=length,
            exception=error,
            context={},
        )
