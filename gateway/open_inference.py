"""The Open Inference Protocol, version 2, whatever the door: the non-generative models.

https://github.com/kserve/open-inference-protocol
The embeddings service's models take texts, which are masked on their way; trained models take a tensor for
each feature.

Over 250 lines: one protocol over both, one below the other.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from gateway.catalog import Catalog
from gateway.domain import Caller, Classification, Comparison, Output, ServedModel, Usage
from gateway.errors import InvalidRequest, ModelNotFound, PayloadTooLarge
from gateway.inference import Inference, checked_text
from gateway.prediction import MAX_ROWS, Predictions, Row, label_text, read_rows
from gateway.training.facts import Cell, ColumnType, Feature, Predicted, Signature

PLATFORM = "onnxruntime_onnx"

_TEXT, _SUBMISSION, _QUESTION, _REFERENCE = "text", "submission", "question", "reference"
_INPUTS: Mapping[Output, tuple[str, ...]] = {
    Output.EMBEDDING: (_TEXT,),
    Output.CLASSIFICATION: (_TEXT,),
    Output.GRADE: (_SUBMISSION, _QUESTION, _REFERENCE),
}
_MAY_LACK = frozenset({_QUESTION})  # and its texts may be empty
_LABEL, _PROBABILITIES = "label", "probabilities"
_NUMBERS = ("FP64", "FP32", "INT64", "INT32")
# What a feature's tensor may be of; the first is what the metadata tell.
_DATATYPES: Mapping[ColumnType, tuple[str, ...]] = {
    ColumnType.NUMBER: _NUMBERS,
    ColumnType.INTEGER: ("INT64", "INT32", "FP64", "FP32"),
    ColumnType.BOOLEAN: ("BOOL",),
    ColumnType.TEXT: ("BYTES",),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """`data` is flat, row by row; BYTES are str."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    name: str
    datatype: str
    shape: tuple[int, ...]  # -1: varies, or is not told


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    name: str
    versions: tuple[str, ...]  # empty: not told
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class Inferred:
    """`masked`: distinct values that were replaced in texts, by kind."""

    model: str
    version: str  # empty: not told
    outputs: list[Tensor]
    masked: Mapping[str, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)


