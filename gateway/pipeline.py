"""READ FIRST: a request's whole life. Door -> guards -> route -> model -> back, each a short straight line.

The doors (rest/) authenticate by admit(), read the body within bounds and call one of chat(), chat_stream(),
grade(). What stands behind the ports is chosen in wiring.py.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import orjson

from gateway.chat.reply import unmask_completion, unmasked_stream, whole_stream
from gateway.chat.request import Bounds, ChatRequest, read_chat
from gateway.chat.texts import spoken_texts, with_texts
from gateway.domain import (
    Caller,
    Completion,
    CompletionStream,
    Embedded,
    Grade,
    Masked,
    Quota,
    Role,
    ServedModel,
    Submission,
)
from gateway.errors import Forbidden, GatewayError, ModelNotFound, Overloaded
from gateway.grader import GRADER, Grader, all_of
from gateway.grading import reply
from gateway.grading.masked import submission_texts, unmasked_grade, with_submission_texts
from gateway.grading.placeholders import mask, new_nonce
from gateway.ports import Analyzer, ChatBackend, Embedder, Keys, Limits

_READY_FRESH_S = 2.0
_READY_TIMEOUT_S = 10.0
# With a schema: the first one costs the model server seconds, which no grade should pay.
_READY_QUESTION = {
    "messages": [{"role": "user", "content": "."}],
    "max_tokens": 1,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "ready", "schema": {"type": "object", "properties": {}}},
    },
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that shape a request's life."""

    bounds: Bounds = field(default_factory=Bounds)
    mask_personal_data: bool = True
    unknown_model_fallback: bool = False
    timeout_s: float = 60.0
    max_in_flight: int = 256


