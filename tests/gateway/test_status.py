"""What the status page tells, whoever is down or hangs.

Over 250 lines: a third of them are the peers that answer, refuse or hang, which every test needs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import pytest

from gateway import health, status
from gateway.adapters.keyring import add_key
from gateway.catalog import Catalog
from gateway.domain import Caller, Role, ServedModel, Server
from gateway.errors import BackendUnavailable, StoreUnavailable
from gateway.guards import Guards
from gateway.ports import ChatBackend, Embedder
from gateway.reviews import GraderAgreement, ReviewDesk
from gateway.slo import Slo
from gateway.status import LiveAnalyzer, Status, Waiting, Watched
from gateway.training.ports import WorkerFacts
from tests.fakes import FakeAnalyzer, FakeEmbeddings
from tests.gateway.conftest import Running
from tests.gateway.training.fakes import MemoryRoll

CALLER = Caller("ann", Role.GRADER, 60)
WORKER = WorkerFacts("w1", "local", 1, 0, {})
SECRET = "http://llm.internal:8000"


class Peer:
    """A model server, an embeddings service, a store: each answers, refuses or hangs."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.hangs = False
        self.read_only = False
        self.asked = 0

    async def answer(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(30)
        if self.fault:
            raise self.fault

    async def served_model(self) -> ServedModel:
        await self.answer()
        return ServedModel("tiny", 4096)

    async def models(self) -> list[ServedModel]:
        await self.answer()
        return []

    async def waiting(self) -> Mapping[str, Waiting]:
        await self.answer()
        return {"reviews": Waiting(2, 7.5), "drift_runs": Waiting(0, None)}

    async def writable(self) -> None:
        if self.read_only:
            raise StoreUnavailable("The store cannot be written.")

    async def detector(self) -> str:
        await self.answer()
        return "injection-detector@1"

    async def facts(self) -> dict[str, object]:
        await self.answer()
        return {"workers": []}


class Shown:
    """Gauges that remember."""

    def __init__(self) -> None:
        self.up: dict[str, bool] = {}
        self.waiting: dict[str, int] = {}
        self.oldest_s: dict[str, float] = {}
        self.alive: int | None = -1
        self.agreed_on = asyncio.Event()

    def services(self, up: Mapping[str, bool]) -> None:
        self.up = dict(up)

    def queues(self, waiting: Mapping[str, int], oldest_s: Mapping[str, float]) -> None:
        self.waiting, self.oldest_s = dict(waiting), dict(oldest_s)

    def workers(self, alive: int | None) -> None:
        self.alive = alive

    def agreed(self, found: Sequence[GraderAgreement]) -> None:
        self.agreed_on.set()


class Reviews:
    def __init__(self) -> None:
        self.faults: list[Exception] = []

    async def overall(self) -> list[GraderAgreement]:
        if self.faults:
            raise self.faults.pop()
        return []


class Stage:
    """A status page over peers that do as they are told."""

    def __init__(self) -> None:
        self.llm, self.embeddings, self.store, self.training = Peer(), Peer(), Peer(), Peer()
        self.roll, self.shown, self.reviews = MemoryRoll(None, [WORKER]), Shown(), Reviews()
        self.analyzer = FakeAnalyzer()
        backend, embedder = cast("ChatBackend", self.llm), cast("Embedder", self.embeddings)
        guards = cast("Guards", _Guards())
        self.status = Status(
            Watched(
                Catalog(backend, embedder, unknown_model_fallback=False),
                backend,
                embedder,
                cast("LiveAnalyzer", self.analyzer),
                guards,
                self.embeddings.detector,
                self.store,
                self.roll,
                self.training.facts,
                dict,
                cast("ReviewDesk", self.reviews),
            ),
            self.shown,
            Slo(),
            {"version": "1"},
            {"max_in_flight": 8},
        )

    async def services(self) -> dict[str, tuple[str, str | None]]:
        facts = await self.status.facts(CALLER)
        return {one["name"]: (one["state"], one["detail"]) for one in facts["services"]}


class _Guards:
    masking, in_flight = True, 3
    places: ClassVar[dict[Server, tuple[int, int]]] = {Server.LLM: (3, 8)}


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(status, "_FRESH_S", 0.0)
    stage = Stage()
    yield stage
    await stage.status.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hangs has hung after a moment."""
    for module in (health, status):
        monkeypatch.setattr(module, "WITHIN_S", 0.1)


async def test_everything_up_is_told_and_shown(stage: Stage) -> None:
    facts = await stage.status.facts(CALLER)
    assert (facts["version"], facts["model"], facts["in_flight"], facts["masking"]) == ("1", "tiny", 3, True)
    assert (facts["models"], facts["injection_detector"]) == (
        ["tiny", "grader-llm", "grader-auto"],
        "injection-detector@1",
    )
    assert [one["name"] for one in facts["services"]] == ["llm", "embeddings", "store", "worker", "masking"]
    assert {(one["state"], one["detail"]) for one in facts["services"]} == {("up", None)}
    assert facts["limits"] == {
        "requests_per_minute": 60,
        "tokens_per_minute": 0,
        "max_parallel": 0,
        "max_in_flight": 8,
    }
    assert facts["places"] == {"llm": {"in_flight": 3, "limit": 8}}
    assert facts["queue"] == {"reviews": 2, "drift_runs": 0}
    assert [(one["name"], one["window_s"], one["met"]) for one in facts["slo"]] == [
        ("classifier_p95", 3600, None),
        ("good_answers", 3600, None),
        ("availability", 3600, None),
        ("chat_p95", 3600, None),
    ]
    assert set(stage.shown.up.values()) == {True}
    assert (stage.shown.waiting, stage.shown.oldest_s) == (
        facts["queue"],
        {"reviews": 7.5, "drift_runs": 0.0},
    )
    assert stage.shown.alive == 1


async def test_who_is_down_is_told_in_our_words_and_since_when(stage: Stage) -> None:
    before = time.time()
    assert (await stage.services())["llm"] == ("up", None)
    stage.llm.fault = BackendUnavailable("The model server cannot be reached.", detail=SECRET)
    assert (await stage.services())["llm"] == ("down", "The model server cannot be reached.")
    facts = await stage.status.facts(CALLER)
    llm, embeddings, *_ = facts["services"]
    assert before <= embeddings["since"] <= llm["since"] <= time.time()
    assert (facts["model"], SECRET in str(facts)) == (None, False)
    assert (stage.shown.up["llm"], stage.shown.up["embeddings"]) == (False, True)
    assert (await stage.status.facts(CALLER))["services"][0]["since"] == llm["since"]
    stage.llm.fault = None
    assert (await stage.services())["llm"] == ("up", None)


@pytest.mark.usefixtures("impatient")
async def test_the_page_answers_although_everything_hangs(stage: Stage) -> None:
    await stage.status.facts(CALLER)
    for peer in (stage.llm, stage.embeddings, stage.store, stage.training):
        peer.hangs = True
    began = time.perf_counter()
    for _ in range(5):
        facts = await stage.status.facts(CALLER)
    assert time.perf_counter() - began < 10  # of the 30 s that each of them would take
    late = "It did not answer within 0 s."
    assert {one["name"]: one["detail"] for one in facts["services"]} == {
        **dict.fromkeys(("llm", "embeddings", "store"), late),
        "worker": None,
        "masking": None,
    }
    assert (facts["models"], facts["injection_detector"], facts["queue"]) == ([], "unavailable", None)
    assert facts["training"] == {"workers": []}  # as it was last seen
    assert stage.training.asked == 2  # one that hangs is not asked again and again


@pytest.mark.usefixtures("impatient")
async def test_one_who_hangs_holds_up_nobodys_news(stage: Stage) -> None:
    stage.training.hangs = True
    assert (await stage.services())["embeddings"] == ("up", None)


async def test_a_store_that_is_down_has_no_queue(stage: Stage) -> None:
    await stage.services()
    stage.store.fault = StoreUnavailable("The store is not available.")
    assert (await stage.services())["store"] == ("down", "The store is not available.")
    assert (await stage.status.facts(CALLER))["queue"] is None
    assert (stage.shown.waiting, stage.shown.oldest_s) == ({}, {})


async def test_a_store_that_cannot_be_written_is_down_and_its_queue_is_known(stage: Stage) -> None:
    stage.store.read_only = True
    facts = await stage.status.facts(CALLER)
    assert facts["queue"] == {"reviews": 2, "drift_runs": 0}
    assert (await stage.services())["store"] == ("down", "The store cannot be written.")
    assert stage.shown.up["store"] is False


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("hangs", [False, True])
async def test_while_the_store_is_away_nobody_knows_how_many_workers_there_are(
    stage: Stage, hangs: bool
) -> None:
    class Away(MemoryRoll):
        async def alive(self, within_s: float) -> list[WorkerFacts]:
            if hangs:
                await asyncio.sleep(30)
            raise StoreUnavailable("The store is not available.")

    await stage.services()
    assert stage.shown.alive == 1
    stage.roll.alive = Away(None, []).alive  # type: ignore[method-assign]
    assert (await stage.services())["worker"][0] == "down"
    assert stage.shown.alive is None


async def test_a_worker_that_fell_silent_is_down_and_one_that_never_was_is_off(stage: Stage) -> None:
    class Silent(MemoryRoll):
        async def alive(self, within_s: float) -> list[WorkerFacts]:
            return [] if within_s < 3600 else self.workers

    silent = Silent(None, [WORKER])
    stage.roll.alive = silent.alive  # type: ignore[method-assign]
    assert (await stage.services())["worker"] == ("down", "No worker reported within 30 s.")
    assert (stage.shown.up["worker"], stage.shown.alive) == (False, 0)
    silent.workers = []
    assert (await stage.services())["worker"] == ("off", "No worker reported within a day.")
    assert "worker" not in stage.shown.up


async def test_masking_without_an_analyser_is_down(stage: Stage) -> None:
    stage.analyzer.error = BackendUnavailable("")
    assert (await stage.services())["masking"] == ("down", "No analyser is running.")


async def test_a_fault_of_ours_hides_nobody_elses_news(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.training.fault = RuntimeError("a mistake")
    assert (await stage.services())["llm"] == ("up", None)
    assert "looking around failed" in caplog.text


async def test_many_who_ask_at_once_make_one_look(stage: Stage) -> None:
    await asyncio.gather(*(stage.status.facts(CALLER) for _ in range(50)))
    assert stage.training.asked == 1


async def test_it_looks_and_measures_though_nobody_asks(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_EVERY_S", 0.0)
    stage.reviews.faults = [StoreUnavailable("Not open."), StoreUnavailable("Not open.")]
    stage.status.start()
    async with asyncio.timeout(30):
        await stage.shown.agreed_on.wait()
        while stage.training.asked < 3:
            await asyncio.sleep(0)


# Through the door


async def test_the_door_tells_the_callers_own_rate_and_what_was_kept(
    start: Callable[..., Any], tmp_path: Any
) -> None:
    key = add_key(tmp_path / "keys.json", "ann", Role.GRADER, 77)
    running: Running = await start(embeddings=FakeEmbeddings(), max_in_flight=9)
    assert (await running.chat())[0] == 200
    assert (await running.post("/v1/models/spam:predict", {"text": "a"}))[0] == 200
    assert (await running.post("/v1/models/spam:predict", {"txt": "a"}))[0] == 400
    _, facts, _ = await running.get("/v1/status", key)
    assert facts["limits"] == {
        "requests_per_minute": 77,
        "tokens_per_minute": 0,
        "max_parallel": 0,
        "max_in_flight": 9,
        "max_body_bytes": 1 << 20,
        "max_message_chars": 200_000,
        "max_completion_tokens": 4096,
        "max_instances": 32,
        "dataset_max_bytes": 100 << 20,
        "llm_timeout_s": 60.0,
    }
    assert {one["name"]: (one["good"], one["total"]) for one in facts["slo"]} == {
        "classifier_p95": (1, 1),
        "good_answers": (2, 2),
        "availability": (3, 3),
        "chat_p95": (1, 1),
    }
    assert {one["name"]: one["state"] for one in facts["services"]} == {
        "llm": "up",
        "embeddings": "up",
        "store": "up",
        "worker": "off",
        "masking": "up",
    }
    assert facts["queue"] == dict.fromkeys(("batch_items", "training_jobs", "reviews", "drift_runs"), 0)


async def test_what_is_not_configured_is_off_and_what_is_down_is_a_metric(start: Callable[..., Any]) -> None:
    running: Running = await start(llm_url="http://127.0.0.1:9", mask_personal_data=False)
    _, facts, _ = await running.get("/v1/status")
    states = {one["name"]: (one["state"], one["detail"]) for one in facts["services"]}
    assert states["llm"] == ("down", "The model server cannot be reached.")
    assert (states["embeddings"], states["masking"]) == (("off", None), ("off", None))
    assert "127.0.0.1" not in str(facts)
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_up{service="llm"} 0.0' in metrics
    assert 'gateway_up{service="store"} 1.0' in metrics
    assert 'service="embeddings"' not in metrics
    assert 'gateway_queue{queue="reviews"} 0.0' in metrics