class OpenInference:
    def __init__(
        self, inference: Inference, catalog: Catalog, predictions: Predictions, max_texts: int
    ) -> None:
        """`max_texts`: of a tensor for the embeddings service."""
        self._inference = inference
        self._catalog = catalog
        self._predictions = predictions
        self._max_texts = max_texts

    async def server_ready(self) -> None:
        """Returns while the embeddings service, where there is one, tells its models; raises its error
        else. Trained models need nobody."""
        await self._catalog.inference_models()

    async def metadata(self, name: str, version: str | None = None) -> ModelMetadata:
        """Raises ModelNotFound, the embeddings service's and the store's errors."""
        model = await self._service_model(name, version)
        if model is not None:
            inputs = [TensorSpec(one, "BYTES", (-1,)) for one in _INPUTS[model.output]]
            versions = (model.version,) if model.version else ()
            return ModelMetadata(name, versions, PLATFORM, tuple(inputs), _service_outputs(model))
        chosen = await self._predictions.chosen(name, _number(version))
        features = [TensorSpec(one.name, _DATATYPES[one.type][0], (-1,)) for one in chosen.signature.features]
        outputs = _trained_outputs(chosen.signature.labels)
        return ModelMetadata(name, (str(chosen.version),), PLATFORM, tuple(features), outputs)

    async def ready(self, name: str, version: str | None = None) -> bool:
        """False for a trained model whose weights cannot be loaded. Raises as metadata() does."""
        if await self._service_model(name, version) is not None:
            return True
        return await self._predictions.ready(name, _number(version))

    async def infer(
        self,
        caller: Caller,
        name: str,
        version: str | None,
        inputs: Sequence[Tensor],
        outputs: Sequence[str] | None,
    ) -> Inferred:
        """The outputs that are asked for, by default all. Raises InvalidRequest and PayloadTooLarge for what
        the model does not take, and what Inference and Predictions raise."""
        model = await self._service_model(name, version)
        if model is not None:
            _check_outputs(outputs, _service_outputs(model))
            inferred = await self._served(caller, model, inputs)
        else:
            inferred = await self._trained(caller, name, version, inputs, outputs)
        if outputs:
            wanted = [one for one in inferred.outputs if one.name in outputs]
            return Inferred(inferred.model, inferred.version, wanted, inferred.masked, inferred.usage)
        return inferred

    async def _service_model(self, name: str, version: str | None) -> ServedModel | None:
        model = await self._catalog.service_model(name)
        if model is not None and version not in (None, model.version):
            raise ModelNotFound("The model has no such version.", param="version")
        return model

    async def _served(self, caller: Caller, model: ServedModel, inputs: Sequence[Tensor]) -> Inferred:
        texts = _texts(inputs, model, self._max_texts)
        if model.output is Output.EMBEDDING:
            embedded = await self._inference.embed(caller, model.name, texts[_TEXT])
            rows = _rows("embedding", "FP32", embedded.vectors)
            usage = Usage(embedded.prompt_tokens)
            return Inferred(model.name, model.version, [rows], embedded.masked, usage)
        if model.output is Output.CLASSIFICATION:
            classified = await self._inference.classify(caller, model.name, texts[_TEXT])
            rows = _probabilities(model, classified.predictions)
            return Inferred(model.name, model.version, [rows], classified.masked)
        compared = await self._inference.compare(caller, model.name, _comparisons(texts))
        scores = [estimate.score for estimate in compared.estimates]
        found = [Tensor("score", "FP32", (len(scores),), scores), _probabilities(model, compared.estimates)]
        return Inferred(model.name, model.version, found, compared.masked)

    async def _trained(
        self,
        caller: Caller,
        name: str,
        version: str | None,
        inputs: Sequence[Tensor],
        outputs: Sequence[str] | None,
    ) -> Inferred:
        def read(signature: Signature) -> list[Row]:
            _check_outputs(outputs, _trained_outputs(signature.labels))
            return _feature_rows(signature, inputs)

        count = len(inputs[0].data) if inputs else 0
        predicted = await self._predictions.answer(caller, name, _number(version), count, read)
        return Inferred(name, predicted.version, _predicted_tensors(predicted))


# The embeddings service's models


def _service_outputs(model: ServedModel) -> tuple[TensorSpec, ...]:
    if model.output is Output.EMBEDDING:
        return (TensorSpec("embedding", "FP32", (-1, -1)),)
    probabilities = TensorSpec(_PROBABILITIES, "FP32", (-1, len(model.labels)))
    if model.output is Output.GRADE:
        return TensorSpec("score", "FP32", (-1,)), probabilities
    return (probabilities,)


def _texts(inputs: Sequence[Tensor], model: ServedModel, most: int) -> dict[str, list[str]]:
    """The tensors' texts by name. Raises when names, datatypes, shapes or data do not agree."""
    known = _INPUTS[model.output]
    texts: dict[str, list[str]] = {}
    for tensor in inputs:
        if tensor.name not in known or tensor.name in texts:
            raise InvalidRequest(f"The model's inputs are, once each: {', '.join(known)}.", param="inputs")
        texts[tensor.name] = _tensor_texts(tensor, most)
    if set(known) - _MAY_LACK - texts.keys() or len({len(column) for column in texts.values()}) != 1:
        raise InvalidRequest(f"The model needs tensors of one length: {', '.join(known)}.", param="inputs")
    return texts


def _tensor_texts(tensor: Tensor, most: int) -> list[str]:
    if tensor.datatype != "BYTES" or not tensor.data:
        raise InvalidRequest("The tensor must be of datatype BYTES with a list of 'data'.", param="inputs")
    if len(tensor.data) > most:
        raise PayloadTooLarge(f"More than {most} texts.", param="inputs")
    _check_shape(tensor)
    may_be_empty = tensor.name in _MAY_LACK
    return [text if text == "" and may_be_empty else checked_text(text, tensor.name) for text in tensor.data]


def _comparisons(texts: Mapping[str, Sequence[str]]) -> list[Comparison]:
    submissions = texts[_SUBMISSION]
    questions = texts.get(_QUESTION) or [""] * len(submissions)
    return [
        Comparison(submission, (reference,), question or None)
        for submission, reference, question in zip(submissions, texts[_REFERENCE], questions, strict=True)
    ]


