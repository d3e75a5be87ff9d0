"""What runs here, and whether it does, over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from gateway.domain import Caller
from gateway.errors import GatewayError, NotFound
from gateway.rpc.calls import Call
from gateway.rpc.convert import struct
from gateway.rpc.gen import operations_pb2 as pb
from gateway.stopping import Stopping

Facts = Callable[[Caller], Awaitable[Mapping[str, Any]]]
Check = Callable[[], Awaitable[bool]]  # raises GatewayError too where it is not

_WATCH_S = 2.0  # how often a watched service is looked at
_UNKNOWN: int = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
_SERVING: int = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: int = health_pb2.HealthCheckResponse.NOT_SERVING


class Operations:
    """The procedures of grading_gateway.v1.Operations."""

    def __init__(self, facts: Facts) -> None:
        """`facts`: what /v1/status tells."""
        self._facts = facts

    async def get_status(self, _: pb.GetStatusRequest, call: Call) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(status=struct(await self._facts(call.caller)))


class Health:
    """The procedures of grpc.health.v1.Health. The service "" is the process: it answers, and is not about
    to end."""

    def __init__(self, checks: Mapping[str, Check], stopping: Stopping) -> None:
        """`checks`: by the full name of a service, whether it can do its work."""
        self._checks = checks
        self._stopping = stopping

    async def check(self, asked: health_pb2.HealthCheckRequest, _: Call) -> health_pb2.HealthCheckResponse:
        status = await self._status(asked.service)
        if status == _UNKNOWN:
            raise NotFound("There is no such service.", param="service")
        return health_pb2.HealthCheckResponse(status=status)

    async def list(self, _: health_pb2.HealthListRequest, __: Call) -> health_pb2.HealthListResponse:
        told = health_pb2.HealthListResponse()
        for service in ("", *self._checks):
            told.statuses[service].status = await self._status(service)
        return told

    async def watch(
        self, asked: health_pb2.HealthCheckRequest, _: Call
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        told = None
        while True:
            status = await self._status(asked.service)
            if status != told:
                yield health_pb2.HealthCheckResponse(status=status)
            told = status
            await asyncio.sleep(_WATCH_S)

    async def _status(self, service: str) -> int:
        if service and service not in self._checks:
            return _UNKNOWN
        if self._stopping.begun:
            return _NOT_SERVING
        if not service:
            return _SERVING
        try:
            return _SERVING if await self._checks[service]() else _NOT_SERVING
        except GatewayError:
            return _NOT_SERVING


class Reflection:
    """The procedures of grpc.reflection.v1alpha.ServerReflection: they tell what proto/ tells."""

    def __init__(self, services: list[str]) -> None:
        self._reflection = reflection.aio.ReflectionServicer(services)

    def server_reflection_info(
        self, asked: AsyncIterator[reflection_pb2.ServerReflectionRequest], call: Call
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        answers: AsyncIterator[reflection_pb2.ServerReflectionResponse]
        answers = self._reflection.ServerReflectionInfo(asked, call)
        return answers