class Gateway:
    """The one service behind every door."""

    def __init__(
        self,
        keys: Keys,
        limits: Limits,
        analyzer: Analyzer,
        backend: ChatBackend,
        grader: Grader,
        policy: Policy,
        embedder: Embedder | None = None,
    ) -> None:
        self._keys = keys
        self._limits = limits
        self._analyzer = analyzer
        self._backend = backend
        self._grader = grader
        self._policy = policy
        self._embedder = embedder
        self._in_flight = 0
        self._checked_until = 0.0
        self._fault: GatewayError | None = None
        self._ready_lock = asyncio.Lock()

    # Guards

    def admit(self, key: bytes) -> tuple[Caller, Quota]:
        """Who is at the door, and one request taken from their rate. Raises Unauthenticated, RateLimited."""
        caller = self._keys.caller_for(key)
        return caller, self._limits.spend(caller)

    # Chat completions

    def read_chat(self, caller: Caller, body: bytes) -> ChatRequest:
        """The body checked against the allow-list. Raises Forbidden, InvalidRequest and its like."""
        _may_ask_models(caller)
        return read_chat(body, self._policy.bounds)

    async def chat(self, request: ChatRequest, *, unmask_reply: bool) -> Completion:
        """One completion. Raises the errors of masking and of the model server."""
        with self._place():
            body, masked = await self._outgoing(request)
            answer = await self._backend.complete(body, self._policy.timeout_s)
            completion = reply.parse_completion(answer)
            if masked.originals and unmask_reply:
                unmask_completion(completion, masked.originals, json_reply=request.json_reply)
                answer = orjson.dumps(completion)
            return Completion(answer, reply.read_usage(completion), len(masked.originals))

    @asynccontextmanager
    async def chat_stream(
        self, request: ChatRequest, *, unmask_reply: bool
    ) -> AsyncIterator[CompletionStream]:
        """A streamed completion as SSE bytes, ending with `data: [DONE]`. Entering waits for the model server
        to accept; leaving, for whatever reason, ends the upstream request."""
        with self._place():
            body, masked = await self._outgoing(request)
            async with self._backend.stream(body, self._policy.timeout_s) as chunks:
                events = whole_stream(chunks)
                if masked.originals and unmask_reply:
                    events = unmasked_stream(events, masked.originals, json_reply=request.json_reply)
                yield CompletionStream(events, len(masked.originals))

    # Grading

    async def grade(self, caller: Caller, submission: Submission) -> Grade:
        """A grade whose score is added up by code from checked verdicts. Raises UnusableAnswer when the
        model's answer stays unusable after one repair: no grade is made up."""
        _may_ask_models(caller)
        with self._place():
            code = submission.task_type == "code"
            prose, programs = submission_texts(submission, code=code)
            masked = await self._masked(prose, programs)
            grade = await self._grader.grade(with_submission_texts(submission, masked.texts))
            return unmasked_grade(grade, masked.originals)

    async def grade_all(self, caller: Caller, submissions: Sequence[Submission]) -> list[Grade]:
        """Grades in the order of the submissions. One that fails fails them all: KServe's answer has no
        place for an error beside predictions."""
        return await all_of([self.grade(caller, submission) for submission in submissions])

    # Embeddings

    async def embed(self, caller: Caller, model: str, texts: Sequence[str]) -> Embedded:
        """Vectors of the masked texts. Raises ModelNotFound when no embeddings service is configured."""
        _may_ask_models(caller)
        if self._embedder is None:
            raise ModelNotFound("No embeddings service is configured.", param="model")
        with self._place():
            encoder = (await self._embedder.models())[0]
            if model != encoder.name and not self._policy.unknown_model_fallback:
                raise ModelNotFound("There is no model of that name.", param="model")
            masked = await self._masked(texts)
            vectors, tokens = await self._embedder.embed(masked.texts, self._policy.timeout_s)
            return Embedded(encoder.name, vectors, tokens, len(masked.originals))

    # Steps that the lines share

    async def _outgoing(self, request: ChatRequest) -> tuple[bytes, Masked]:
        """What the model server gets: the checked request, masked, for the model that it serves."""
        model = await self._model(request.model)
        spoken = spoken_texts(request.fields) if self._policy.mask_personal_data else ()
        masked = await self._masked(spoken)
        fields = with_texts(request.fields, masked.texts) if masked.originals else request.fields
        return orjson.dumps({**fields, "model": model.name}), masked

    async def _model(self, name: str) -> ServedModel:
        served = await self._backend.served_model()
        if name != served.name and not self._policy.unknown_model_fallback:
            raise ModelNotFound("There is no model of that name.", param="model")
        return served

    async def _masked(self, prose: Sequence[str], programs: Sequence[str] = ()) -> Masked:
        """The texts, prose first, fit to leave. Raises MaskingUnavailable, and then nothing leaves."""
        texts = [*prose, *programs]
        if not self._policy.mask_personal_data:
            return Masked(tuple(texts), {})
        spans = await self._analyzer.analyze(prose) if prose else []
        if programs:
            spans = [*spans, *await self._analyzer.analyze(programs, code=True)]
        return mask(texts, spans, new_nonce(texts), programs=len(programs))

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the bounded places at the model server. Raises Overloaded when none is free."""
        if self._in_flight >= self._policy.max_in_flight:
            raise Overloaded("Too many requests are being answered.", retry_after=1.0)
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    # Operations

    async def models(self) -> list[ServedModel]:
        """The models a client may name: the served one, the grader on top of it, the encoders. An encoder
        that is down is left out; without the model server there is no list."""
        served = await self._backend.served_model()
        encoders: list[ServedModel] = []
        if self._embedder is not None:
            with suppress(GatewayError):
                encoders = await self._embedder.models()
        return [served, ServedModel(GRADER, served.context_window), *encoders]

    async def status(self) -> dict[str, object]:
        """What is behind the door now: facts for people, no check."""
        try:
            served = await self._backend.served_model()
            model: str | None = served.name
        except GatewayError:
            model = None
        return {"model": model, "in_flight": self._in_flight, "masking": self._policy.mask_personal_data}

    @property
    def in_flight(self) -> int:
        """Requests at the model server now."""
        return self._in_flight

    async def check_ready(self) -> None:
        """Returns when the model has just produced a token and masking works; raises what is wrong.

        Anybody may ask, so only one check runs at a time and its outcome, good or bad, is believed for a few
        seconds."""
        async with self._ready_lock:
            if time.monotonic() >= self._checked_until:
                self._fault = await self._check()
                self._checked_until = time.monotonic() + _READY_FRESH_S
            if self._fault:
                raise self._fault.with_traceback(None)  # raised again and again, it would grow

    async def _check(self) -> GatewayError | None:
        try:
            await self._masked(["ready?"])
            model = await self._backend.served_model()
            await self._backend.complete(
                orjson.dumps({"model": model.name, **_READY_QUESTION}), _READY_TIMEOUT_S
            )
        except GatewayError as fault:
            return fault
        return None


def _may_ask_models(caller: Caller) -> None:
    if caller.role is Role.METRICS:
        raise Forbidden("This key may read metrics only.")
