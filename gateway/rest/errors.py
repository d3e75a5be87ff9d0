"""Code -> HTTP. OpenAI's error shape on OpenAI's paths, one shape of our own elsewhere."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.errors import Code, GatewayError

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Http:
    status: int
    openai_type: str
    openai_code: str
    retry: bool = False  # whether asking again may help: told to OpenAI's SDKs


HTTP: Mapping[Code, _Http] = {
    Code.UNAUTHENTICATED: _Http(401, "invalid_request_error", "invalid_api_key"),
    Code.FORBIDDEN: _Http(403, "invalid_request_error", "forbidden"),
    Code.NOT_FOUND: _Http(404, "invalid_request_error", "not_found"),
    Code.METHOD_NOT_ALLOWED: _Http(405, "invalid_request_error", "method_not_allowed"),
    Code.MODEL_NOT_FOUND: _Http(404, "invalid_request_error", "model_not_found"),
    Code.INVALID_REQUEST: _Http(400, "invalid_request_error", "invalid_request"),
    Code.UNSUPPORTED_PARAMETER: _Http(400, "invalid_request_error", "unsupported_parameter"),
    Code.CONTEXT_LENGTH_EXCEEDED: _Http(400, "invalid_request_error", "context_length_exceeded"),
    Code.PAYLOAD_TOO_LARGE: _Http(413, "invalid_request_error", "payload_too_large"),
    Code.UNSUPPORTED_ENCODING: _Http(415, "invalid_request_error", "unsupported_encoding"),
    Code.BODY_TIMEOUT: _Http(408, "invalid_request_error", "body_timeout"),
    Code.RATE_LIMITED: _Http(429, "requests", "rate_limit_exceeded", retry=True),
    Code.OVERLOADED: _Http(503, "server_error", "overloaded", retry=True),
    Code.MASKING_UNAVAILABLE: _Http(503, "server_error", "masking_unavailable", retry=True),
    Code.STORE_UNAVAILABLE: _Http(503, "server_error", "store_unavailable", retry=True),
    Code.CONFLICT: _Http(409, "invalid_request_error", "conflict"),
    Code.ARTIFACT_REFUSED: _Http(400, "invalid_request_error", "artifact_refused"),
    Code.ARTIFACT_UNAVAILABLE: _Http(502, "server_error", "artifact_unavailable", retry=True),
    Code.INVALID_DATASET: _Http(422, "invalid_request_error", "invalid_dataset"),
    Code.INVALID_HYPERPARAMETERS: _Http(422, "invalid_request_error", "invalid_hyperparameters"),
    Code.MODEL_UNAVAILABLE: _Http(503, "server_error", "model_unavailable", retry=True),
    Code.DEADLINE_EXCEEDED: _Http(504, "server_error", "deadline_exceeded"),
    Code.BACKEND_UNAVAILABLE: _Http(503, "server_error", "backend_unavailable", retry=True),
    Code.BACKEND_TIMEOUT: _Http(504, "server_error", "backend_timeout"),
    Code.BACKEND_ERROR: _Http(502, "server_error", "backend_error"),
    Code.UNUSABLE_ANSWER: _Http(502, "server_error", "unusable_answer"),
    Code.INTERNAL: _Http(500, "server_error", "internal_error"),
}


def speaks_openai(method: str, path: str) -> bool:
    """Whether clients of this path expect OpenAI's error shape."""
    if path.startswith("/v1/models"):
        return method == "GET" and ":" not in path and not path.endswith("/versions")
    return path in ("/v1/chat/completions", "/v1/embeddings")


def error_body(error: GatewayError, method: str, path: str, trace_id: str) -> dict[str, Any]:
    """The JSON body of a refusal."""
    http = HTTP[error.code]
    message = f"{error.message} {error.detail}" if error.detail else error.message
    if speaks_openai(method, path):
        told = {"message": message, "type": http.openai_type, "param": error.param, "code": http.openai_code}
        return {"error": told}
    ours: dict[str, Any] = {
        "code": error.code.value,
        "message": message,
        "details": [{"field": error.param}] if error.param else [],
        "trace_id": trace_id,
    }
    # Clients of the Open Inference Protocol read "error", a text, and nothing else.
    return {"error": message, **ours} if path.startswith("/v2") else ours


def error_response(
    error: GatewayError, method: str, path: str, trace_id: str
) -> tuple[int, list[Header], bytes]:
    """Status, headers and body of a refusal."""
    http = HTTP[error.code]
    body = orjson.dumps(error_body(error, method, path, trace_id))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-should-retry", b"true" if http.retry else b"false"),
    ]
    if error.code is Code.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
        headers.append((b"retry-after-ms", b"%d" % max(1, math.ceil(error.retry_after * 1000))))
    return http.status, headers, body


def error_event(error: GatewayError, method: str, path: str, trace_id: str) -> bytes:
    """The SSE event that ends a stream which broke after its head was sent."""
    return b"data: " + orjson.dumps(error_body(error, method, path, trace_id)) + b"\n\n"
