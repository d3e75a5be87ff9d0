"""The Open Inference Protocol, version 2, over HTTP with JSON tensors: the non-generative models.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
The gateway reads the tensors itself, because it has to mask the texts in them. The binary tensor extension is
not spoken; a request that uses it is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.catalog import Catalog
from gateway.chat.request import Bounds, parse_json
from gateway.domain import Caller, Classification, Comparison, Output, ServedModel, Usage
from gateway.errors import InvalidRequest, ModelNotFound, PayloadTooLarge, UnsupportedParameter
from gateway.inference import Inference
from gateway.rest.labels import checked_text
from gateway.rest.observe import Exchange
from gateway.rest.page import VERSION, CallerOf, ExchangeOf, Json

_TEXT, _SUBMISSION, _QUESTION, _REFERENCE = "text", "submission", "question", "reference"
_INPUTS: Mapping[Output, tuple[str, ...]] = {
    Output.EMBEDDING: (_TEXT,),
    Output.CLASSIFICATION: (_TEXT,),
    Output.GRADE: (_SUBMISSION, _QUESTION, _REFERENCE),
}
_MAY_LACK = frozenset({_QUESTION})  # and its texts may be empty


@dataclass(frozen=True, slots=True)
class _Asked:
    """An inference request that was checked."""

    id: str | None
    texts: Mapping[str, Sequence[str]] = field(repr=False)  # by input, all of one length
    outputs: frozenset[str] | None  # None: all


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One FP32 output, its data flat and row by row."""

    name: str
    shape: tuple[int, ...]
    data: Sequence[float]


def router(inference: Inference, catalog: Catalog, bounds: Bounds, max_texts: int) -> APIRouter:
    """The routes over the embeddings service's models; at most `max_texts` in a tensor."""
    routes = APIRouter(prefix="/v2", tags=["open inference protocol v2"])

    async def model_of(name: str, version: str | None) -> ServedModel:
        model = await catalog.inference_model(name)
        if version is not None and version != model.version:
            raise ModelNotFound("The model has no such version.", param="version")
        return model

    async def answered(
        model: ServedModel, asked: _Asked, caller: Caller, exchange: Exchange
    ) -> list[_Tensor]:
        texts = asked.texts
        if model.output is Output.EMBEDDING:
            embedded = await inference.embed(caller, model.name, texts[_TEXT])
            exchange.usage, exchange.masked = Usage(embedded.prompt_tokens), embedded.masked
            return [_rows("embedding", embedded.vectors)]
        if model.output is Output.CLASSIFICATION:
            classified = await inference.classify(caller, model.name, texts[_TEXT])
            exchange.masked = classified.masked
            return [_probabilities(model, classified.predictions)]
        compared = await inference.compare(caller, model.name, _comparisons(texts))
        exchange.masked = compared.masked
        scores = [estimate.score for estimate in compared.estimates]
        return [_Tensor("score", (len(scores),), scores), _probabilities(model, compared.estimates)]

    @routes.get("")
    async def server() -> Response:
        return Json({"name": "grading-gateway", "version": VERSION, "extensions": []})

    @routes.get("/health/live")
    async def live() -> Response:
        return Json({"live": True})

    @routes.get("/health/ready")
    async def ready() -> Response:
        """200 while the embeddings service tells its models, which it has loaded before; its error else."""
        await catalog.inference_models()
        return Json({"ready": True})

    @routes.get("/models/{name}")
    @routes.get("/models/{name}/versions/{version}")
    async def metadata(name: str, version: str | None = None) -> Response:
        model = await model_of(name, version)
        return Json(
            {
                "name": model.name,
                **({"versions": [model.version]} if model.version else {}),
                "platform": "onnxruntime_onnx",
                "inputs": [
                    {"name": name, "datatype": "BYTES", "shape": [-1]} for name in _INPUTS[model.output]
                ],
                "outputs": [
                    {"name": name, "datatype": "FP32", "shape": shape}
                    for name, shape in _outputs(model).items()
                ],
            }
        )

    @routes.get("/models/{name}/ready")
    @routes.get("/models/{name}/versions/{version}/ready")
    async def model_ready(name: str, version: str | None = None) -> Response:
        return Json({"name": (await model_of(name, version)).name, "ready": True})

    @routes.post("/models/{name}/infer")
    @routes.post("/models/{name}/versions/{version}/infer")
    async def infer(
        name: str, request: Request, caller: CallerOf, exchange: ExchangeOf, version: str | None = None
    ) -> Response:
        """BYTES tensors [n] or [n, 1] -> FP32 tensors of n rows."""
        model = await model_of(name, version)
        if "inference-header-content-length" in request.headers:
            raise InvalidRequest("The binary tensor extension is not supported: send JSON data.")
        asked = _read(parse_json(await request.body(), bounds), model, max_texts)
        tensors = await answered(model, asked, caller, exchange)
        return Json(
            {
                "model_name": model.name,
                **({"model_version": model.version} if model.version else {}),
                **({} if asked.id is None else {"id": asked.id}),
                "outputs": [
                    {"name": one.name, "datatype": "FP32", "shape": one.shape, "data": one.data}
                    for one in tensors
                    if asked.outputs is None or one.name in asked.outputs
                ],
            }
        )

    return routes


