"""A walk through the gRPC door: every call that trains, watches and asks a classical model, each printed.

    .venv/bin/python -m scripts.grpc_client [--target 127.0.0.1:50051] [--key KEY]

Needs a gateway and a worker. Makes a small table and the model `NAME`, and removes both at the end. Ends with
0, or with 1 and a word of the call that was refused. The key may come as API_KEY from the environment.
"""

import argparse
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.rpc.gen import (
    datasets_pb2,
    datasets_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    open_inference_grpc_pb2,
    open_inference_grpc_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

_ROWS = 300
_CHUNK = 4096  # bytes; small, so that there are several
_CALL_S, _WATCH_S = 30.0, 600.0  # deadlines


class Walk:
    """One caller's calls, in order."""

    def __init__(self, channel: grpc.Channel, key: str, name: str) -> None:
        self._metadata = (("authorization", f"Bearer {key}"),)
        self._name = name
        self._health = health_pb2_grpc.HealthStub(channel)
        self._datasets = datasets_pb2_grpc.DatasetsStub(channel)
        self._training = training_pb2_grpc.TrainingStub(channel)
        self._models = models_pb2_grpc.ModelsStub(channel)
        self._inference = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(channel)
        self._operations = operations_pb2_grpc.OperationsStub(channel)

    def all(self) -> bool:
        """False when a training did not succeed."""
        self.health()
        self.classes()
        self.upload()
        if not self.train("logistic_regression", {"C": 0.5, "max_iter": 300}):
            return False
        self.predict()
        self.infer()
        if not self.retrain({"C": 2.0, "max_iter": 300}):
            return False
        self.promote()
        self.status()
        self.delete()
        return True

    def health(self) -> None:
        """Asked without a key."""
        answer = self._health.Check(health_pb2.HealthCheckRequest(), timeout=_CALL_S)
        _say("health", health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def classes(self) -> None:
        answer = self._call(self._training.ListModelClasses, training_pb2.ListModelClassesRequest())
        for one in answer.classes:
            _say("class", f"{one.name}: {', '.join(sorted(one.schema['properties']))}")

    def upload(self) -> None:
        content = _table()

        def parts() -> Iterator[datasets_pb2.UploadDatasetRequest]:
            said = datasets_pb2.UploadMetadata(
                name=self._name,
                format=datasets_pb2.TABLE_FORMAT_CSV,
                target="target",
                bytes=len(content),
            )
            yield datasets_pb2.UploadDatasetRequest(metadata=said)
            for at in range(0, len(content), _CHUNK):
                yield datasets_pb2.UploadDatasetRequest(chunk=content[at : at + _CHUNK])

        answer = self._call(self._datasets.UploadDataset, parts())
        _say("upload", f"{answer.dataset.id}, {answer.dataset.rows} rows, new: {answer.created}")
        seen = self._call(self._datasets.GetDataset, datasets_pb2.GetDatasetRequest(name=self._name))
        for column in seen.dataset.columns:
            kind = datasets_pb2.ColumnType.Name(column.type)
            _say("column", f"{column.name} {kind} {column.minimum:.4g}..{column.maximum:.4g}")

    def train(self, model_class: str, hyperparameters: dict[str, float]) -> bool:
        asked = training_pb2.StartTrainingRequest(
            model=self._name, model_class=model_class, dataset=self._name, seed=1
        )
        asked.hyperparameters.update(hyperparameters)
        return self._watched(self._call(self._training.StartTraining, asked).job)

    def retrain(self, hyperparameters: dict[str, float]) -> bool:
        """The same model with other parameters; its new version does not become the champion by itself."""
        asked = training_pb2.RetrainModelRequest(model=self._name, promote=False)
        asked.hyperparameters.update(hyperparameters)
        return self._watched(self._call(self._training.RetrainModel, asked).job)

    def predict(self) -> None:
        for instances in ([_struct(amount=10.0, hour=3)], [_struct(amount=a, hour=4) for a in (5.0, 900.0)]):
            asked = models_pb2.PredictRequest(name=self._name, instances=instances)
            answer = self._call(self._models.Predict, asked)
            for one in answer.predictions:
                _say("predict", f"{one.label.integer} with {one.confidence:.3f} by {answer.model_version}")

    def infer(self) -> None:
        """The same over the Open Inference Protocol: a tensor for each feature."""
        asked = open_inference_grpc_pb2.ModelInferRequest(model_name=self._name)
        amount = asked.inputs.add(name="amount", datatype="FP64", shape=[2])
        amount.contents.fp64_contents.extend([5.0, 900.0])
        hour = asked.inputs.add(name="hour", datatype="INT64", shape=[2])
        hour.contents.int64_contents.extend([4, 4])
        for one in self._call(self._inference.ModelInfer, asked).outputs:
            _say("infer", f"{one.name} {one.datatype} {list(one.shape)}")

    def promote(self) -> None:
        asked = models_pb2.ListModelVersionsRequest(name=self._name)
        versions = self._call(self._models.ListModelVersions, asked).versions
        for one in versions:
            metrics = ", ".join(f"{name} {value:.3f}" for name, value in sorted(one.metrics.items()))
            _say("version", f"{one.version}{' (champion)' if one.champion else ''}: {metrics}")
        promoted = models_pb2.PromoteModelRequest(name=self._name, version=versions[0].version)
        _say("promote", f"{self._call(self._models.PromoteModel, promoted).version.version}")

    def status(self) -> None:
        answer = self._call(self._operations.GetStatus, operations_pb2.GetStatusRequest())
        _say("status", ", ".join(sorted(answer.status)))

    def delete(self) -> None:
        self._call(self._models.DeleteModel, models_pb2.DeleteModelRequest(name=self._name))
        self._call(self._datasets.DeleteDataset, datasets_pb2.DeleteDatasetRequest(name=self._name))
        _say("delete", "the model and the data set")

    def _watched(self, job: training_pb2.TrainingJob) -> bool:
        _say("job", f"{job.id} of {job.model_class} on {job.dataset}")
        asked = training_pb2.WatchTrainingJobRequest(id=job.id)
        for answer in self._training.WatchTrainingJob(asked, metadata=self._metadata, timeout=_WATCH_S):
            event = answer.event
            _say("event", f"{event.number} {event.stage} {event.progress:.0%} {event.message}")
        over = self._call(self._training.GetTrainingJob, training_pb2.GetTrainingJobRequest(id=job.id)).job
        _say("job", training_pb2.JobState.Name(over.status))
        return bool(over.status == training_pb2.JOB_STATE_SUCCEEDED)

    def _call(self, procedure: Callable[..., Any], message: Any) -> Any:
        return procedure(message, metadata=self._metadata, timeout=_CALL_S)


def _table() -> bytes:
    """Amounts and hours; dear things at night are 1, and a tenth of all is otherwise."""
    dice = random.Random(7)
    lines = ["amount,hour,target"]
    for _ in range(_ROWS):
        amount, hour = dice.lognormvariate(4, 1.5), dice.randrange(24)
        target = (amount > 60) ^ (dice.random() < 0.1)
        lines.append(f"{amount:.2f},{hour},{int(target)}")
    return ("\n".join(lines) + "\n").encode()


def _struct(**features: float) -> Struct:
    struct = Struct()
    struct.update(features)
    return struct


def _say(what: str, told: str) -> None:
    print(f"{what:>8}  {told}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="A walk through the gRPC door.")
    parser.add_argument("--target", default="127.0.0.1:50051", help="host:port")
    parser.add_argument("--key", default=os.environ.get("API_KEY", ""), help="of the role trainer or admin")
    parser.add_argument("--name", default="grpc-walk", help="of the data set and the model that are made")
    chosen = parser.parse_args(arguments)
    with grpc.insecure_channel(chosen.target) as channel:
        try:
            return 0 if Walk(channel, chosen.key, chosen.name).all() else 1
        except grpc.RpcError as error:
            told: dict[str, object] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type]
            words = [error.code().name, told.get("x-error-code", ""), told.get("x-error-field", "")]
            print(*words, error.details())
            return 1


if __name__ == "__main__":
    sys.exit(main())
