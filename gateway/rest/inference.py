"""The Open Inference Protocol, version 2, over HTTP with JSON tensors.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
The gateway reads the tensors itself, because it has to mask the texts in them. The binary tensor extension is
not spoken; a request that uses it is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.chat.request import Bounds, parse_json
from gateway.errors import InvalidRequest, ModelUnavailable, UnsupportedParameter
from gateway.open_inference import OpenInference, Tensor, TensorSpec
from gateway.rest.page import VERSION, CallerOf, ExchangeOf, Json


@dataclass(frozen=True, slots=True)
class _Asked:
    """An inference request as JSON says it."""

    id: str | None
    inputs: list[Tensor]
    outputs: list[str] | None  # None: all


def router(models: OpenInference, bounds: Bounds) -> APIRouter:
    """The routes over everything that takes tensors."""
    routes = APIRouter(prefix="/v2", tags=["open inference protocol v2"])

    @routes.get("")
    async def server() -> Response:
        return Json({"name": "grading-gateway", "version": VERSION, "extensions": []})

    @routes.get("/health/live")
    async def live() -> Response:
        return Json({"live": True})

    @routes.get("/health/ready")
    async def ready() -> Response:
        """200 while the embeddings service, where there is one, tells its models; its error else."""
        await models.server_ready()
        return Json({"ready": True})

    @routes.get("/models/{name}")
    @routes.get("/models/{name}/versions/{version}")
    async def metadata(name: str, version: str | None = None) -> Response:
        model = await models.metadata(name, version)
        return Json(
            {
                "name": model.name,
                **({"versions": model.versions} if model.versions else {}),
                "platform": model.platform,
                "inputs": [_told(one) for one in model.inputs],
                "outputs": [_told(one) for one in model.outputs],
            }
        )

    @routes.get("/models/{name}/ready")
    @routes.get("/models/{name}/versions/{version}/ready")
    async def model_ready(name: str, version: str | None = None) -> Response:
        if not await models.ready(name, version):
            raise ModelUnavailable("The model cannot be loaded.", param="name")
        return Json({"name": name, "ready": True})

    @routes.post("/models/{name}/infer")
    @routes.post("/models/{name}/versions/{version}/infer")
    async def infer(
        name: str, request: Request, caller: CallerOf, exchange: ExchangeOf, version: str | None = None
    ) -> Response:
        """Texts, BYTES [n] or [n, 1], for the embeddings service's models; for a trained model a tensor for
        each feature."""
        if "inference-header-content-length" in request.headers:
            raise InvalidRequest("The binary tensor extension is not supported: send JSON data.")
        asked = _read(parse_json(await request.body(), bounds))
        inferred = await models.infer(caller, name, version, asked.inputs, asked.outputs)
        exchange.usage, exchange.masked = inferred.usage, inferred.masked
        return Json(
            {
                "model_name": inferred.model,
                **({"model_version": inferred.version} if inferred.version else {}),
                **({} if asked.id is None else {"id": asked.id}),
                "outputs": [
                    {"name": one.name, "datatype": one.datatype, "shape": one.shape, "data": one.data}
                    for one in inferred.outputs
                ],
            }
        )

    return routes


def _told(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


def _read(body: dict[str, Any]) -> _Asked:
    """Raises InvalidRequest, UnsupportedParameter."""
    if body.keys() - {"id", "parameters", "inputs", "outputs"}:
        # The field is not named: a caller's own word would travel to logs.
        raise UnsupportedParameter("The body has an unknown field.")
    identifier = body.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise InvalidRequest("'id' must be a string.", param="id")
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or any(not isinstance(one, dict) for one in inputs):
        raise InvalidRequest("'inputs' must be a list of tensors.", param="inputs")
    return _Asked(identifier, [_tensor(one) for one in inputs], _wanted(body.get("outputs")))


def _wanted(outputs: Any) -> list[str] | None:
    if outputs is None:
        return None
    if not isinstance(outputs, list) or any(
        not isinstance(one, dict) or not isinstance(one.get("name"), str) for one in outputs
    ):
        raise InvalidRequest("'outputs' must be a list of objects with a 'name'.", param="outputs")
    return [one["name"] for one in outputs] or None


def _tensor(tensor: Mapping[str, Any]) -> Tensor:
    """The tensor, its data flat: a [n, 1] tensor may come nested."""
    if tensor.keys() - {"name", "shape", "datatype", "parameters", "data"}:
        raise InvalidRequest("The tensor has an unknown field.", param="inputs")
    name, datatype, shape, data = (tensor.get(key) for key in ("name", "datatype", "shape", "data"))
    if not isinstance(name, str) or not isinstance(datatype, str):
        raise InvalidRequest("A tensor needs a 'name' and a 'datatype'.", param="inputs")
    if not isinstance(data, list) or not data:
        raise InvalidRequest("A tensor needs a list of 'data'.", param="inputs")
    if not isinstance(shape, list) or any(type(size) is not int for size in shape):
        raise InvalidRequest("The tensor's 'shape' must be a list of integers.", param="inputs")
    flat = [one[0] if len(shape) == 2 and isinstance(one, list) and len(one) == 1 else one for one in data]
    return Tensor(name, datatype, tuple(shape), flat)
