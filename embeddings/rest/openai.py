"""OpenAI's protocol: `POST /v1/embeddings`, `GET /v1/models`, `GET /v1/models/{name}`.

https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Request

from embeddings.errors import InvalidRequest, ModelNotFound, UnsupportedParameter
from embeddings.models import EMBEDDING, AnyModel, Comparer, Models, TextModel
from embeddings.rest.payload import Json, checked_texts, noted, read_object

_FIELDS = ("model", "input", "encoding_format", "dimensions", "user")


def router(models: Models, *, max_inputs: int, started: int) -> APIRouter:
    """The routes over a table of models; `started` is their `created`, seconds since 1970."""
    routes = APIRouter(tags=["openai"])

    @routes.post("/v1/embeddings")
    async def embeddings(request: Request) -> Json:
        """Unit vectors in the order of `input`."""
        body = await read_object(request, _FIELDS)
        model = _embedding_model(models, body.get("model"))
        texts = _texts(body.get("input"), max_inputs)
        encoding = body.get("encoding_format", "float")
        if encoding not in ("float", "base64"):
            raise InvalidRequest("'encoding_format' must be float or base64.", param="encoding_format")
        dimensions = body.get("dimensions")
        if dimensions is not None and (type(dimensions) is not int or dimensions != model.width):
            raise UnsupportedParameter(
                f"This model's vectors have {model.width} dimensions and cannot be shortened.",
                param="dimensions",
            )
        prediction = await noted(request, model, len(texts), model.predict(texts))
        data = [
            {
                "object": "embedding",
                "index": index,
                # Little-endian float32 whatever the machine: the SDKs read it so.
                "embedding": row
                if encoding == "float"
                else base64.b64encode(row.astype("<f4", copy=False).tobytes()).decode(),
            }
            for index, row in enumerate(np.ascontiguousarray(prediction.rows))
        ]
        usage = {"prompt_tokens": prediction.tokens, "total_tokens": prediction.tokens}
        return Json({"object": "list", "data": data, "model": model.name, "usage": usage})

    def listed(model: AnyModel) -> dict[str, Any]:
        return {
            "id": model.name,
            "object": "model",
            "created": started,
            "owned_by": "grading-gateway",
            "max_model_len": model.max_tokens,
            "version": model.version,
            "output": model.output,
            **({"labels": model.labels} if model.labels else {}),
        }

    @routes.get("/v1/models")
    async def every() -> Json:
        """OpenAI's list and KServe's names in one answer."""
        data = [listed(model) for model in models]
        return Json({"object": "list", "data": data, "models": [entry["id"] for entry in data]})

    @routes.get("/v1/models/{name}")
    async def one(name: str) -> Json:
        """OpenAI's model object with KServe's `name` and `ready`."""
        model = models[name]
        return Json({**listed(model), "name": model.name, "ready": True})

    return routes


def _embedding_model(models: Models, name: Any) -> TextModel:
    if not isinstance(name, str):
        raise InvalidRequest("'model' must be the name of a model.", param="model")
    model = models[name]
    if isinstance(model, Comparer) or model.output != EMBEDDING:
        raise ModelNotFound("The model of that name gives no embeddings.", param="model")
    return model


def _texts(given: Any, most: int) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list):
        raise InvalidRequest("'input' must be a text or a list of texts.", param="input")
    if texts and isinstance(texts[0], int | list):
        raise InvalidRequest(
            "'input' must be texts: token ids are numbered by another model's tokenizer.", param="input"
        )
    return checked_texts(texts, most, "input")