def _probabilities(model: ServedModel, predictions: Iterable[Classification]) -> Tensor:
    rows = [[one.probabilities[label] for label in model.labels] for one in predictions]
    return _rows(_PROBABILITIES, "FP32", rows)


# Trained models


def _trained_outputs(labels: Sequence[Cell]) -> tuple[TensorSpec, ...]:
    return (
        TensorSpec(_LABEL, _label_datatype(labels), (-1,)),
        TensorSpec(_PROBABILITIES, "FP64", (-1, len(labels))),
    )


def _label_datatype(labels: Sequence[Cell]) -> str:
    kinds = {type(label) for label in labels}
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int}:
        return "INT64"
    return "FP64" if kinds <= {int, float} else "BYTES"


def _predicted_tensors(predicted: Predicted) -> list[Tensor]:
    datatype = _label_datatype(predicted.labels)
    labels = [one.label for one in predicted.predictions]
    if datatype == "BYTES":
        labels = [label_text(label) for label in labels]
    names = [label_text(label) for label in predicted.labels]
    rows = [[one.probabilities[name] for name in names] for one in predicted.predictions]
    return [Tensor(_LABEL, datatype, (len(labels),), labels), _rows(_PROBABILITIES, "FP64", rows)]


def _feature_rows(signature: Signature, inputs: Sequence[Tensor]) -> list[Row]:
    """Rows of the features' tensors; a feature without one is not known, nor is a null or a NaN."""
    features = {feature.name: feature for feature in signature.features}
    columns: dict[str, Sequence[Any]] = {}
    for tensor in inputs:
        feature = features.get(tensor.name)
        if feature is None or tensor.name in columns:
            raise InvalidRequest(
                "The model's inputs are its features, once each.",
                param="inputs",
                detail=f"Not so: {tensor.name[:80]!r}.",
            )
        columns[tensor.name] = _column(feature, tensor)
    counts = {len(column) for column in columns.values()}
    if len(counts) != 1:
        raise InvalidRequest("The model needs tensors of one length.", param="inputs")
    unknown = [None] * counts.pop()
    ordered = [columns.get(feature.name, unknown) for feature in signature.features]
    return read_rows(signature, list(zip(*ordered, strict=True)), "inputs")


def _column(feature: Feature, tensor: Tensor) -> Sequence[Any]:
    datatypes = _DATATYPES[feature.type]
    if tensor.datatype not in datatypes:
        raise InvalidRequest(
            f"The tensor of a feature of type {feature.type} must be of datatype {' or '.join(datatypes)}.",
            param="inputs",
            detail=f"Feature: {feature.name[:80]!r}.",
        )
    if len(tensor.data) > MAX_ROWS:
        raise PayloadTooLarge(f"More than {MAX_ROWS} rows.", param="inputs")
    _check_shape(tensor)
    if tensor.datatype in ("FP64", "FP32"):
        return [None if isinstance(one, float) and math.isnan(one) else one for one in tensor.data]
    if tensor.datatype in ("INT64", "INT32") and any(
        type(one) not in (int, type(None)) for one in tensor.data
    ):
        raise InvalidRequest(f"A tensor of datatype {tensor.datatype} holds integers.", param="inputs")
    return tensor.data


# Both


def _rows(name: str, datatype: str, rows: Sequence[Sequence[float]]) -> Tensor:
    return Tensor(name, datatype, (len(rows), len(rows[0])), list(chain.from_iterable(rows)))


def _check_shape(tensor: Tensor) -> None:
    if tensor.shape not in ((len(tensor.data),), (len(tensor.data), 1)):
        raise InvalidRequest("The tensor's 'shape' must be [n] or [n, 1] for n values.", param="inputs")


def _check_outputs(outputs: Sequence[str] | None, known: Sequence[TensorSpec]) -> None:
    names = [one.name for one in known]
    if outputs is not None and any(one not in names for one in outputs):
        raise InvalidRequest(f"The model's outputs are: {', '.join(names)}.", param="outputs")


def _number(version: str | None) -> int | None:
    """Raises ModelNotFound."""
    if version is None:
        return None
    if not (version.isascii() and version.isdigit() and len(version) <= 9):
        raise ModelNotFound("The model has no such version.", param="version")
    return int(version)
