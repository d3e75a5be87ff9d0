"""The ports to models and to masking, with an account kept of them: counted, timed, and a span for each call.

A call's outcome is `ok`, an error's code, or `client_left` when nobody waits for the answer any more: the
client went, or another call for the same answer failed.

Over 250 lines: one port below the other.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.adapters.metrics import Metrics
from gateway.adapters.tracing import NO_SPAN, NO_TRACES, Span, Told, Traces
from gateway.batch.runner import GradesSheets
from gateway.chat.reply import last_event
from gateway.domain import (
    KEPT,
    Classification,
    Comparison,
    Estimate,
    MaskingPolicy,
    Output,
    Passage,
    ServedModel,
)
from gateway.domain import Span as Found
from gateway.errors import Code, GatewayError
from gateway.ledger import Sheet
from gateway.ports import Analyzer, ChatBackend, Embedder
from gateway.records import Graded
from gateway.training.facts import Cell, ModelVersion, Prediction, Signature
from gateway.training.ports import LoadedFile, Predictor, WatchedFile

OK, CLIENT_LEFT = "ok", "client_left"
UNKNOWN = "unknown"  # the model of a server that has not told what it serves
# Providers by the names of what is asked; https://opentelemetry.io/docs/specs/semconv/gen-ai/ knows none of
# them, and lets others be named.
_LLM, _SERVICE, _HERE = "vllm", "gateway.embeddings", "gateway.onnx"
_TAIL_PIECES = 8  # of a stream; in the last of them stands its usage


@dataclass(frozen=True, slots=True)
class Calls:
    """Where the account of calls is kept."""

    metrics: Metrics
    traces: Traces

    def of(self, model: str, operation: str, provider: str, *, here: bool = False) -> "_OneCall":
        """A call of a model for as long as it lasts; `here`: of one that is loaded in this process."""
        if self.traces is NO_TRACES:
            return _OneCall(self.metrics, model, NO_SPAN)
        told = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
        }
        begin = self.traces.step if here else self.traces.call
        return _OneCall(self.metrics, model, begin(f"{operation} {model}", told))


class _OneCall:
    """A class and not a generator's context: 2 microseconds less for each request."""

    __slots__ = ("_began", "_metrics", "_model", "_span")

    def __init__(self, metrics: Metrics, model: str, span: Span) -> None:
        self._metrics = metrics
        self._model = model
        self._span = span

    def __enter__(self) -> Span:
        self._began = time.perf_counter()
        return self._span.__enter__()

    def __exit__(self, _: object, raised: BaseException | None, trace: object) -> None:
        span, outcome = self._span, OK
        if isinstance(raised, GatewayError):
            outcome = raised.code.value
        elif isinstance(raised, asyncio.CancelledError | GeneratorExit):
            outcome = CLIENT_LEFT
            span.tell({"gateway.client_left": True})
        elif raised is not None:
            outcome = Code.INTERNAL.value
        if outcome not in (OK, CLIENT_LEFT):
            span.fail(outcome)
        self._metrics.model_call(self._model, outcome, time.perf_counter() - self._began)
        span.__exit__(None, raised, trace)