def _outputs(model: ServedModel) -> dict[str, list[int]]:
    """Names and shapes; -1 is a size that varies, or that the service does not tell."""
    if model.output is Output.EMBEDDING:
        return {"embedding": [-1, -1]}
    probabilities = {"probabilities": [-1, len(model.labels)]}
    return {"score": [-1], **probabilities} if model.output is Output.GRADE else probabilities


def _rows(name: str, rows: Sequence[Sequence[float]]) -> _Tensor:
    return _Tensor(name, (len(rows), len(rows[0])), list(chain.from_iterable(rows)))


def _probabilities(model: ServedModel, predictions: Iterable[Classification]) -> _Tensor:
    return _rows(
        "probabilities", [[one.probabilities[label] for label in model.labels] for one in predictions]
    )


def _comparisons(texts: Mapping[str, Sequence[str]]) -> list[Comparison]:
    submissions = texts[_SUBMISSION]
    questions = texts.get(_QUESTION) or [""] * len(submissions)
    return [
        Comparison(submission, (reference,), question or None)
        for submission, reference, question in zip(submissions, texts[_REFERENCE], questions, strict=True)
    ]


def _read(body: dict[str, Any], model: ServedModel, most: int) -> _Asked:
    """The request as this model takes it. Raises InvalidRequest, UnsupportedParameter, PayloadTooLarge."""
    if body.keys() - {"id", "parameters", "inputs", "outputs"}:
        # The field is not named: a caller's own word would travel to logs.
        raise UnsupportedParameter("The body has an unknown field.")
    identifier = body.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise InvalidRequest("'id' must be a string.", param="id")
    return _Asked(identifier, _texts(body.get("inputs"), model, most), _wanted(body.get("outputs"), model))


def _wanted(outputs: Any, model: ServedModel) -> frozenset[str] | None:
    if outputs is None:
        return None
    if not isinstance(outputs, list) or any(not isinstance(one, dict) for one in outputs):
        raise InvalidRequest("'outputs' must be a list of objects.", param="outputs")
    known = _outputs(model)
    if any(not isinstance(one.get("name"), str) or one["name"] not in known for one in outputs):
        raise InvalidRequest(f"The model's outputs are: {', '.join(known)}.", param="outputs")
    return frozenset(one["name"] for one in outputs) or None


def _texts(inputs: Any, model: ServedModel, most: int) -> dict[str, list[str]]:
    """The tensors' texts by name. Raises when names, datatypes, shapes or data do not agree."""
    known = _INPUTS[model.output]
    if not isinstance(inputs, list) or any(not isinstance(one, dict) for one in inputs):
        raise InvalidRequest("'inputs' must be a list of tensors.", param="inputs")
    texts: dict[str, list[str]] = {}
    for tensor in inputs:
        name = tensor.get("name")
        if not isinstance(name, str) or name not in known or name in texts:
            raise InvalidRequest(f"The model's inputs are, once each: {', '.join(known)}.", param="inputs")
        texts[name] = _tensor_texts(tensor, name, most)
    if set(known) - _MAY_LACK - texts.keys() or len({len(column) for column in texts.values()}) != 1:
        raise InvalidRequest(f"The model needs tensors of one length: {', '.join(known)}.", param="inputs")
    return texts


def _tensor_texts(tensor: Mapping[str, Any], name: str, most: int) -> list[str]:
    if tensor.keys() - {"name", "shape", "datatype", "parameters", "data"}:
        raise InvalidRequest("The tensor has an unknown field.", param="inputs")
    shape, data = tensor.get("shape"), tensor.get("data")
    if tensor.get("datatype") != "BYTES" or not isinstance(data, list) or not data:
        raise InvalidRequest("The tensor must be of datatype BYTES with a list of 'data'.", param="inputs")
    if len(data) > most:
        raise PayloadTooLarge(f"More than {most} texts.", param="inputs")
    if not isinstance(shape, list) or any(type(size) is not int for size in shape):
        raise InvalidRequest("The tensor's 'shape' must be a list of integers.", param="inputs")
    if shape not in ([len(data)], [len(data), 1]):
        raise InvalidRequest("The tensor's 'shape' must be [n] or [n, 1] for n texts.", param="inputs")
    # A [n, 1] tensor may come nested or flat.
    flat = [one[0] if len(shape) == 2 and isinstance(one, list) and len(one) == 1 else one for one in data]
    return [text if text == "" and name in _MAY_LACK else checked_text(text, name) for text in flat]
