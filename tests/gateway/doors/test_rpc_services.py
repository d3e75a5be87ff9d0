"""What gRPC has beside REST: health, reflection, raw tensors, streamed uploads that break, and its start."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.rpc.gen import datasets_pb2, datasets_pb2_grpc, open_inference_grpc_pb2_grpc, operations_pb2
from gateway.rpc.gen import open_inference_grpc_pb2 as inference
from gateway.rpc.gen.operations_pb2_grpc import OperationsStub
from tests.gateway.conftest import KEY
from tests.gateway.doors.clients import RpcClient
from tests.gateway.doors.conftest import MESSAGE_BYTES, House
from tests.gateway.doors.test_both_doors import TABLE, trained

METADATA = (("authorization", f"Bearer {KEY}"),)
SERVING = health_pb2.HealthCheckResponse.SERVING


async def test_health_is_told_by_service_without_a_key(rpc_client: RpcClient) -> None:
    health = health_pb2_grpc.HealthStub(rpc_client.channel)
    for service in ("", "grading_gateway.v1.Training", "inference.GRPCInferenceService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == SERVING, service
    assert (await health.List(health_pb2.HealthListRequest())).statuses[""].status == SERVING
    watched = health.Watch(health_pb2.HealthCheckRequest(service="students.Ivanov"))
    assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watched.cancel()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await health.Check(health_pb2.HealthCheckRequest(service="students.Ivanov"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_reflection_describes_every_service_without_a_key(rpc_client: RpcClient) -> None:
    async def asked() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        yield reflection_pb2.ServerReflectionRequest(file_containing_symbol="grading_gateway.v1.Models")

    stub = reflection_pb2_grpc.ServerReflectionStub(rpc_client.channel)
    listed, described = [answer async for answer in stub.ServerReflectionInfo(asked())]
    assert {one.name for one in listed.list_services_response.service} == {
        "grading_gateway.v1.Datasets",
        "grading_gateway.v1.Training",
        "grading_gateway.v1.Models",
        "grading_gateway.v1.Operations",
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert len(described.file_descriptor_response.file_descriptor_proto) == 4  # with what it imports


async def test_the_status_is_rests(rpc_client: RpcClient, house: House) -> None:
    stub = OperationsStub(rpc_client.channel)
    answer = await stub.GetStatus(operations_pb2.GetStatusRequest(), metadata=METADATA)
    _, over_http, _ = await house.running.get("/v1/status")
    assert set(answer.status) == set(over_http)
    assert answer.status["training"]["stores"]["database"] == "up"


async def test_compressed_messages_are_refused(rpc_client: RpcClient) -> None:
    stub = OperationsStub(rpc_client.channel)
    call = stub.GetStatus(
        operations_pb2.GetStatusRequest(), metadata=METADATA, compression=grpc.Compression.Gzip
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def upload(*chunks: bytes, size: int, first: bool = True) -> AsyncIterator[Any]:
    async def parts() -> AsyncIterator[datasets_pb2.UploadDatasetRequest]:
        if first:
            said = datasets_pb2.UploadMetadata(name="mine", format=datasets_pb2.TABLE_FORMAT_CSV, bytes=size)
            yield datasets_pb2.UploadDatasetRequest(metadata=said)
        for chunk in chunks:
            yield datasets_pb2.UploadDatasetRequest(chunk=chunk)

    return parts()


async def test_who_may_not_upload_is_told_so_whatever_is_sent(rpc_client: RpcClient, house: House) -> None:
    stub = datasets_pb2_grpc.DatasetsStub(rpc_client.channel)
    grader = (("authorization", f"Bearer {house.keys['grader']}"),)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.UploadDataset(upload(TABLE, size=0), metadata=grader)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_upload_that_broke_is_no_data_set(rpc_client: RpcClient, tmp_path: Path) -> None:
    stub = datasets_pb2_grpc.DatasetsStub(rpc_client.channel)
    # gRPC ends the stream of the second as if the caller had: half of a table would be taken for one.
    for parts, code in (
        (upload(TABLE[:200], size=len(TABLE)), grpc.StatusCode.INVALID_ARGUMENT),
        (upload(TABLE, b"x" * 2 * MESSAGE_BYTES, size=2 * len(TABLE)), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (upload(TABLE, b"1,2,3\n", size=len(TABLE)), grpc.StatusCode.INVALID_ARGUMENT),
        (upload(TABLE, size=len(TABLE), first=False), grpc.StatusCode.INVALID_ARGUMENT),
        (upload(TABLE, size=0), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.UploadDataset(parts, metadata=METADATA)
        assert refused.value.code() is code
    assert [one["name"] for one in await rpc_client.datasets()] == ["payments"]
    async with asyncio.timeout(30):
        while [file for file in (tmp_path / "datasets").rglob("*") if file.is_file()]:
            await asyncio.sleep(0.05)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.lists(st.binary(max_size=24), max_size=3),
    datatypes=st.lists(st.sampled_from(["FP64", "FP32", "INT64", "BOOL", "BYTES", "BF16"]), max_size=3),
    size=st.integers(-1, 3),
)
async def test_no_tensor_is_an_internal_error(
    rpc_client: RpcClient, house: House, raw: list[bytes], datatypes: list[str], size: int
) -> None:
    if not (await rpc_client.jobs())[0]:
        await trained(rpc_client, house)
    asked = inference.ModelInferRequest(model_name="fraud-lr", raw_input_contents=raw)
    for name, datatype in zip(("amount", "hour", "colour"), datatypes, strict=False):
        asked.inputs.add(name=name, datatype=datatype, shape=[size])
    stub = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(rpc_client.channel)
    call = stub.ModelInfer(asked, metadata=METADATA)
    with suppress(grpc.aio.AioRpcError):
        answer = await call
        assert len(answer.raw_output_contents) == (len(answer.outputs) if raw else 0)
    assert await call.code() in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)


async def test_raw_tensors_are_answered_raw(rpc_client: RpcClient, house: House) -> None:
    await trained(rpc_client, house)
    asked = inference.ModelInferRequest(model_name="fraud-lr", id="7")
    asked.inputs.add(name="amount", datatype="FP32", shape=[1])
    asked.inputs.add(name="hour", datatype="INT32", shape=[1])
    asked.raw_input_contents.extend([b"\0\0\xfa\x43", b"\x03\0\0\0"])  # 500.0 and 3
    asked.outputs.add(name="label")
    stub = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(rpc_client.channel)
    answer = await stub.ModelInfer(asked, metadata=METADATA)
    assert ([one.name for one in answer.outputs], answer.id, answer.model_version) == (["label"], "7", "1")
    assert list(answer.raw_output_contents) == [b"\1" + b"\0" * 7]
    assert (await stub.ModelReady(inference.ModelReadyRequest(name="fraud-lr"), metadata=METADATA)).ready
    told = await stub.ModelMetadata(inference.ModelMetadataRequest(name="fraud-lr"), metadata=METADATA)
    assert [(one.name, one.datatype) for one in told.inputs] == [("amount", "FP64"), ("hour", "INT64")]
    assert (await stub.ServerReady(inference.ServerReadyRequest(), metadata=METADATA)).ready


async def test_a_port_that_is_taken_is_an_error(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="listened on"):
        await house.running.services.rpc.start(other.getsockname()[1])


def test_a_gateway_that_has_no_grpc_does_not_load_it() -> None:
    code = "import sys, gateway.wiring; sys.exit(any(name.split('.')[0] == 'grpc' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
