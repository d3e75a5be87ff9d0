"""What the line needs from outside, and what happens when the outside is down."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from gateway.domain import (
    Artifact,
    Caller,
    Classification,
    Comparison,
    Estimate,
    MaskingPolicy,
    Passage,
    Quota,
    Rubric,
    ServedModel,
    Span,
)
from gateway.records import Correction, GradeQuery, GradeRecord, Judged, Marks, RubricRecord


class Keys(Protocol):
    """Fails closed: no key store, no entry."""

    def caller_for(self, key: bytes) -> Caller:
        """The caller who holds this key. Raises Unauthenticated."""


class Limits(Protocol):
    """Fails open with a metric: a broken counter must not close the exam."""

    async def spend(self, caller: Caller) -> Quota | None:
        """Takes one request from the caller's rate. None: it cannot be counted now. Raises RateLimited with
        `retry_after`, also when no token is left."""

    async def charge(self, caller: Caller, tokens: int) -> None:
        """Takes tokens that a request is about to use. Raises RateLimited with `retry_after`."""

    def settle(self, caller: Caller, tokens: int) -> None:
        """Takes tokens that were used beyond those; soon, for nobody waits for it. Never raises."""

    async def close(self) -> None: ...


class Analyzer(Protocol):
    """Finds personal data. Fails closed: raises MaskingUnavailable and nothing is sent anywhere."""

    async def analyze(self, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Span]]:
        """For each passage its spans, sorted by start, not overlapping. Raises MaskingUnavailable,
        Overloaded."""


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


# The store. All of it fails closed with StoreUnavailable: a grade that could not be shown later is not given.


class Ledger(Protocol):
    """Each key is graded once, however many ask at once and in however many processes."""

    async def claim(self, key: str, lease_s: float) -> GradeRecord | bool:
        """The newest grade of that key; or True: the caller holds the key for `lease_s` seconds and is to
        grade, or held it already and holds it anew; or False: another process holds it now."""

    async def keep(self, record: GradeRecord) -> GradeRecord:
        """Keeps the grade and its audit, marks its rubric as used, gives the key back: all or nothing. A
        grade of that id that is there already stays as it is, and is what is returned."""

    async def give_back(self, key: str) -> None:
        """Gives a claimed key back without a grade."""


class Grades(Protocol):
    async def get(self, grade_id: str) -> GradeRecord:
        """Raises NotFound."""

    async def find(self, query: GradeQuery) -> list[GradeRecord]:
        """A page of grades, newest first, without `grade.calls`, which are megabytes. Raises InvalidRequest
        for an `after` that is no grade."""


class Answers(Protocol):
    """What was answered under an idempotency key, so that it is answered again."""

    async def recall(self, key_id: str, idempotency_key: str) -> tuple[str, tuple[str, ...]] | None:
        """The hash of the request's body and the ids of the grades that answered it."""

    async def remember(
        self, key_id: str, idempotency_key: str, body_hash: str, grade_ids: Sequence[str]
    ) -> None:
        """Of two that remember the same key, the first stays."""


class Rubrics(Protocol):
    async def add(self, rubric: Rubric, key_id: str) -> RubricRecord:
        """Raises Conflict when that name and version is there."""

    async def replace(self, rubric: Rubric, key_id: str) -> RubricRecord:
        """Raises NotFound, and Conflict when it is used."""

    async def get(self, name: str, version: str | None = None) -> RubricRecord:
        """Without a version the newest by semantic order. Raises NotFound."""

    async def find(self, name: str | None, after: str | None, limit: int) -> list[RubricRecord]:
        """By name and then version, ascending, from behind the id `after`."""


class Reviews(Protocol):
    async def correct(self, correction: Correction) -> None:
        """Raises NotFound when there is no such grade."""

    async def corrections(self, grade_id: str) -> list[Correction]:
        """Oldest first."""

    async def judged(self, query: GradeQuery) -> list[Judged]:
        """Grades with their last correction, newest first, without `grade.calls`."""

    async def marks(self, most: int) -> list[Marks]:
        """Of the newest judged grades, what the grader and the person's last word gave."""


class Artifacts(Protocol):
    """Submissions by reference. Fails closed with ArtifactRefused or ArtifactUnavailable."""

    async def fetch(self, artifact: Artifact) -> tuple[str, str]:
        """The text that lies there and its sha256 (hex). Raises ArtifactRefused for an address, a size, a
        type or a hash that may not be; ArtifactUnavailable when the other side does not deliver in time."""
