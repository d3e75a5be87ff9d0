"""Every way a request can be refused or fail: one code each. The doors translate codes to HTTP and gRPC."""

from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MODEL_NOT_FOUND = "model_not_found"
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    BODY_TIMEOUT = "body_timeout"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    MASKING_UNAVAILABLE = "masking_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    CONFLICT = "conflict"
    ARTIFACT_REFUSED = "artifact_refused"
    ARTIFACT_UNAVAILABLE = "artifact_unavailable"
    INVALID_DATASET = "invalid_dataset"
    INVALID_HYPERPARAMETERS = "invalid_hyperparameters"
    MODEL_UNAVAILABLE = "model_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    BACKEND_UNAVAILABLE = "backend_unavailable"
    BACKEND_TIMEOUT = "backend_timeout"
    BACKEND_ERROR = "backend_error"
    UNUSABLE_ANSWER = "unusable_answer"
    INTERNAL = "internal"


class GatewayError(Exception):
    """Base of the family. `message` is constant text of ours or names a field, never a caller's words,
    because messages travel to logs. `detail` goes to the caller alone."""

    code: ClassVar[Code] = Code.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.detail = detail
        self.retry_after = retry_after  # seconds


class Unauthenticated(GatewayError):
    code = Code.UNAUTHENTICATED


class Forbidden(GatewayError):
    code = Code.FORBIDDEN


class NotFound(GatewayError):
    code = Code.NOT_FOUND


class MethodNotAllowed(GatewayError):
    code = Code.METHOD_NOT_ALLOWED


class ModelNotFound(GatewayError):
    code = Code.MODEL_NOT_FOUND


class InvalidRequest(GatewayError):
    code = Code.INVALID_REQUEST


class UnsupportedParameter(GatewayError):
    code = Code.UNSUPPORTED_PARAMETER


class ContextLengthExceeded(GatewayError):
    code = Code.CONTEXT_LENGTH_EXCEEDED


class PayloadTooLarge(GatewayError):
    code = Code.PAYLOAD_TOO_LARGE


class UnsupportedEncoding(GatewayError):
    code = Code.UNSUPPORTED_ENCODING


class BodyTimeout(GatewayError):
    code = Code.BODY_TIMEOUT


class RateLimited(GatewayError):
    code = Code.RATE_LIMITED


class Overloaded(GatewayError):
    code = Code.OVERLOADED


class MaskingUnavailable(GatewayError):
    code = Code.MASKING_UNAVAILABLE


class StoreUnavailable(GatewayError):
    code = Code.STORE_UNAVAILABLE


class NotKept(StoreUnavailable):
    """Surely nothing was written, and nothing will be."""


class Conflict(GatewayError):
    """What is asked for contradicts what is there."""

    code = Code.CONFLICT


class ArtifactRefused(GatewayError):
    """A submission's address, size, type or hash is not one that may be fetched."""

    code = Code.ARTIFACT_REFUSED


class ArtifactUnavailable(GatewayError):
    """Whoever keeps the submission did not deliver it."""

    code = Code.ARTIFACT_UNAVAILABLE


class InvalidDataset(GatewayError):
    """A file that is no table, or one that nothing can be learnt from."""

    code = Code.INVALID_DATASET


class InvalidHyperparameters(GatewayError):
    """`param` names the one that is wrong."""

    code = Code.INVALID_HYPERPARAMETERS


class ModelUnavailable(GatewayError):
    """The model is there, and its weights cannot be read or are not the ones that were registered."""

    code = Code.MODEL_UNAVAILABLE


class DeadlineExceeded(GatewayError):
    """The caller said how long they wait, and that is over."""

    code = Code.DEADLINE_EXCEEDED


class BackendUnavailable(GatewayError):
    code = Code.BACKEND_UNAVAILABLE


class BackendBusy(BackendUnavailable):
    """It is there and refuses: 429 or 503."""


class BackendTimeout(GatewayError):
    code = Code.BACKEND_TIMEOUT


class BackendError(GatewayError):
    code = Code.BACKEND_ERROR


class UnusableAnswer(GatewayError):
    """The model's answer broke its contract, also after the one repair: no grade is made up."""

    code = Code.UNUSABLE_ANSWER
