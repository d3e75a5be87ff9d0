"""Code -> HTTP, in the shape its clients expect: OpenAI's object, or KServe's `{"error": "..."}`."""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from embeddings.errors import Code, ServiceError

HTTP: Mapping[Code, int] = {
    Code.UNAUTHENTICATED: 401,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.MODEL_NOT_FOUND: 404,
    Code.INVALID_REQUEST: 400,
    Code.UNSUPPORTED_PARAMETER: 400,
    Code.TEXT_TOO_LONG: 400,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_ENCODING: 415,
    Code.BODY_TIMEOUT: 408,
    Code.OVERLOADED: 503,
    Code.STOPPING: 503,
    Code.DEADLINE_EXCEEDED: 504,
    Code.INTERNAL: 500,
}


def speaks_openai(path: str) -> bool:
    """Whether clients of this path expect OpenAI's error object."""
    return path == "/v1/embeddings" or (path.startswith("/v1/models") and ":" not in path)


def error_response(error: ServiceError, path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a refusal."""
    status = HTTP[error.code]
    told: Any = error.message
    if speaks_openai(path):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        told = {"message": error.message, "type": kind, "param": error.param, "code": error.code.value}
    body = orjson.dumps({"error": told})
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-should-retry": "true" if status == 503 else "false",  # OpenAI's SDKs obey it
    }
    if error.code is Code.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
        headers["retry-after-ms"] = str(max(1, math.ceil(error.retry_after * 1000)))
    return status, headers, body
