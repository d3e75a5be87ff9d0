"""Code -> gRPC: a status, trailing metadata, and google.rpc.Status for clients that read it."""

import math
from collections.abc import Mapping

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc_status import rpc_status

from gateway.errors import Code, GatewayError

Metadata = list[tuple[str, str | bytes]]

STATUS: Mapping[Code, StatusCode] = {
    Code.UNAUTHENTICATED: StatusCode.UNAUTHENTICATED,
    Code.FORBIDDEN: StatusCode.PERMISSION_DENIED,
    Code.NOT_FOUND: StatusCode.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED: StatusCode.UNIMPLEMENTED,
    Code.MODEL_NOT_FOUND: StatusCode.NOT_FOUND,
    Code.INVALID_REQUEST: StatusCode.INVALID_ARGUMENT,
    Code.UNSUPPORTED_PARAMETER: StatusCode.INVALID_ARGUMENT,
    Code.CONTEXT_LENGTH_EXCEEDED: StatusCode.INVALID_ARGUMENT,
    Code.PAYLOAD_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,  # as gRPC itself says of a message
    Code.UNSUPPORTED_ENCODING: StatusCode.UNIMPLEMENTED,  # as gRPC itself says of a compressed message
    Code.BODY_TIMEOUT: StatusCode.DEADLINE_EXCEEDED,
    Code.RATE_LIMITED: StatusCode.RESOURCE_EXHAUSTED,
    Code.OVERLOADED: StatusCode.UNAVAILABLE,
    Code.MASKING_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Code.STORE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Code.CONFLICT: StatusCode.FAILED_PRECONDITION,
    Code.ARTIFACT_REFUSED: StatusCode.INVALID_ARGUMENT,
    Code.ARTIFACT_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Code.INVALID_DATASET: StatusCode.INVALID_ARGUMENT,
    Code.INVALID_HYPERPARAMETERS: StatusCode.INVALID_ARGUMENT,
    Code.MODEL_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Code.DEADLINE_EXCEEDED: StatusCode.DEADLINE_EXCEEDED,
    Code.BACKEND_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Code.BACKEND_TIMEOUT: StatusCode.DEADLINE_EXCEEDED,
    Code.BACKEND_ERROR: StatusCode.INTERNAL,  # not UNAVAILABLE, which clients try again by themselves
    Code.UNUSABLE_ANSWER: StatusCode.INTERNAL,
    Code.INTERNAL: StatusCode.INTERNAL,
}
_DOMAIN = "grading-gateway"
# Bytes of UTF-8. Clients take 8 KiB of trailers, and percent-encoding may triple what stands in them.
_LONGEST = 1_000


def refusal(error: GatewayError, request_id: str) -> tuple[StatusCode, str, Metadata]:
    """Status, words and trailing metadata; `request_id` is in the metadata of every answer already."""
    code = STATUS[error.code]
    words = _cut(f"{error.message} {error.detail}" if error.detail else error.message)
    metadata: Metadata = [("x-error-code", error.code.value)]
    if error.param:
        metadata.append(("x-error-field", _ascii(error.param)))
    if error.retry_after is not None:
        metadata.append(("retry-after", str(max(1, math.ceil(error.retry_after)))))
        metadata.append(("retry-after-ms", str(max(1, math.ceil(error.retry_after * 1000)))))
    status = status_pb2.Status(code=code.value[0], message=words, details=_details(error, request_id))
    metadata += rpc_status.to_status(status).trailing_metadata
    return code, words, metadata


def _details(error: GatewayError, request_id: str) -> list[any_pb2.Any]:
    details = [
        error_details_pb2.ErrorInfo(reason=error.code.value.upper(), domain=_DOMAIN),
        error_details_pb2.RequestInfo(request_id=request_id),
    ]
    if error.param:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_ascii(error.param), description=_cut(error.message)
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after is not None:
        delay = duration_pb2.Duration(nanos=0)
        delay.FromMilliseconds(max(1, math.ceil(error.retry_after * 1000)))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        one = any_pb2.Any()
        one.Pack(detail)
        packed.append(one)
    return packed


def _cut(words: str) -> str:
    data = words.encode(errors="replace")
    return words if len(data) <= _LONGEST else data[:_LONGEST].decode(errors="ignore")


def _ascii(param: str) -> str:
    """Metadata is printable ASCII."""
    return "".join(letter for letter in param[:200] if " " <= letter <= "~")
