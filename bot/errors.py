"""Why there is no answer. Messages are constant text: they travel to logs."""

from typing import ClassVar

RETRY_AFTER_S = 5.0  # where the gateway does not say


class NoAnswer(Exception):
    """Base of the family."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class Away(NoAnswer):
    """The gateway does not answer now, and may later."""

    status = 503
    code = "gateway_unavailable"


class Busy(NoAnswer):
    status = 503
    code = "overloaded"


class Left(NoAnswer):
    """Nobody waits any more: it is only logged. The number is nginx's."""

    status = 499
    code = "caller_left"


class Refused(NoAnswer):
    """The gateway will not answer this, however often it is asked: a key, a model's name, a text."""

    status = 502
    code = "gateway_refused"


class Unusable(NoAnswer):
    """What the gateway answered is no answer to the question."""

    status = 502
    code = "unusable_answer"
