"""What the OpenAPI document says beyond the routes' own words: the key, how is refused, what is sent where
a handler reads the body itself, what is answered that is not JSON, and chat completions, whose door is no
route."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from gateway.errors import Code
from gateway.rest.errors import HTTP, speaks_openai

Document = dict[str, Any]

_PUBLIC = ("/-/healthz", "/-/readyz")
_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_FILE = {"type": "string", "format": "binary"}
_CHAT = {
    "post": {
        "tags": ["models"],
        "summary": "Chat Completions",
        "description": "OpenAI's chat completions, of masked messages; `stream` answers server-sent events.",
        "operationId": "chat_completions",
        "responses": {"200": {"description": "A completion, or its events."}},
    }
}
# What is sent, by operation, where the routes do not tell: content type -> schema.
_BODIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("post", "/v1/chat/completions"): {
        "application/json": {
            "type": "object",
            "required": ["model", "messages"],
            "properties": {
                "model": _TEXT,
                "messages": {"type": "array", "items": _OBJECT},
                "stream": {"type": "boolean"},
            },
        }
    },
    ("post", "/v1/embeddings"): {
        "application/json": {
            "type": "object",
            "required": ["model", "input"],
            "properties": {
                "model": _TEXT,
                "input": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
                "encoding_format": {"enum": ["float", "base64"]},
            },
        }
    },
    ("post", "/v1/datasets"): {
        "text/csv": _FILE,
        "application/json": {"type": "array", "items": _OBJECT},
        "application/jsonl": _FILE,
        "multipart/form-data": {"type": "object", "required": ["file"], "properties": {"file": _FILE}},
    },
    ("post", "/v1/batches"): {"application/json": _OBJECT, "application/jsonl": _FILE},
    **{
        operation: {"application/json": _OBJECT}
        for operation in (
            ("post", "/predict"),
            ("post", "/predict_scenario"),
            ("post", "/v1/training-jobs"),
            ("post", "/v1/models/{name}:retrain"),
            ("post", "/v1/models/{name}:promote"),
            ("post", "/v1/drift-references"),
            ("post", "/v1/drift-runs"),
            ("post", "/v1/rubrics"),
            ("put", "/v1/rubrics/{rubric_id}"),
            ("post", "/v1/reviews/{grade_id}"),
            ("post", "/v2/models/{name}/infer"),
            ("post", "/v2/models/{name}/versions/{version}/infer"),
        )
    },
}
_OPTIONAL = {("post", "/v1/models/{name}:retrain")}  # bodies that may be left out
# What is answered, where it is not JSON alone.
_ANSWERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("get", "/metrics"): ("text/plain",),
    ("get", "/v1/batches/{batch_id}/results"): ("application/jsonl",),
    ("get", "/v1/drift-runs/{run_id}/report"): ("text/html",),
    ("post", "/v1/chat/completions"): ("application/json", "text/event-stream"),
}
_ALSO: Mapping[tuple[str, str], Document] = {
    ("get", "/v1/drift-runs/{run_id}/report"): {"304": {"description": "`If-None-Match` names the report."}},
    ("post", "/v1/datasets"): {
        "200": {
            "description": "The newest version is the same.",
            "content": {"application/json": {"schema": {}}},
        }
    },
}


def describe(app: FastAPI) -> None:
    """Has the application tell the whole document."""
    routes = app.openapi

    def whole() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _whole(routes())
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]  # as FastAPI documents it


def _whole(told: Document) -> Document:
    told["paths"]["/v1/chat/completions"] = _CHAT
    parts = told.setdefault("components", {})
    parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    schemas = {"Refusal": _ours(), "InferenceRefusal": _ours(error=_TEXT), "OpenAIRefusal": _openais()}
    parts["schemas"] = {
        name: schema for name, schema in parts.get("schemas", {}).items() if "Validation" not in name
    } | schemas
    told["security"] = [{"key": []}]
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            operations[method] = _operation(method, path, operation)
    return told


def _operation(method: str, path: str, told: Document) -> Document:
    responses = {status: _answer(answer) for status, answer in told["responses"].items() if status != "422"}
    if kinds := _ANSWERS.get((method, path)):
        responses["200"] = {**responses["200"], "content": {kind: {"schema": {}} for kind in kinds}}
    shapes = [{"$ref": f"#/components/schemas/{name}"} for name in _shapes(method, path)]
    refusal = {"application/json": {"schema": {"anyOf": shapes} if shapes[1:] else shapes[0]}}
    whole = {
        **told,
        "responses": {
            **responses,
            **_ALSO.get((method, path), {}),
            "4XX": {"description": "Refused: `code` says why.", "content": refusal},
            "5XX": {"description": "Not now, or a fault: `code` says which.", "content": refusal},
        },
    }
    if (body := _BODIES.get((method, path))) is not None:
        whole["requestBody"] = {
            "required": (method, path) not in _OPTIONAL,
            "content": {kind: {"schema": schema} for kind, schema in body.items()},
        }
    if path in _PUBLIC:
        whole["security"] = []
    return whole


def _answer(told: Document) -> Document:
    """FastAPI takes what is answered by a response class of its own for a text."""
    kinds = {
        kind: {} if content.get("schema") == _TEXT else content
        for kind, content in told.get("content", {}).items()
    }
    return {**told, "content": kinds} if kinds else told


def _shapes(method: str, path: str) -> tuple[str, ...]:
    if path == "/v1/models/{name}" and method == "get":
        return "OpenAIRefusal", "Refusal"  # where the name has a colon
    if speaks_openai(method.upper(), path):
        return ("OpenAIRefusal",)
    return ("InferenceRefusal",) if path.startswith("/v2") else ("Refusal",)


def _ours(**more: Any) -> Document:
    details = {"type": "array", "items": _object({"field": _TEXT})}
    codes = {"enum": [code.value for code in Code]}
    return _object({**more, "code": codes, "message": _TEXT, "details": details, "trace_id": _TEXT})


def _openais() -> Document:
    told = {
        "message": _TEXT,
        "type": {"enum": sorted({one.openai_type for one in HTTP.values()})},
        "param": {"type": ["string", "null"]},
        "code": {"enum": sorted({one.openai_code for one in HTTP.values()})},
    }
    return _object({"error": _object(told)})


def _object(properties: Mapping[str, Any]) -> Document:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