class ObservedChat:
    """Implements ChatBackend."""

    def __init__(self, backend: ChatBackend, calls: Calls) -> None:
        self._backend = backend
        self._calls = calls
        self._model = UNKNOWN  # until the model server has told; it is asked before every request

    async def served_model(self) -> ServedModel:
        try:
            model = await self._backend.served_model()
        except GatewayError as error:
            self._calls.metrics.not_reached(self._model, error.code)
            raise
        self._model = model.name
        return model

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        with self._calls.of(self._model, "chat", _LLM) as span:
            answer = await self._backend.complete(body, timeout_s)
            if span.kept:
                span.tell(_answer_told(answer))
            return answer

    @asynccontextmanager
    async def stream(self, body: bytes, timeout_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        with self._calls.of(self._model, "chat", _LLM) as span:
            async with self._backend.stream(body, timeout_s) as chunks:
                if not span.kept:
                    yield chunks
                    return
                tail: deque[bytes] = deque(maxlen=_TAIL_PIECES)
                yield _with_tail(chunks, tail)
                span.tell(_answer_told(last_event(b"".join(tail))))

    async def count_tokens(self, messages: Sequence[dict[str, Any]], timeout_s: float) -> int:
        return await self._backend.count_tokens(messages, timeout_s)


class ObservedEmbedder:
    """Implements Embedder."""

    def __init__(self, embedder: Embedder, calls: Calls) -> None:
        self._embedder = embedder
        self._calls = calls

    async def embed(
        self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
    ) -> tuple[list[list[float]], int]:
        if model is None:
            known = await self.models()
            model = next((one for one in known if one.output is Output.EMBEDDING), None)
        name = model.name if model else UNKNOWN
        with self._calls.of(name, "embeddings", _SERVICE) as span:
            vectors, tokens = await self._embedder.embed(texts, timeout_s, model)
            span.tell({"gen_ai.usage.input_tokens": tokens})
            return vectors, tokens

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        with self._calls.of(model.name, "classify", _SERVICE):
            return await self._embedder.classify(model, texts, timeout_s)

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        with self._calls.of(model.name, "estimate", _SERVICE):
            return await self._embedder.estimate(model, comparisons, timeout_s)

    async def models(self) -> list[ServedModel]:
        try:
            return await self._embedder.models()
        except GatewayError as error:
            self._calls.metrics.not_reached(UNKNOWN, error.code)
            raise


class ObservedFile:
    """Implements LoadedFile."""

    __slots__ = ("_calls", "_file", "_name")

    def __init__(self, file: LoadedFile, name: str, calls: Calls) -> None:
        self._file = file
        self._name = name
        self._calls = calls

    @property
    def sha256(self) -> str:
        return self._file.sha256

    @property
    def signature(self) -> Signature:
        return self._file.signature

    async def predict(self, rows: Sequence[Sequence[Cell]]) -> list[Prediction]:
        with self._calls.of(self._name, "predict", _HERE, here=True):
            return await self._file.predict(rows)


class ObservedPredictor:
    """Implements Predictor."""

    def __init__(self, predictor: Predictor, calls: Calls) -> None:
        self._predictor = predictor
        self._calls = calls

    @property
    def pushed_out(self) -> int:
        return self._predictor.pushed_out

    async def load(self, model: ModelVersion) -> LoadedFile:
        return ObservedFile(await self._predictor.load(model), model.name, self._calls)


class ObservedWatchedFile:
    """Implements WatchedFile."""

    def __init__(self, watched: WatchedFile, name: str, calls: Calls) -> None:
        self._watched = watched
        self._name = name
        self._calls = calls

    @property
    def state(self) -> str:
        return self._watched.state

    def current(self) -> LoadedFile:
        return ObservedFile(self._watched.current(), self._name, self._calls)


class ObservedAnalyzer:
    """Implements Analyzer."""

    def __init__(self, analyzer: Analyzer, calls: Calls) -> None:
        self._analyzer = analyzer
        self._calls = calls

    async def analyze(self, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Found]]:
        metrics, began = self._calls.metrics, time.perf_counter()
        with self._calls.traces.step("mask", {"gateway.masking.passages": len(passages)}) as span:
            try:
                found = await self._analyzer.analyze(passages, policy)
            except GatewayError as error:
                metrics.not_masked(error.code)
                span.fail(error.code.value)
                raise
            metrics.looked(time.perf_counter() - began)
            if span.kept:
                kinds = Counter(one.kind for spans in found for one in spans if one.kind != KEPT)
                span.tell({f"gateway.masking.found.{kind.lower()}": count for kind, count in kinds.items()})
            return found


class ObservedSheets:
    """Implements GradesSheets: the items of batches, which no door tells of."""

    def __init__(self, line: GradesSheets, calls: Calls) -> None:
        self._line = line
        self._calls = calls

    async def grade_sheet(self, sheet: Sheet, grader: str) -> Graded:
        with self._calls.traces.work("grade batch item") as span:
            try:
                graded = await self._line.grade_sheet(sheet, grader)
            except GatewayError as error:
                span.fail(error.code.value)
                raise
        self._calls.metrics.graded(grader, graded)
        if not graded.cached:
            self._calls.metrics.consumed(graded.grade.usage)
        return graded


async def _with_tail(chunks: AsyncIterator[bytes], tail: deque[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        tail.append(chunk)
        yield chunk


def _answer_told(answer: bytes) -> Told:
    """What a completion says of itself; nothing where it is none."""
    try:
        completion = orjson.loads(answer)
        usage = completion.get("usage") or {}
        told = {
            "gen_ai.response.model": completion.get("model"),
            "gen_ai.usage.input_tokens": usage.get("prompt_tokens"),
            "gen_ai.usage.output_tokens": usage.get("completion_tokens"),
        }
    except (orjson.JSONDecodeError, AttributeError):
        return {}
    return {name: value for name, value in told.items() if isinstance(value, str | int)}
