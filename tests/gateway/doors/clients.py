"""One caller's view of either door: the same calls, the same plain answers, the same refusals."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp
import grpc
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from yarl import URL

from gateway.rpc.convert import unpacked
from gateway.rpc.gen import (
    datasets_pb2,
    datasets_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    open_inference_grpc_pb2,
    open_inference_grpc_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

Json = dict[str, Any]


class Refused(Exception):
    def __init__(self, code: str, field: str | None, message: str, retry_after: str | None) -> None:
        super().__init__(f"{code} {field}: {message}")
        self.code = code
        self.field = field
        self.message = message
        self.retry_after = retry_after


class Client(Protocol):
    def with_key(self, key: str) -> "Client":
        """The same door, another caller; "" for none."""

    async def classes(self) -> list[Json]: ...

    async def start(self, once: str = "", **ask: Any) -> Json: ...

    async def retrain(self, model: str, **ask: Any) -> Json: ...

    async def job(self, job_id: str) -> Json: ...

    async def jobs(self, **query: Any) -> tuple[list[Json], bool]:
        """A page, and whether there is more."""

    async def events(self, job_id: str) -> list[Json]: ...

    async def cancel(self, job_id: str) -> Json: ...

    async def delete_job(self, job_id: str) -> None: ...

    async def upload(
        self, name: str, content: bytes, form: str = "csv", target: str | None = None
    ) -> Json: ...

    async def datasets(self) -> list[Json]: ...

    async def dataset(self, name: str, version: int | None = None) -> Json: ...

    async def delete_dataset(self, name: str, version: int | None = None) -> None: ...

    async def versions(self, name: str) -> list[Json]: ...

    async def promote(self, name: str, version: int) -> Json: ...

    async def delete_model(self, name: str, version: int | None = None) -> None: ...

    async def predict(
        self, name: str, instances: Sequence[Json], version: int | None = None
    ) -> list[Json]: ...

    async def fraud(self, instances: Sequence[Json]) -> list[Json]: ...

    async def scenario(self, instances: Sequence[Json]) -> list[Json]: ...

    async def infer(self, name: str, tensors: Sequence[Json]) -> list[Json]: ...


class RestClient:
    def __init__(self, url: str, http: aiohttp.ClientSession, key: str) -> None:
        self._url = url
        self._http = http
        self._key = key

    def with_key(self, key: str) -> Client:
        return RestClient(self._url, self._http, key)

    async def _ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        headers |= more.pop("headers", {})
        query = {name: str(value) for name, value in more.pop("query", {}).items() if value is not None}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        url = URL(self._url + path, encoded=True).with_query(query)
        async with self._http.request(method, url, data=data, headers=headers) as answer:
            if answer.status == 204:
                return None
            told = await answer.json()
            if answer.status < 400:
                return told
            retry_after = answer.headers.get("retry-after")
            if isinstance(told.get("error"), dict):  # a path of OpenAI's
                told = told["error"]
                raise Refused(told["code"], told["param"], told["message"], retry_after)
            assert told["trace_id"] == answer.headers["x-request-id"]
            field = told["details"][0]["field"] if told["details"] else None
            raise Refused(told["code"], field, told["message"], retry_after)

    async def classes(self) -> list[Json]:
        return list((await self._ask("GET", "/v1/model-classes"))["data"])

    async def start(self, once: str = "", **ask: Any) -> Json:
        headers = {"idempotency-key": once} if once else {}
        return dict(await self._ask("POST", "/v1/training-jobs", ask, headers=headers))

    async def retrain(self, model: str, **ask: Any) -> Json:
        return dict(await self._ask("POST", f"/v1/models/{model}:retrain", ask))

    async def job(self, job_id: str) -> Json:
        return dict(await self._ask("GET", f"/v1/training-jobs/{job_id}"))

    async def jobs(self, **query: Any) -> tuple[list[Json], bool]:
        page = await self._ask("GET", "/v1/training-jobs", query=query)
        return page["data"], page["has_more"]

    async def events(self, job_id: str) -> list[Json]:
        return list((await self._ask("GET", f"/v1/training-jobs/{job_id}/events"))["data"])

    async def cancel(self, job_id: str) -> Json:
        return dict(await self._ask("POST", f"/v1/training-jobs/{job_id}:cancel"))

    async def delete_job(self, job_id: str) -> None:
        await self._ask("DELETE", f"/v1/training-jobs/{job_id}")

    async def upload(self, name: str, content: bytes, form: str = "csv", target: str | None = None) -> Json:
        query = {"name": name, "format": form, "target": target}
        return dict(await self._ask("POST", "/v1/datasets", content, query=query))

    async def datasets(self) -> list[Json]:
        return list((await self._ask("GET", "/v1/datasets"))["data"])

    async def dataset(self, name: str, version: int | None = None) -> Json:
        return dict(await self._ask("GET", f"/v1/datasets/{name}", query={"version": version}))

    async def delete_dataset(self, name: str, version: int | None = None) -> None:
        await self._ask("DELETE", f"/v1/datasets/{name}", query={"version": version})

    async def versions(self, name: str) -> list[Json]:
        return list((await self._ask("GET", f"/v1/models/{name}/versions"))["data"])

    async def promote(self, name: str, version: int) -> Json:
        return dict(await self._ask("POST", f"/v1/models/{name}:promote", {"version": version}))

    async def delete_model(self, name: str, version: int | None = None) -> None:
        await self._ask("DELETE", f"/v1/models/{name}", query={"version": version})

    async def predict(self, name: str, instances: Sequence[Json], version: int | None = None) -> list[Json]:
        body = {"instances": instances, **({} if version is None else {"version": version})}
        return list((await self._ask("POST", f"/v1/models/{name}:predict", body))["predictions"])

    async def fraud(self, instances: Sequence[Json]) -> list[Json]:
        return list((await self._ask("POST", "/predict", {"instances": instances}))["predictions"])

    async def scenario(self, instances: Sequence[Json]) -> list[Json]:
        return list((await self._ask("POST", "/predict_scenario", {"instances": instances}))["predictions"])

    async def infer(self, name: str, tensors: Sequence[Json]) -> list[Json]:
        return list((await self._ask("POST", f"/v2/models/{name}/infer", {"inputs": tensors}))["outputs"])


class RpcClient:
    def __init__(self, channel: grpc.aio.Channel, key: str) -> None:
        self.channel = channel
        self._key = key
        self._datasets = datasets_pb2_grpc.DatasetsStub(channel)
        self._training = training_pb2_grpc.TrainingStub(channel)
        self._models = models_pb2_grpc.ModelsStub(channel)
        self._inference = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(channel)

    @classmethod
    @asynccontextmanager
    async def at(cls, target: str, key: str) -> AsyncIterator["RpcClient"]:
        async with grpc.aio.insecure_channel(target) as channel:
            yield cls(channel, key)

    def with_key(self, key: str) -> Client:
        return RpcClient(self.channel, key)

    async def _ask(self, procedure: Any, message: Any, once: str = "") -> Any:
        call = procedure(message, metadata=self._metadata(once), timeout=30)
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise refused(error) from None

    def _metadata(self, once: str = "") -> tuple[tuple[str, str], ...]:
        key = (("authorization", f"Bearer {self._key}"),) if self._key else ()
        return (*key, ("idempotency-key", once)) if once else key

    async def classes(self) -> list[Json]:
        answer = await self._ask(self._training.ListModelClasses, training_pb2.ListModelClassesRequest())
        return list(told(answer)["classes"])

    async def start(self, once: str = "", **ask: Any) -> Json:
        asked = _filled(training_pb2.StartTrainingRequest(), ask)
        return _job((await self._ask(self._training.StartTraining, asked, once)).job)

    async def retrain(self, model: str, **ask: Any) -> Json:
        asked = _filled(training_pb2.RetrainModelRequest(model=model), ask)
        return _job((await self._ask(self._training.RetrainModel, asked)).job)

    async def job(self, job_id: str) -> Json:
        asked = training_pb2.GetTrainingJobRequest(id=job_id)
        return _job((await self._ask(self._training.GetTrainingJob, asked)).job)

    async def jobs(self, **query: Any) -> tuple[list[Json], bool]:
        status = query.pop("status", None)
        number = training_pb2.JobState.Value(f"JOB_STATE_{status.upper()}") if status else None
        asked = training_pb2.ListTrainingJobsRequest(status=number, **query)
        page = await self._ask(self._training.ListTrainingJobs, asked)
        return list(map(_listed, page.jobs)), page.has_more

    async def events(self, job_id: str) -> list[Json]:
        """As they are watched, until the job is over."""
        call = self._training.WatchTrainingJob(
            training_pb2.WatchTrainingJobRequest(id=job_id), metadata=self._metadata(), timeout=30
        )
        try:
            return [told(answer.event) async for answer in call]
        except grpc.aio.AioRpcError as error:
            raise refused(error) from None

    async def cancel(self, job_id: str) -> Json:
        asked = training_pb2.CancelTrainingJobRequest(id=job_id)
        return _job((await self._ask(self._training.CancelTrainingJob, asked)).job)

    async def delete_job(self, job_id: str) -> None:
        await self._ask(self._training.DeleteTrainingJob, training_pb2.DeleteTrainingJobRequest(id=job_id))

    async def upload(self, name: str, content: bytes, form: str = "csv", target: str | None = None) -> Json:
        said = datasets_pb2.UploadMetadata(
            name=name,
            format=datasets_pb2.TableFormat.Value(f"TABLE_FORMAT_{form.upper()}"),
            target=target,
            bytes=len(content),
        )

        async def parts() -> AsyncIterator[datasets_pb2.UploadDatasetRequest]:
            yield datasets_pb2.UploadDatasetRequest(metadata=said)
            for at in range(0, len(content), 1000):
                yield datasets_pb2.UploadDatasetRequest(chunk=content[at : at + 1000])

        return dict(told((await self._ask(self._datasets.UploadDataset, parts())).dataset))

    async def datasets(self) -> list[Json]:
        answer = await self._ask(self._datasets.ListDatasets, datasets_pb2.ListDatasetsRequest())
        return list(told(answer)["datasets"])

    async def dataset(self, name: str, version: int | None = None) -> Json:
        asked = datasets_pb2.GetDatasetRequest(name=name, version=version)
        answer = told(await self._ask(self._datasets.GetDataset, asked))
        preview = [row["cells"] for row in answer["preview"]]
        return {**answer["dataset"], "preview": preview, "versions": answer["versions"]}

    async def delete_dataset(self, name: str, version: int | None = None) -> None:
        asked = datasets_pb2.DeleteDatasetRequest(name=name, version=version)
        await self._ask(self._datasets.DeleteDataset, asked)

    async def versions(self, name: str) -> list[Json]:
        asked = models_pb2.ListModelVersionsRequest(name=name)
        return list(told(await self._ask(self._models.ListModelVersions, asked))["versions"])

    async def promote(self, name: str, version: int) -> Json:
        asked = models_pb2.PromoteModelRequest(name=name, version=version)
        return dict(told((await self._ask(self._models.PromoteModel, asked)).version))

    async def delete_model(self, name: str, version: int | None = None) -> None:
        asked = models_pb2.DeleteModelRequest(name=name, version=version)
        await self._ask(self._models.DeleteModel, asked)

    async def predict(self, name: str, instances: Sequence[Json], version: int | None = None) -> list[Json]:
        asked = models_pb2.PredictRequest(name=name, version=version, instances=_structs(instances))
        return list(told(await self._ask(self._models.Predict, asked))["predictions"])

    async def fraud(self, instances: Sequence[Json]) -> list[Json]:
        asked = models_pb2.PredictFraudRequest(instances=_structs(instances))
        return _versioned(await self._ask(self._models.PredictFraud, asked))

    async def scenario(self, instances: Sequence[Json]) -> list[Json]:
        asked = models_pb2.PredictFraudScenarioRequest(instances=_structs(instances))
        return _versioned(await self._ask(self._models.PredictFraudScenario, asked))

    async def infer(self, name: str, tensors: Sequence[Json]) -> list[Json]:
        asked = open_inference_grpc_pb2.ModelInferRequest(model_name=name)
        for one in tensors:
            tensor = asked.inputs.add(name=one["name"], datatype=one["datatype"], shape=one["shape"])
            field = {"FP64": "fp64_contents", "INT64": "int64_contents"}[one["datatype"]]
            getattr(tensor.contents, field).extend(one["data"])
        answer = await self._ask(self._inference.ModelInfer, asked)
        return [
            {
                "name": one.name,
                "datatype": one.datatype,
                "shape": list(one.shape),
                "data": list(one.contents.ListFields()[0][1]),
            }
            for one in answer.outputs
        ]


def refused(error: grpc.aio.AioRpcError) -> Refused:
    metadata = dict(error.trailing_metadata() or ())
    code, field = str(metadata.get("x-error-code", error.code().name)), metadata.get("x-error-field")
    retry = metadata.get("retry-after")
    return Refused(
        code,
        None if field is None else str(field),
        error.details() or "",
        None if retry is None else str(retry),
    )


def told(message: Message) -> Any:
    """A message as the JSON that the other door answers with."""
    if isinstance(message, datasets_pb2.Cell):
        kind = message.WhichOneof("value")
        return None if kind is None else getattr(message, kind)
    if isinstance(message, datasets_pb2.Frequency):
        return [told(message.value), message.count]
    if isinstance(message, Timestamp):
        return message.seconds
    if isinstance(message, Struct):
        return unpacked(message)
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_value(field, one) for one in value]
    return None if field.has_presence and not message.HasField(field.name) else _value(field, value)


def _value(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        # JOB_STATE_QUEUED -> queued
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return field.enum_type.values_by_number[value].name.removeprefix(prefix).lower()
    return told(value) if isinstance(value, Message) else value


def _job(job: training_pb2.TrainingJob) -> Json:
    return {"object": "training_job", **told(job)}


def _listed(job: training_pb2.TrainingJob) -> Json:
    """A field that lists leave out is an empty one here."""
    return {name: value for name, value in _job(job).items() if name != "features" or value}


def _versioned(answer: Any) -> list[Json]:
    return [{**told(one), "model_version": answer.model_version} for one in answer.predictions]


def _structs(instances: Sequence[Json]) -> list[Struct]:
    structs = []
    for instance in instances:
        struct = Struct()
        struct.update(instance)
        structs.append(struct)
    return structs


def _filled(message: Any, ask: Json) -> Any:
    for name, value in ask.items():
        if name == "hyperparameters":
            message.hyperparameters.update(value)
        elif name == "features":
            message.features.extend(value)
        else:
            setattr(message, name, value)
    return message
