"""`POST /v1/mask`: how a text would be masked, and what was found in it by whom."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.chat.request import Bounds, parse_json
from gateway.domain import MASKED_TASKS, Language
from gateway.errors import InvalidRequest, PayloadTooLarge, UnsupportedParameter
from gateway.masking import Masking
from gateway.rest.page import CallerOf, Json

_LANGUAGES = tuple(language.value for language in Language)


def router(masking: Masking, bounds: Bounds) -> APIRouter:
    """The route over the service; a text may be as long as a message of a chat."""
    routes = APIRouter(tags=["masking"])

    @routes.post("/v1/mask", openapi_extra=_operation(bounds.max_message_chars))
    async def mask(request: Request, caller: CallerOf) -> Response:
        """The text as it would leave for a model, and every replaced value: kind, place, score, recogniser.
        Nothing is sent anywhere, kept or counted as masked."""
        body = parse_json(await request.body(), bounds)
        if body.keys() - {"text", "language", "task_type"}:
            raise UnsupportedParameter("Only 'text', 'language' and 'task_type' are read.")
        text = _text(body.get("text"), bounds.max_message_chars)
        language, task = body.get("language"), body.get("task_type", "chat")
        if language is not None and language not in _LANGUAGES:
            raise InvalidRequest(f"'language' must be {' or '.join(_LANGUAGES)}.", param="language")
        if task not in MASKED_TASKS:
            raise InvalidRequest(f"'task_type' must be one of {', '.join(MASKED_TASKS)}.", param="task_type")
        asked = Language(language) if language else None
        explained = await masking.explain(caller, text, task, asked)
        return await asyncio.to_thread(Json, explained)  # ten thousand values are 1 MB

    return routes


def _text(text: Any, most: int) -> str:
    if not isinstance(text, str) or not text:
        raise InvalidRequest("'text' must be a text that is not empty.", param="text")
    if len(text) > most:
        raise PayloadTooLarge(f"The text is longer than {most} characters.", param="text")
    return text


def _operation(most: int) -> dict[str, Any]:
    """What OpenAPI says of the route."""
    task = {"enum": list(MASKED_TASKS), "default": "chat", "description": "Whose policy is followed."}
    language = {
        "enum": [*_LANGUAGES, None],
        "description": "Names of the other language are not looked for; null: both.",
    }
    text = {"type": "string", "minLength": 1, "maxLength": most}
    asked = _object({"text": text, "language": language, "task_type": task}, "text")
    refusals = {
        "400": "Not JSON; a field that is unknown, missing, empty or not what it should be.",
        "413": "The text, or the body, is too long.",
        "503": "Personal data cannot be looked for now, or too many requests are being answered.",
    }
    answers = {
        "200": {"description": "The text as it would leave.", "content": _json(_explained())},
        **{code: {"description": why, "content": _json(_refused())} for code, why in refusals.items()},
    }
    return {"requestBody": {"required": True, "content": _json(asked)}, "responses": answers}


def _explained() -> dict[str, Any]:
    place = {"type": "integer", "minimum": 0, "description": "In code points of the given text."}
    words = {"type": "string"}
    entity = {
        "type": words,
        "start": place,
        "end": place,
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "recogniser": words,
        "placeholder": words,
    }
    told = {"masked": words, "entities": {"type": "array", "items": _object(entity, *entity)}}
    return _object(told, *told)


def _refused() -> dict[str, Any]:
    words = {"type": "string"}
    details = {"type": "array", "items": _object({"field": words}, "field")}
    told = {"code": words, "message": words, "details": details, "trace_id": words}
    return _object(told, *told)


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
