"""Both doors at once: chats over HTTP; status, classes and, where an encoder is served, vectors over gRPC."""

from locust import constant_throughput
from locust.env import Environment

from gateway.rpc.gen import (
    open_inference_grpc_pb2,
    open_inference_grpc_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)
from tests.load.asking import Asking
from tests.load.calls import Calling
from tests.load.payloads import Writer


class Student(Asking):
    wait_time = constant_throughput(2)

    def asks(self) -> None:
        self.chat("chat")

    def looks(self) -> None:
        self.ask("models", "/v1/models", method="GET")

    turns = (asks, asks, looks, asks, asks)


class Platform(Calling):
    wait_time = constant_throughput(4)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._encoder = environment.target.encoder  # type: ignore[attr-defined]
        self._write = Writer()
        self._inference = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(self.channel)
        self._operations = operations_pb2_grpc.OperationsStub(self.channel)
        self._training = training_pb2_grpc.TrainingStub(self.channel)

    def watches(self) -> None:
        self.call("rpc status", self._operations.GetStatus, operations_pb2.GetStatusRequest())

    def lists(self) -> None:
        self.call("rpc classes", self._training.ListModelClasses, training_pb2.ListModelClassesRequest())

    def embeds(self) -> None:
        if self._encoder is None:
            return
        asked = open_inference_grpc_pb2.ModelInferRequest(model_name=self._encoder)
        text = asked.inputs.add(name="text", datatype="BYTES", shape=[1])
        text.contents.bytes_contents.append(self._write.words(20).encode())
        self.call("rpc embedding", self._inference.ModelInfer, asked)

    turns = (watches, lists, embeds)
