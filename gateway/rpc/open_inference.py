"""The Open Inference Protocol, version 2, over gRPC: the non-generative models."""

import asyncio

from gateway.errors import GatewayError
from gateway.open_inference import OpenInference, Tensor, TensorSpec
from gateway.rpc.calls import Call
from gateway.rpc.gen import open_inference_grpc_pb2 as pb
from gateway.rpc.tensors import read_inputs, write_outputs

_LONG = 64 << 10  # bytes; tensors of more are read beside the loop


class GRPCInferenceService:
    """The procedures of inference.GRPCInferenceService."""

    def __init__(self, service: OpenInference, version: str) -> None:
        """`version`: of this server."""
        self._service = service
        self._version = version

    async def server_live(self, _: pb.ServerLiveRequest, __: Call) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _: pb.ServerReadyRequest, __: Call) -> pb.ServerReadyResponse:
        try:
            await self._service.server_ready()
        except GatewayError:
            return pb.ServerReadyResponse(ready=False)
        return pb.ServerReadyResponse(ready=True)

    async def model_ready(self, asked: pb.ModelReadyRequest, _: Call) -> pb.ModelReadyResponse:
        return pb.ModelReadyResponse(ready=await self._service.ready(asked.name, asked.version or None))

    async def server_metadata(self, _: pb.ServerMetadataRequest, __: Call) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(name="grading-gateway", version=self._version)

    async def model_metadata(self, asked: pb.ModelMetadataRequest, _: Call) -> pb.ModelMetadataResponse:
        told = await self._service.metadata(asked.name, asked.version or None)
        return pb.ModelMetadataResponse(
            name=told.name,
            versions=told.versions,
            platform=told.platform,
            inputs=map(_spec, told.inputs),
            outputs=map(_spec, told.outputs),
        )

    async def model_infer(self, asked: pb.ModelInferRequest, call: Call) -> pb.ModelInferResponse:
        inferred = await self._service.infer(
            call.caller,
            asked.model_name,
            asked.model_version or None,
            await _inputs(asked),
            [one.name for one in asked.outputs] or None,
        )
        call.usage, call.masked = inferred.usage, inferred.masked
        response = pb.ModelInferResponse(
            model_name=inferred.model, model_version=inferred.version, id=asked.id
        )
        write_outputs(inferred.outputs, response, raw=bool(asked.raw_input_contents))
        return response


async def _inputs(asked: pb.ModelInferRequest) -> list[Tensor]:
    return await asyncio.to_thread(read_inputs, asked) if asked.ByteSize() > _LONG else read_inputs(asked)


def _spec(spec: TensorSpec) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(name=spec.name, datatype=spec.datatype, shape=spec.shape)
