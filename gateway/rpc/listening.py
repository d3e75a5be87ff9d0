"""Every procedure behind one door on one port."""

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from gateway.guards import Guards
from gateway.rpc.audit import recorded
from gateway.rpc.calls import CallLog
from gateway.rpc.datasets import Datasets
from gateway.rpc.door import Door, DoorPolicy
from gateway.rpc.gen import (
    datasets_pb2,
    models_pb2,
    open_inference_grpc_pb2,
    operations_pb2,
    training_pb2,
)
from gateway.rpc.models import Models
from gateway.rpc.open_inference import GRPCInferenceService
from gateway.rpc.operations import Check, Health, Operations, Reflection
from gateway.rpc.procedures import Procedure, procedures
from gateway.rpc.server import RpcAccount, RpcDesks, RpcPolicy
from gateway.rpc.training import Training

_MOST_CALLS = 512  # at once; more are refused with RESOURCE_EXHAUSTED
_ONLY_IDENTITY = 1  # of compression: inflating is how a kilobyte becomes a gigabyte


class Listening:
    def __init__(
        self, desks: RpcDesks, guards: Guards, account: RpcAccount, policy: RpcPolicy, *, share: bool
    ) -> None:
        """`share`: the port, with other workers of this gateway."""
        calls = CallLog(account.metrics, account.traces, account.lines)
        self._door = Door(
            _procedures(desks, policy.version), guards, calls, DoorPolicy(policy.message_timeout_s)
        )
        self._server = grpc.aio.server(
            handlers=(self._door,),
            maximum_concurrent_rpcs=_MOST_CALLS,
            options=[
                ("grpc.max_receive_message_length", policy.max_message_bytes),
                ("grpc.compression_enabled_algorithms_bitset", _ONLY_IDENTITY),
                # Unasked, a second gateway on the port is a mistake, not a helper.
                ("grpc.so_reuseport", int(share)),
                ("grpc.max_concurrent_streams", 128),  # of a connection
                ("grpc.max_connection_idle_ms", 300_000),
                ("grpc.keepalive_time_ms", 60_000),  # who does not answer is gone
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),  # more often is refused
            ],
        )
        self._host = f"[{policy.host}]" if ":" in policy.host else policy.host

    async def start(self, port: int) -> int:
        """Raises OSError when the port cannot be had."""
        try:
            port = self._server.add_insecure_port(f"{self._host}:{port}")
        except RuntimeError:
            raise OSError("The port for gRPC cannot be listened on.") from None
        await self._server.start()
        return port

    async def close(self, drain_s: float) -> None:
        self._door.end_streams()
        await self._server.stop(drain_s)


def _procedures(desks: RpcDesks, version: str) -> dict[str, Procedure]:
    training, inference = desks.training_status, desks.open_inference

    async def store_answers() -> bool:
        stores = (await training.facts())["stores"]
        return isinstance(stores, dict) and stores.get("database") == "up"

    async def inference_serves() -> bool:
        await inference.server_ready()
        return True

    async def always() -> bool:
        return True

    ours = {
        datasets_pb2.DESCRIPTOR.services_by_name["Datasets"]: (Datasets(desks.datasets), store_answers),
        training_pb2.DESCRIPTOR.services_by_name["Training"]: (
            Training(desks.training, desks.models),
            store_answers,
        ),
        models_pb2.DESCRIPTOR.services_by_name["Models"]: (
            Models(desks.catalog, desks.models, desks.predictions),
            store_answers,
        ),
        operations_pb2.DESCRIPTOR.services_by_name["Operations"]: (Operations(desks.status), always),
        open_inference_grpc_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]: (
            GRPCInferenceService(inference, version),
            inference_serves,
        ),
    }
    health = health_pb2.DESCRIPTOR.services_by_name["Health"]
    reflection = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
    names = [service.full_name for service in (*ours, health, reflection)]
    checks: dict[str, Check] = {service.full_name: check for service, (_, check) in ours.items()}
    known: dict[str, Procedure] = {}
    for service, (servicer, _) in ours.items():
        known |= recorded(procedures(service, servicer), desks.audit)
    known |= procedures(health, Health(checks, desks.stopping), public=True)
    known |= procedures(reflection, Reflection(names), public=True)
    return known
