"""Every way a request can be refused or fail: one code each. rest/errors.py translates codes to HTTP."""

from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    UNAUTHENTICATED = "invalid_api_key"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MODEL_NOT_FOUND = "model_not_found"
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    TEXT_TOO_LONG = "context_length_exceeded"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    BODY_TIMEOUT = "body_timeout"
    OVERLOADED = "overloaded"
    STOPPING = "stopping"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    INTERNAL = "internal_error"


class ServiceError(Exception):
    """Base of the family. `message` names fields and limits, never a caller's words: it travels to logs."""

    code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after  # seconds


class Unauthenticated(ServiceError):
    code = Code.UNAUTHENTICATED


class NotFound(ServiceError):
    code = Code.NOT_FOUND


class MethodNotAllowed(ServiceError):
    code = Code.METHOD_NOT_ALLOWED


class ModelNotFound(ServiceError):
    code = Code.MODEL_NOT_FOUND


class InvalidRequest(ServiceError):
    code = Code.INVALID_REQUEST


class UnsupportedParameter(ServiceError):
    code = Code.UNSUPPORTED_PARAMETER


class TextTooLong(ServiceError):
    code = Code.TEXT_TOO_LONG


class PayloadTooLarge(ServiceError):
    code = Code.PAYLOAD_TOO_LARGE


class UnsupportedEncoding(ServiceError):
    code = Code.UNSUPPORTED_ENCODING


class BodyTimeout(ServiceError):
    code = Code.BODY_TIMEOUT


class Overloaded(ServiceError):
    code = Code.OVERLOADED


class Stopping(ServiceError):
    code = Code.STOPPING


class DeadlineExceeded(ServiceError):
    """The caller said how long they wait, and that is over."""

    code = Code.DEADLINE_EXCEEDED


class Unusable(Exception):
    """The service cannot start as it is set up: told in one sentence on stderr, exit code 2."""
