"""What every protocol needs of a body: JSON, an object, texts within bounds."""

from collections.abc import Awaitable, Iterable
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import JSONResponse

from embeddings.errors import InvalidRequest, UnsupportedParameter
from embeddings.models import AnyModel, Prediction
from embeddings.observe import Exchange


class Json(JSONResponse):
    """A JSON answer; numpy arrays are written as they are."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def exchange_of(request: Request) -> Exchange:
    exchange: Exchange = request.scope["state"]["exchange"]
    return exchange


async def read_object(request: Request, known: Iterable[str]) -> dict[str, Any]:
    """The body as an object of known fields. Raises InvalidRequest, UnsupportedParameter."""
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise InvalidRequest("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if body.keys() - set(known):
        # The field is not named: a caller's own word would travel to logs.
        raise UnsupportedParameter(f"The body has an unknown field; known are: {', '.join(known)}.")
    return body


def checked_count(instances: list[Any], most: int, param: str) -> None:
    """Raises InvalidRequest."""
    if not instances:
        raise InvalidRequest(f"'{param}' must hold at least one text.", param=param)
    if len(instances) > most:
        raise InvalidRequest(f"'{param}' must hold at most {most} texts.", param=param)


def checked_texts(texts: list[Any], most: int, param: str) -> list[str]:
    """The texts, when there are any, not too many, and each says something. Raises InvalidRequest."""
    checked_count(texts, most, param)
    for text in texts:
        if not isinstance(text, str):
            raise InvalidRequest(f"'{param}' must hold texts only.", param=param)
        if not text:
            raise InvalidRequest(f"'{param}' cannot hold an empty text.", param=param)
    return texts


async def noted(
    request: Request, model: AnyModel, instances: int, coming: Awaitable[Prediction]
) -> Prediction:
    """The model's prediction, noted on the request's line."""
    exchange = exchange_of(request)
    exchange.texts = instances
    prediction = await coming
    exchange.tokens = prediction.tokens
    exchange.model, exchange.labels = model.name, [one.label for one in prediction.verdicts]
    return prediction
