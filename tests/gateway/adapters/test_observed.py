"""The account of calls: how each ended, by the model that was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.adapters.metrics import Metrics
from gateway.adapters.observed import (
    Calls,
    ObservedAnalyzer,
    ObservedChat,
    ObservedEmbedder,
    ObservedFile,
    ObservedSheets,
)
from gateway.adapters.tracing import NO_TRACES
from gateway.domain import Caller, MaskingPolicy, Passage, Role, ServedModel, Submission
from gateway.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    InvalidRequest,
    MaskingUnavailable,
    Overloaded,
)
from gateway.grader import Grader, GraderPolicy
from gateway.grading.rubric import rubric_of
from gateway.ledger import Sheet
from gateway.records import Graded
from tests.fakes import FakeAnalyzer, FakeEmbeddings
from tests.gateway.adapters.test_metrics import series
from tests.gateway.conftest import Running
from tests.gateway.grading_fakes import SPAM, FakeModel, verdict

TINY = ServedModel("tiny", 4096)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("0")


@pytest.fixture
def calls(metrics: Metrics) -> Calls:
    return Calls(metrics, NO_TRACES)


def outcomes(metrics: Metrics) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["model"], sample.labels["outcome"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "gateway_model_requests_total"
    }


class Stream:
    """A ChatBackend whose stream is what the test says."""

    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        self._pieces = pieces

    async def served_model(self) -> ServedModel:
        return TINY

    @asynccontextmanager
    async def stream(self, _: bytes, __: float) -> AsyncIterator[AsyncIterator[bytes]]:
        yield self._pieces()


async def test_a_completion_counts_for_the_model_that_is_served(metrics: Metrics, calls: Calls) -> None:
    model = FakeModel(verdict(3))
    chat = ObservedChat(model, calls)  # type: ignore[arg-type]  # it streams nothing
    assert (await chat.served_model()).name == "tiny"
    await chat.complete(b"{}", 1.0)
    model.says = lambda _: BackendTimeout("slow")
    with pytest.raises(BackendTimeout):
        await chat.complete(b"{}", 1.0)
    assert outcomes(metrics) == {("tiny", "ok"): 1.0, ("tiny", "backend_timeout"): 1.0}
    assert series(metrics, "gateway_model_seconds_count") == ['gateway_model_seconds_count{model="tiny"} 2.0']


async def test_a_failure_that_is_none_of_ours_counts_as_internal(metrics: Metrics, calls: Calls) -> None:
    class Broken:
        async def predict(self, _: Sequence[Any]) -> list[Any]:
            raise RuntimeError("Anna")

    with pytest.raises(RuntimeError):
        await ObservedFile(Broken(), "fraud", calls).predict([])  # type: ignore[arg-type]
    assert outcomes(metrics) == {("fraud", "internal"): 1.0}


async def test_a_stream_counts_when_it_is_over_and_by_how_it_ended(metrics: Metrics, calls: Calls) -> None:
    began, gone = asyncio.Event(), asyncio.Event()

    async def whole() -> AsyncIterator[bytes]:
        yield b"data: {}\n\n"
        assert outcomes(metrics) == {}  # not before its last byte
        yield b"data: [DONE]\n\n"

    async def broken() -> AsyncIterator[bytes]:
        yield b"data: {}\n\n"
        raise BackendError("cut")

    async def endless() -> AsyncIterator[bytes]:
        yield b"data: {}\n\n"
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            gone.set()

    async def read(pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        chat: Any = ObservedChat(Stream(pieces), calls)  # type: ignore[arg-type]  # it only streams
        await chat.served_model()
        async with chat.stream(b"{}", 1.0) as chunks:
            async for _ in chunks:
                pass

    await read(whole)
    assert outcomes(metrics) == {("tiny", "ok"): 1.0}
    with pytest.raises(BackendError):
        await read(broken)
    leaving = asyncio.create_task(read(endless))
    async with asyncio.timeout(30):
        await began.wait()
        leaving.cancel()
        await gone.wait()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert outcomes(metrics) == {
        ("tiny", "ok"): 1.0,
        ("tiny", "backend_error"): 1.0,
        ("tiny", "client_left"): 1.0,
    }


async def test_a_server_that_is_down_is_seen_by_the_model_it_served_last(
    metrics: Metrics, calls: Calls
) -> None:
    class Down:
        up = True

        async def served_model(self) -> ServedModel:
            if not self.up:
                raise BackendUnavailable("down")
            return TINY

        async def models(self) -> list[ServedModel]:
            raise BackendUnavailable("down")

    down: Any = Down()
    chat = ObservedChat(down, calls)
    await chat.served_model()
    down.up = False
    with pytest.raises(BackendUnavailable):
        await chat.served_model()
    with pytest.raises(BackendUnavailable):
        await ObservedEmbedder(down, calls).embed(["a"], 1.0)
    assert outcomes(metrics) == {
        ("tiny", "backend_unavailable"): 1.0,
        ("unknown", "backend_unavailable"): 1.0,
    }
    assert series(metrics, "gateway_model_seconds_count") == []


async def test_vectors_count_for_the_encoder_that_made_them(metrics: Metrics, calls: Calls) -> None:
    class Service:
        async def models(self) -> list[ServedModel]:
            return [SPAM, ServedModel("tiny-encoder", 256, output=SPAM.output.EMBEDDING)]

        async def embed(self, *_: object) -> tuple[list[list[float]], int]:
            return [[1.0]], 4

        async def classify(self, *_: object) -> tuple[()]:
            raise InvalidRequest("too long")

    service: Any = Service()
    embedder = ObservedEmbedder(service, calls)
    assert await embedder.embed(["a"], 1.0) == ([[1.0]], 4)
    with pytest.raises(InvalidRequest):
        await embedder.classify(SPAM, ["a"], 1.0)
    assert outcomes(metrics) == {("tiny-encoder", "ok"): 1.0, ("spam", "invalid_request"): 1.0}


async def test_masking_is_timed_and_its_failures_are_counted(metrics: Metrics, calls: Calls) -> None:
    passages, policy = [Passage("I am Anna")], MaskingPolicy(frozenset({"PERSON"}))
    found = await ObservedAnalyzer(FakeAnalyzer({"Anna": "PERSON"}), calls).analyze(passages, policy)
    assert [span.kind for span in found[0]] == ["PERSON"]
    for error in (MaskingUnavailable("not yet"), Overloaded("too many")):
        with pytest.raises(type(error)):
            await ObservedAnalyzer(FakeAnalyzer(error=error), calls).analyze(passages, policy)
    assert series(metrics, "gateway_masking_seconds_count") == ["gateway_masking_seconds_count 1.0"]
    assert series(metrics, "gateway_masking_failures_total") == [
        'gateway_masking_failures_total{code="masking_unavailable"} 1.0',
        'gateway_masking_failures_total{code="overloaded"} 1.0',
    ]


async def test_grades_of_batches_are_counted_too(metrics: Metrics, calls: Calls) -> None:
    submission = Submission("Light makes sugar.", "text", None, 10, references=("Sugar",))

    class Line:
        cached = False

        async def grade_sheet(self, sheet: Sheet, _: str) -> Graded:
            grade = await Grader(FakeModel(verdict(3)), GraderPolicy()).grade(sheet.submission)  # type: ignore[arg-type]
            return Graded("grade_1", grade, self.cached)

    line = Line()
    sheets = ObservedSheets(line, calls)
    sheet = Sheet(Caller("ann", Role.GRADER, 60), submission, "abc", rubric_of(submission))
    await sheets.grade_sheet(sheet, "grader-llm")
    line.cached = True
    await sheets.grade_sheet(sheet, "grader-llm")
    counted = series(metrics, "gateway_grades_total")
    assert sum(float(one.split()[-1]) for one in counted) == 2
    assert 'gateway_tokens_total{kind="completion"} 3.0' in series(metrics, "gateway_tokens_total")


# What the gateway asks for itself, through the real door


async def counted(running: Running) -> tuple[list[str], list[str]]:
    """The calls of models that are counted, and how many texts were looked through or could not be."""
    _, text, _ = await running.get("/metrics")
    lines = text.splitlines()
    masking = ("gateway_masking_seconds_count", "gateway_masking_failures_total")
    return (
        [line for line in lines if line.startswith("gateway_model_requests_total{")],
        [line for line in lines if line.startswith(masking) and not line.endswith(" 0.0")],
    )


async def test_looks_and_readiness_count_for_nobody_whoever_is_up(start: Callable[..., Any]) -> None:
    running: Running = await start(embeddings=FakeEmbeddings())
    assert (await running.get("/-/readyz", key=""))[0] == 200
    _, facts, _ = await running.get("/v1/status")
    assert facts["services"][1] | {"since": 0, "replicas": []} == {
        "name": "embeddings",
        "state": "up",
        "detail": None,
        "since": 0,
        "replicas": [],
    }
    assert await counted(running) == ([], [])
    assert (await running.chat())[0] == 200
    assert await counted(running) == (
        ['gateway_model_requests_total{model="tiny",outcome="ok"} 1.0'],
        ["gateway_masking_seconds_count 1.0"],
    )


async def test_nor_do_they_when_everybody_is_down(start: Callable[..., Any]) -> None:
    closed = "http://127.0.0.1:9"
    analyzer = FakeAnalyzer(error=MaskingUnavailable("not yet"))
    running: Running = await start(analyzer, llm_url=closed, embeddings_url=closed)
    assert (await running.get("/-/readyz", key=""))[0] == 503
    _, facts, _ = await running.get("/v1/status")
    assert [one["state"] for one in facts["services"]][:2] == ["down", "down"]
    assert facts["injection_detector"] == "unavailable"
    assert await counted(running) == ([], [])
    assert (await running.chat())[0] == 503
    assert await counted(running) == (
        ['gateway_model_requests_total{model="unknown",outcome="backend_unavailable"} 1.0'],
        [],
    )


async def test_vectors_for_drift_count_for_nobody(start: Callable[..., Any]) -> None:
    service = FakeEmbeddings()
    running: Running = await start(embeddings=service, traffic_embeddings_per_s=4)
    await running.post("/v1/models/spam:predict", {"text": "It boils, Anna."})
    recorder: Any = running.services.recorder
    recorder._turn()
    async with asyncio.timeout(30):
        await asyncio.gather(*recorder._windows)
    assert service.wire.count("It boils") == 2  # classified, and embedded
    assert (await counted(running))[0] == ['gateway_model_requests_total{model="spam",outcome="ok"} 1.0']
