"""The Open Inference Protocol, version 2, over HTTP with JSON tensors.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
The binary tensor extension is not spoken; a request that uses it is refused.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, Request

from embeddings import VERSION
from embeddings.errors import InvalidRequest, ModelNotFound
from embeddings.models import EMBEDDING, GRADE, AnyModel, Comparer, Mark, Models, Prediction
from embeddings.rest.comparisons import checked_comparisons
from embeddings.rest.payload import Json, checked_count, checked_texts, noted, read_object

_TEXTS = {"text": True}  # name of an input -> whether it must be there
_COMPARISONS = {"submission": True, "reference": True, "question": False}


def router(models: Models, *, max_inputs: int) -> APIRouter:
    """The routes over a table of models."""
    routes = APIRouter(prefix="/v2", tags=["open inference protocol v2"])

    def model_of(name: str, version: str | None) -> AnyModel:
        model = models[name]
        if version is not None and version != model.version:
            raise ModelNotFound("The model has no such version.", param="version")
        return model

    @routes.get("")
    async def server() -> Json:
        return Json({"name": "embeddings", "version": VERSION, "extensions": []})

    @routes.get("/health/live")
    async def live() -> Json:
        return Json({"live": True})

    @routes.get("/health/ready")
    async def ready() -> Json:
        """The table is loaded before the door opens."""
        return Json({"ready": True})

    @routes.get("/models/{name}")
    @routes.get("/models/{name}/versions/{version}")
    async def metadata(name: str, version: str | None = None) -> Json:
        model = model_of(name, version)
        return Json(
            {
                "name": model.name,
                "versions": [model.version],
                "platform": "onnxruntime_onnx",
                "inputs": [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in _inputs(model)],
                "outputs": [
                    {"name": name, "datatype": "FP32", "shape": [-1, *of_one]}
                    for name, of_one in _outputs(model).items()
                ],
            }
        )

    @routes.get("/models/{name}/ready")
    @routes.get("/models/{name}/versions/{version}/ready")
    async def model_ready(name: str, version: str | None = None) -> Json:
        return Json({"name": model_of(name, version).name, "ready": True})

    @routes.post("/models/{name}/infer")
    @routes.post("/models/{name}/versions/{version}/infer")
    async def infer(name: str, request: Request, version: str | None = None) -> Json:
        """BYTES [n] or [n, 1] -> FP32, data flat and row by row. Encoder: `text` -> `embedding` [n, width];
        classifier: `text` -> `probabilities` [n, labels]; grader: `submission`, `reference` and, if need
        be, `question` -> `score` [n], `probabilities` [n, 3]."""
        model = model_of(name, version)
        if "inference-header-content-length" in request.headers:
            raise InvalidRequest("The binary tensor extension is not supported: send JSON data.")
        body = await read_object(request, ("id", "parameters", "inputs", "outputs"))
        identifier = body.get("id")
        if identifier is not None and not isinstance(identifier, str):
            raise InvalidRequest("'id' must be a string.", param="id")
        wanted = _wanted(body.get("outputs"), tuple(_outputs(model)))
        columns = _columns(body.get("inputs"), _inputs(model))
        if isinstance(model, Comparer):
            comparisons = checked_comparisons(_rows(columns, max_inputs), max_inputs)
            prediction = await noted(request, model, len(comparisons), model.compare(comparisons))
        else:
            texts = checked_texts(columns["text"], max_inputs, "inputs")
            prediction = await noted(request, model, len(texts), model.predict(texts))
        answer = {
            "model_name": model.name,
            "model_version": model.version,
            "outputs": [_tensor(one, prediction) for one in wanted],
        }
        return Json(answer if identifier is None else {**answer, "id": identifier})

    return routes


def _inputs(model: AnyModel) -> Mapping[str, bool]:
    return _COMPARISONS if isinstance(model, Comparer) else _TEXTS


def _outputs(model: AnyModel) -> Mapping[str, list[int]]:
    """Name of an output -> the shape of one instance's part."""
    if model.output == EMBEDDING:
        return {"embedding": [model.width]}
    found = {"probabilities": [model.width]}
    return {"score": [], **found} if model.output == GRADE else found


def _tensor(name: str, prediction: Prediction) -> dict[str, Any]:
    rows = prediction.rows
    if name == "score":
        scores = [one.score for one in prediction.verdicts if isinstance(one, Mark)]
        rows = np.array(scores, np.float32)
    shape = list(rows.shape)
    return {
        "name": name,
        "datatype": "FP32",
        "shape": shape,
        "data": np.ascontiguousarray(rows).reshape(-1),
    }


def _wanted(outputs: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    """The outputs to be sent, all when none are named. Raises InvalidRequest."""
    if outputs is None:
        return known
    if not isinstance(outputs, list) or any(not isinstance(one, dict) for one in outputs):
        raise InvalidRequest("'outputs' must be a list of objects.", param="outputs")
    names = [one.get("name") for one in outputs]
    if any(name not in known for name in names):
        raise InvalidRequest(f"The model's outputs are: {', '.join(known)}.", param="outputs")
    return tuple(name for name in known if not names or name in names)


def _columns(inputs: Any, known: Mapping[str, bool]) -> dict[str, list[Any]]:
    """Each tensor's data by its name. Raises InvalidRequest when names, types, shapes or data disagree."""
    if not isinstance(inputs, list) or not inputs or any(not isinstance(one, dict) for one in inputs):
        raise InvalidRequest(f"'inputs' must hold tensors: {', '.join(known)}.", param="inputs")
    names = [one.get("name") for one in inputs]
    needed = [name for name, must in known.items() if must]
    if not _each_once(names, known) or set(needed) - set(names):
        raise InvalidRequest(
            f"The tensors must be {', '.join(known)}, each once; needed: {', '.join(needed)}.", param="inputs"
        )
    columns = {name: _data(one) for name, one in zip(names, inputs, strict=True)}
    if len({len(data) for data in columns.values()}) > 1:
        raise InvalidRequest("The tensors must be of one length.", param="inputs")
    return columns


def _each_once(names: list[Any], known: Mapping[str, bool]) -> bool:
    return all(isinstance(name, str) and name in known for name in names) and len(set(names)) == len(names)


def _rows(columns: Mapping[str, list[Any]], most: int) -> list[Any]:
    """A grader's tensors as V1's instances: one reference each."""
    checked_count(columns["submission"], most, "inputs")
    questions = columns.get("question", [""] * len(columns["submission"]))
    return [
        {"submission": submission, "reference_answers": [reference], "question": question}
        for submission, reference, question in zip(
            columns["submission"], columns["reference"], questions, strict=True
        )
    ]


def _data(tensor: Any) -> list[Any]:
    if tensor.keys() - {"name", "shape", "datatype", "parameters", "data"}:
        raise InvalidRequest("A tensor has an unknown field.", param="inputs")
    if tensor.get("datatype") != "BYTES":
        raise InvalidRequest("The tensors must be of datatype BYTES.", param="inputs")
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(data, list):
        raise InvalidRequest("The tensor's 'data' must be a list.", param="inputs")
    if not isinstance(shape, list) or any(type(size) is not int for size in shape):
        raise InvalidRequest("The tensor's 'shape' must be a list of integers.", param="inputs")
    if shape not in ([len(data)], [len(data), 1]):
        raise InvalidRequest(
            "The tensor's 'shape' must be [n] or [n, 1] for n texts of data.", param="inputs"
        )
    # A [n, 1] tensor may come nested or flat.
    return [one[0] if len(shape) == 2 and isinstance(one, list) and len(one) == 1 else one for one in data]
