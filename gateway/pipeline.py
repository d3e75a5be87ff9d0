"""READ FIRST: a request's whole life. Door -> guards -> route -> model -> back, each a short straight line.

The doors (rest/) authenticate by admit(), read the body within bounds and call one of chat(), chat_stream(),
grade(), embed(), classify(), compare(). What stands behind the ports is chosen in wiring.py.

Over 250 lines: every line that a request can take is read here, one below the other.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import orjson

from gateway.chat.reply import unmask_completion, unmasked_stream, whole_stream
from gateway.chat.request import Bounds, ChatRequest, read_chat
from gateway.chat.texts import spoken_texts, with_texts
from gateway.domain import (
    Caller,
    Classified,
    Compared,
    Comparison,
    Completion,
    CompletionStream,
    Embedded,
    Grade,
    Masked,
    Output,
    Quota,
    Role,
    ServedModel,
    Submission,
)
from gateway.embedding_grader import EmbeddingGrader
from gateway.errors import Forbidden, GatewayError, ModelNotFound, Overloaded
from gateway.grader import Grader, all_of
from gateway.grading import reply, routing
from gateway.grading.masked import (
    comparison_texts,
    submission_texts,
    unmasked_grade,
    with_comparison_texts,
    with_submission_texts,
)
from gateway.grading.placeholders import mask, new_nonce
from gateway.ports import Analyzer, ChatBackend, Embedder, Keys, Limits
from gateway.readiness import Readiness
from gateway.records import Graded

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
    grade_fallback: bool = True  # a grading request that names no grader means `auto`
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
        graders: Mapping[str, Grader | EmbeddingGrader],
        policy: Policy,
        embedder: Embedder | None = None,
    ) -> None:
        self._keys = keys
        self._limits = limits
        self._analyzer = analyzer
        self._backend = backend
        self._graders = graders
        self._policy = policy
        self._embedder = embedder
        self._in_flight = 0
        self._readiness = Readiness(self._answer_something)

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

    async def grade(self, caller: Caller, submission: Submission, grader: str) -> Graded:
        """A grade whose score is added up by code from checked verdicts, by `grader` or, where the request
        lets it, by the other one. Raises InvalidRequest, ModelNotFound, and the first grader's error when
        neither can grade: no grade is made up."""
        _may_ask_models(caller)
        route = routing.route(grader, submission.grader, fall_back=self._policy.grade_fallback)
        with self._place():
            code = submission.task_type == "code"
            prose, programs = submission_texts(submission, code=code)
            masked = await self._masked(prose, programs)
            grade = await self._graded(with_submission_texts(submission, masked.texts), route)
            return Graded(f"grade_{new_nonce([])}", unmasked_grade(grade, masked.originals), cached=False)

    async def grade_all(self, caller: Caller, submissions: Sequence[Submission], grader: str) -> list[Graded]:
        """Grades in the order of the submissions. One that fails fails them all: KServe's answer has no
        place for an error beside predictions."""
        return await all_of([self.grade(caller, submission, grader) for submission in submissions])

    async def _graded(self, submission: Submission, route: routing.Route) -> Grade:
        try:
            return await self._grader(route.first).grade(submission)
        except routing.OUTAGES:
            if route.other is None:
                raise
            with suppress(GatewayError):
                return routing.as_fallback(await self._grader(route.other).grade(submission))
            raise

    def _grader(self, name: str) -> Grader | EmbeddingGrader:
        if name not in self._graders:
            raise ModelNotFound("There is no model of that name.", param="name")
        return self._graders[name]

    # Embeddings, and the classifiers and comparisons on them

    async def embed(self, caller: Caller, model: str, texts: Sequence[str]) -> Embedded:
        """Vectors of the masked texts. Raises ModelNotFound when no encoder has that name."""
        _may_ask_models(caller)
        with self._place():
            encoder = await self._encoder(model)
            masked = await self._masked(texts)
            vectors, tokens = await self._embeddings.embed(masked.texts, self._policy.timeout_s, encoder)
            return Embedded(encoder.name, vectors, tokens, len(masked.originals))

    async def classify(self, caller: Caller, model: str, texts: Sequence[str]) -> Classified:
        """Labels of the masked texts. Raises ModelNotFound when no classifier has that name."""
        _may_ask_models(caller)
        with self._place():
            classifier = await self._head(model, Output.CLASSIFICATION)
            masked = await self._masked(texts)
            found = await self._embeddings.classify(classifier, masked.texts, self._policy.timeout_s)
            return Classified(classifier, found, len(masked.originals))

    async def compare(self, caller: Caller, model: str, comparisons: Sequence[Comparison]) -> Compared:
        """What masked submissions are worth by their references: the embedding grader's bare estimates,
        without rubric or points. Raises ModelNotFound when it is not served."""
        _may_ask_models(caller)
        with self._place():
            grader = await self._head(model, Output.GRADE)
            masked = await self._masked(comparison_texts(comparisons))
            fit = with_comparison_texts(comparisons, masked.texts)
            estimates = await self._embeddings.estimate(grader, fit, self._policy.timeout_s)
            return Compared(grader, estimates, len(masked.originals))

    @property
    def _embeddings(self) -> Embedder:
        if self._embedder is None:
            raise ModelNotFound("No embeddings service is configured.", param="model")
        return self._embedder

    async def _head(self, name: str, output: Output) -> ServedModel:
        model = await self.inference_model(name)
        if model.output is not output:
            raise ModelNotFound("The model of that name answers with something else.", param="name")
        return model

    async def _encoder(self, name: str) -> ServedModel:
        encoders = [m for m in await self._embeddings.models() if m.output is Output.EMBEDDING]
        named = [encoder for encoder in encoders if encoder.name == name]
        candidates = named or (encoders if self._policy.unknown_model_fallback else [])
        if not candidates:
            raise ModelNotFound("There is no model of that name.", param="model")
        return candidates[0]

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
        """The models a client may name: the served one, the grader on top of it, the embeddings service's.
        A server that is down is left out; when none is up its error is raised."""
        known, fault = await self._known()
        if fault and not known:
            raise fault
        return known

    async def model(self, name: str) -> ServedModel:
        """The model of that name. Raises ModelNotFound, or a server's error: it may serve that model."""
        known, fault = await self._known()
        for model in known:
            if model.name == name:
                return model
        raise fault or ModelNotFound("There is no model of that name.", param="name")

    async def inference_models(self) -> list[ServedModel]:
        """The non-generative models: the embeddings service's, none where none is configured."""
        return await self._embedder.models() if self._embedder else []

    async def inference_model(self, name: str) -> ServedModel:
        """The non-generative model of that name. Raises ModelNotFound."""
        for model in await self.inference_models():
            if model.name == name:
                return model
        raise ModelNotFound("There is no model of that name.", param="name")

    async def _known(self) -> tuple[list[ServedModel], GatewayError | None]:
        known: list[ServedModel] = []
        fault = None
        for served in (self._generative_models, self.inference_models):
            try:
                known += await served()
            except GatewayError as error:
                fault = fault or error
        return known, fault

    async def _generative_models(self) -> list[ServedModel]:
        served = await self._backend.served_model()
        return [served, ServedModel(routing.GRADER_LLM, served.context_window, Output.GRADE)]

    async def status(self) -> dict[str, object]:
        """What is behind the door now: facts for people, no check."""
        known, _ = await self._known()
        return {
            "model": next((model.name for model in known if model.output is Output.TEXT), None),
            "models": [model.name for model in known],
            "in_flight": self._in_flight,
            "masking": self._policy.mask_personal_data,
        }

    @property
    def in_flight(self) -> int:
        """Requests at the model server now."""
        return self._in_flight

    async def check_ready(self) -> None:
        """Returns when the model has produced a token and masking worked a moment ago; raises what is wrong.
        Anybody may ask."""
        await self._readiness.confirm()

    async def _answer_something(self) -> None:
        await self._masked(["ready?"])
        model = await self._backend.served_model()
        question = orjson.dumps({"model": model.name, **_READY_QUESTION})
        await self._backend.complete(question, _READY_TIMEOUT_S)


def _may_ask_models(caller: Caller) -> None:
    if caller.role is Role.METRICS:
        raise Forbidden("This key may read metrics only.")
