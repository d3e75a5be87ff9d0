"""`/v1/contracts`: the schemas that grading requests and answers follow, as the files that the service itself
checks by.

A `$ref` is relative and every file lies here under its own name, so references resolve from the place where a
schema was read as well as by its `$id`.
"""

from typing import Any

from fastapi import APIRouter, Header, Response

from gateway.contracts.files import KINDS, REQUEST, RESPONSE, SHARED, TASK_TYPES, VERSIONS, contracts, name_of
from gateway.errors import NotFound
from gateway.rest.page import Json

PATH = "/v1/contracts"
_JSON_SCHEMA = "application/schema+json"


def router() -> APIRouter:
    """The routes; the files are read here, before the door opens."""
    routes = APIRouter(prefix=PATH, tags=["contracts"])
    known = contracts()

    @routes.get("")
    async def every_contract() -> Response:
        """Every schema: version, task type, request or response, and where it is."""
        listed = [entry for version in VERSIONS for entry in _entries(version)]
        return Json({"contracts": listed, "shared": [_entry(name) for name in SHARED]})

    @routes.get("/{version}", response_class=Response, responses=_SCHEMA_RESPONSES)
    async def version_or_shared(version: str, if_none_match: str | None = Header(None)) -> Response:
        """The schemas of a version, or a shared schema by its file's name."""
        if version in SHARED:
            return schema(version, if_none_match)
        if version not in VERSIONS:
            raise NotFound("There is no contract of that version.")
        return Json({"version": version, "contracts": _entries(version)})

    @routes.get("/{version}/{name}", response_class=Response, responses=_SCHEMA_RESPONSES)
    async def one_schema(version: str, name: str, if_none_match: str | None = Header(None)) -> Response:
        """A schema by its file's name, such as `code.request.json`."""
        return schema(f"{version}/{name}", if_none_match)

    def schema(name: str, if_none_match: str | None) -> Response:
        contract = known.get(name)
        if contract is None:
            raise NotFound("There is no such schema.")
        tag = f'"{contract.sha256}"'
        if if_none_match is not None and _matches(if_none_match, tag):
            return Response(status_code=304, headers={"etag": tag})
        return Response(contract.body, media_type=_JSON_SCHEMA, headers={"etag": tag})

    return routes


def predict_operation() -> dict[str, Any]:
    """What OpenAPI says of `:predict`: the schemas by reference, resolved from where openapi.json lies."""
    text = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
    requests, answers = _references(REQUEST), _references(RESPONSE)
    asked = [
        *requests,
        {**text, "description": "Of a classifier or an encoder.", "additionalProperties": False},
    ]
    told = [*answers, {"description": "Of a classifier or an encoder."}]
    return {
        "requestBody": {"required": True, "content": _one_or("instances", asked)},
        "responses": {"200": {"description": "A prediction.", "content": _one_or("predictions", told)}},
    }


def _references(kind: str) -> list[dict[str, Any]]:
    return [
        {"$ref": f"{PATH}/{name_of(version, task_type, kind)}"}
        for version in VERSIONS
        for task_type in TASK_TYPES
    ]


def _one_or(field: str, forms: list[dict[str, Any]]) -> dict[str, Any]:
    """JSON of one of the forms, or an object with a list of them."""
    many = {
        "type": "object",
        "required": [field],
        "properties": {field: {"type": "array", "items": {"anyOf": forms}}},
        "additionalProperties": False,
    }
    return {"application/json": {"schema": {"anyOf": [*forms, many]}}}


_SCHEMA_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {_JSON_SCHEMA: {"schema": {"type": "object"}}}},
    304: {"description": "The schema is still the one that `If-None-Match` names."},
}


def _entries(version: str) -> list[dict[str, str]]:
    return [
        {
            "version": version,
            "task_type": task_type,
            "kind": kind,
            **_entry(name_of(version, task_type, kind)),
        }
        for task_type in TASK_TYPES
        for kind in KINDS
    ]


def _entry(name: str) -> dict[str, str]:
    return {"url": f"{PATH}/{name}", "sha256": contracts()[name].sha256}


def _matches(if_none_match: str, tag: str) -> bool:
    """RFC 9110, 13.1.2: a list of tags, compared weakly, or any."""
    given = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return tag in given or given == {"*"}
