"""What the line needs from outside, and what happens when the outside is down."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from gateway.domain import Caller, Classification, Comparison, Estimate, Quota, ServedModel, Span


class Keys(Protocol):
    """Fails closed: no key store, no entry."""

    def caller_for(self, key: bytes) -> Caller:
        """The caller who holds this key. Raises Unauthenticated."""


class Limits(Protocol):
    """Fails open with a metric: a broken counter must not close the exam."""

    def spend(self, caller: Caller) -> Quota:
        """Takes one request from the caller's rate. Raises RateLimited with `retry_after`."""


class Analyzer(Protocol):
    """Finds personal data. Fails closed: raises MaskingUnavailable and nothing is sent anywhere."""

    async def analyze(self, texts: Sequence[str], *, code: bool = False) -> list[list[Span]]:
        """For each text its spans, sorted by start, not overlapping. With `code` the texts are programs:
        names are looked for in comments and string literals only. Raises MaskingUnavailable, Overloaded."""


class Embedder(Protocol):
    """The embeddings service: encoders and the trained heads on them. Foreign errors become ours as with
    ChatBackend, and so does an answer that is not what its protocol says (BackendError)."""

    async def embed(
        self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
    ) -> tuple[list[list[float]], int]:
        """A unit vector for each text, in order, and the tokens that were read; without a model, by the
        service's first encoder."""

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        """A classification for each text, in order."""

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        """What each submission is worth by its references, in order."""

    async def models(self) -> list[ServedModel]:
        """Everything that the service serves, at least one model."""


class ChatBackend(Protocol):
    """The model server's chat completions. Foreign errors become BackendUnavailable (down),
    BackendTimeout (slow), BackendError (broken), InvalidRequest or ContextLengthExceeded (refused)."""

    async def served_model(self) -> ServedModel: ...

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        """One completion: the request's JSON body in, the answer's JSON body out."""

    def stream(self, body: bytes, timeout_s: float) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A streamed completion: the body in, raw SSE bytes out, cut anywhere. Entering waits for the head
        of the answer; leaving closes the upstream request."""

    async def count_tokens(self, messages: Sequence[dict[str, Any]], timeout_s: float) -> int:
        """Tokens of the messages in the model's own chat template."""
