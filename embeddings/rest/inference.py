"""The Open Inference Protocol, version 2, over HTTP with JSON tensors.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
The binary tensor extension is not spoken; a request that uses it is refused.
"""

from typing import Any

import numpy as np
from fastapi import APIRouter, Request

from embeddings import VERSION
from embeddings.errors import InvalidRequest, ModelNotFound
from embeddings.models import Model, Models
from embeddings.rest.payload import Json, checked_texts, predicted, read_object

_INPUT = "text"


def router(models: Models, *, max_inputs: int) -> APIRouter:
    """The routes over a table of models."""
    routes = APIRouter(prefix="/v2", tags=["open inference protocol v2"])

    def model_of(name: str, version: str | None) -> Model:
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
                "inputs": [{"name": _INPUT, "datatype": "BYTES", "shape": [-1]}],
                "outputs": [{"name": model.output, "datatype": "FP32", "shape": [-1, model.width]}],
            }
        )

    @routes.get("/models/{name}/ready")
    @routes.get("/models/{name}/versions/{version}/ready")
    async def model_ready(name: str, version: str | None = None) -> Json:
        return Json({"name": model_of(name, version).name, "ready": True})

    @routes.post("/models/{name}/infer")
    @routes.post("/models/{name}/versions/{version}/infer")
    async def infer(name: str, request: Request, version: str | None = None) -> Json:
        """BYTES `text` [n] or [n, 1] -> one FP32 output [n, width], its data flat and row by row."""
        model = model_of(name, version)
        if "inference-header-content-length" in request.headers:
            raise InvalidRequest("The binary tensor extension is not supported: send JSON data.")
        body = await read_object(request, ("id", "parameters", "inputs", "outputs"))
        identifier = body.get("id")
        if identifier is not None and not isinstance(identifier, str):
            raise InvalidRequest("'id' must be a string.", param="id")
        _check_outputs(body.get("outputs"), model.output)
        texts = checked_texts(_data(body.get("inputs")), max_inputs, "inputs")
        rows = (await predicted(model, texts, request)).rows
        output = {"name": model.output, "datatype": "FP32", "shape": list(rows.shape)}
        answer = {
            "model_name": model.name,
            "model_version": model.version,
            "outputs": [{**output, "data": np.ascontiguousarray(rows).reshape(-1)}],
        }
        return Json(answer if identifier is None else {**answer, "id": identifier})

    return routes


def _check_outputs(outputs: Any, known: str) -> None:
    if outputs is None:
        return
    if not isinstance(outputs, list) or any(not isinstance(one, dict) for one in outputs):
        raise InvalidRequest("'outputs' must be a list of objects.", param="outputs")
    if any(one.get("name") != known for one in outputs):
        raise InvalidRequest(f"The model's only output is '{known}'.", param="outputs")


def _data(inputs: Any) -> list[Any]:
    """The one tensor's texts. Raises InvalidRequest when name, datatype, shape or data do not agree."""
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise InvalidRequest(f"'inputs' must hold one tensor, '{_INPUT}'.", param="inputs")
    tensor = inputs[0]
    if tensor.keys() - {"name", "shape", "datatype", "parameters", "data"}:
        raise InvalidRequest("The tensor has an unknown field.", param="inputs")
    if tensor.get("name") != _INPUT or tensor.get("datatype") != "BYTES":
        raise InvalidRequest(f"The tensor must be '{_INPUT}' of datatype BYTES.", param="inputs")
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
