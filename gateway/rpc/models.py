"""Models and predictions over gRPC."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.struct_pb2 import Struct

from gateway.catalog import Catalog
from gateway.domain import Output, ServedModel
from gateway.guards import may_train
from gateway.prediction import Pair, Predictions
from gateway.rpc.calls import Call
from gateway.rpc.convert import COLUMN_TYPES, cell, checked_version, struct, timestamp, unpacked
from gateway.rpc.gen import models_pb2 as pb
from gateway.training.facts import ModelVersion, Predicted
from gateway.training.models import ModelDesk

_OUTPUTS: Mapping[Output, pb.ModelOutput] = {
    Output.TEXT: pb.MODEL_OUTPUT_TEXT,
    Output.EMBEDDING: pb.MODEL_OUTPUT_EMBEDDING,
    Output.CLASSIFICATION: pb.MODEL_OUTPUT_CLASSIFICATION,
    Output.GRADE: pb.MODEL_OUTPUT_GRADE,
}
_FEW = 50  # instances; of ten features each they are unpacked in under a millisecond


class Models:
    """The procedures of grading_gateway.v1.Models."""

    def __init__(self, catalog: Catalog, desk: ModelDesk, predictions: Predictions) -> None:
        self._catalog = catalog
        self._desk = desk
        self._predictions = predictions

    async def list_models(self, _: pb.ListModelsRequest, __: Call) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=map(_model, await self._catalog.models()))

    async def list_model_versions(
        self, asked: pb.ListModelVersionsRequest, call: Call
    ) -> pb.ListModelVersionsResponse:
        versions = await self._desk.versions(call.caller, asked.name)
        # A thousand features of each version are a thousand messages.
        told = await asyncio.to_thread(lambda: [_version(version) for version in versions])
        return pb.ListModelVersionsResponse(versions=told)

    async def promote_model(self, asked: pb.PromoteModelRequest, call: Call) -> pb.PromoteModelResponse:
        may_train(call.caller)
        version = await self._desk.promote(call.caller, asked.name, checked_version(asked.version))
        return pb.PromoteModelResponse(version=_version(version))

    async def delete_model(self, asked: pb.DeleteModelRequest, call: Call) -> pb.DeleteModelResponse:
        may_train(call.caller)
        version = checked_version(asked.version) if asked.HasField("version") else None
        await self._desk.delete(call.caller, asked.name, version)
        return pb.DeleteModelResponse()

    async def predict(self, asked: pb.PredictRequest, call: Call) -> pb.PredictResponse:
        version = checked_version(asked.version) if asked.HasField("version") else None
        instances = await _instances(asked.instances)
        predicted = await self._predictions.predict(call.caller, asked.name, version, instances)
        predictions = [
            pb.Prediction(label=cell(one.label), confidence=one.confidence, probabilities=one.probabilities)
            for one in predicted.predictions
        ]
        return pb.PredictResponse(
            predictions=predictions, model_name=predicted.model, model_version=predicted.version
        )

    async def predict_fraud(self, asked: pb.PredictFraudRequest, call: Call) -> pb.PredictFraudResponse:
        predicted = await self._pair(call, "fraud", asked.instances)
        # The labels are 0 and 1, and of the scenarios integers: a file of others is not loaded.
        predictions = [
            pb.FraudPrediction(fraud=int(one.label or 0), probability=one.probabilities["1"])
            for one in predicted.predictions
        ]
        return pb.PredictFraudResponse(predictions=predictions, model_version=predicted.version)

    async def predict_fraud_scenario(
        self, asked: pb.PredictFraudScenarioRequest, call: Call
    ) -> pb.PredictFraudScenarioResponse:
        predicted = await self._pair(call, "fraud_scenario", asked.instances)
        predictions = [
            pb.FraudScenarioPrediction(fraud_scenario=int(one.label or 0), probabilities=one.probabilities)
            for one in predicted.predictions
        ]
        return pb.PredictFraudScenarioResponse(predictions=predictions, model_version=predicted.version)

    async def _pair(self, call: Call, which: Pair, instances: Sequence[Struct]) -> Predicted:
        return await self._predictions.pair(call.caller, which, await _instances(instances))


async def _instances(messages: Sequence[Struct]) -> list[dict[str, Any]]:
    if len(messages) <= _FEW:
        return [unpacked(one) for one in messages]
    return await asyncio.to_thread(lambda: [unpacked(one) for one in messages])


def _model(model: ServedModel) -> pb.Model:
    return pb.Model(
        name=model.name,
        output=_OUTPUTS[model.output],
        version=model.version,
        labels=model.labels,
        context_window=model.context_window,
        ready=model.ready,
    )


def _version(version: ModelVersion) -> pb.ModelVersion:
    signature, lineage = version.signature, version.lineage
    return pb.ModelVersion(
        name=version.name,
        version=version.version,
        champion=version.champion,
        created_at=timestamp(version.created_at),
        sha256=version.sha256,
        model_class=lineage.model_class if lineage else None,
        signature=pb.Signature(
            features=[pb.Feature(name=one.name, type=COLUMN_TYPES[one.type]) for one in signature.features],
            target=signature.target,
            labels=map(cell, signature.labels),
        ),
        metrics=version.metrics,
        lineage=pb.Lineage(
            job_id=lineage.job_id,
            dataset=lineage.dataset,
            dvc_hash=lineage.dvc_hash,
            git_commit=lineage.git_commit,
            hyperparameters=struct(lineage.hyperparameters),
        )
        if lineage
        else None,
        run_url=version.run_url,
    )
