"""What was seen is noted within its bounds; whatever hangs or fails, nobody waits for it.

Over 250 lines: a third of them are the log and the encoder that keep, hang or fail.
"""

import asyncio
import logging
import weakref
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest

from gateway.domain import Classification, Comparison, Estimate, Output, ServedModel
from gateway.drift import recorder as module
from gateway.drift.facts import Observation, Sighting, Window
from gateway.drift.recorder import Recorder, TrafficPace
from gateway.errors import BackendUnavailable, ContextLengthExceeded, InvalidRequest, StoreUnavailable

SECRET = "Anna lives behind the old mill and has told nobody"
NEVER = 3_600.0  # seconds: a window that only close() ends


class Log:
    """Keeps what it is told to; hangs or fails on demand."""

    def __init__(self) -> None:
        self.batches: list[list[Observation]] = []
        self.added = asyncio.Event()
        self.error: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()

    @property
    def kept(self) -> list[Observation]:
        return [one for batch in self.batches for one in batch]

    async def add(self, observations: Sequence[Observation]) -> None:
        await self.free.wait()
        if self.error:
            raise self.error
        self.batches.append(list(observations))
        self.added.set()

    async def read(self, model: str, window: Window, most: int) -> tuple[int, list[Observation]]:
        raise NotImplementedError

    async def read_reference(self, reference_id: str) -> list[Observation]:
        raise NotImplementedError

    async def prune(self, before: datetime) -> int:
        raise NotImplementedError


class Encoder:
    """Takes texts of so many characters; a text's vector is its length."""

    def __init__(self, longest: int = 10_000, window: int = 10_000) -> None:
        self.longest = longest
        self.window = window
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()
        self.at_once = self.most_at_once = 0

    async def embed(
        self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
    ) -> tuple[list[list[float]], int]:
        self.asked += texts
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.free.wait()
        finally:
            self.at_once -= 1
        if self.error:
            raise self.error
        if any(len(text) > self.longest for text in texts):
            raise ContextLengthExceeded("A text is too long for the model.")
        return [[float(len(text))] for text in texts], 1

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        raise NotImplementedError

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        raise NotImplementedError

    async def models(self) -> list[ServedModel]:
        return [
            ServedModel("spam", 1, Output.CLASSIFICATION),
            ServedModel("encoder", self.window, Output.EMBEDDING),
        ]


class Watched:
    """A recorder and what it told."""

    def __init__(self, encoder: Encoder | None = None, **pace: float) -> None:
        self.log, self.encoder, self.counts = Log(), encoder, Counter[str]()
        told = TrafficPace(**{"per_s": 1_000.0, "embeddings_per_s": 1_000.0, "window_s": 0.01, **pace})
        self.recorder = Recorder(self.log, encoder, told, self.count)

    def count(self, outcome: str, many: int) -> None:
        self.counts[outcome] += many

    def see(self, many: int, model: str = "grader-llm", text: str | None = SECRET) -> None:
        for number in range(many):
            self.recorder.saw(Sighting(model, "1", text, score=number / many))

    async def seen(self, many: int, **about: Any) -> list[Observation]:
        """What is kept of one window."""
        self.log.added.clear()
        self.see(many, **about)
        await self.log.added.wait()
        return self.log.batches[-1]


@pytest.fixture(autouse=True)
def no_wait_is_longer_than_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CLOSE_S", 0.2)


async def test_what_was_seen_is_measured_and_kept_as_it_was_seen() -> None:
    watched = Watched()
    watched.recorder.start()
    before = datetime.now(UTC)
    kept = await watched.seen(4)
    assert [(one.model, one.text_length, one.language, one.score) for one in kept] == [
        ("grader-llm", len(SECRET), "en", number / 4) for number in range(4)
    ]
    assert all(before - timedelta(seconds=1) < one.at < datetime.now(UTC) for one in kept)
    await watched.recorder.close()
    assert watched.counts == {"noted": 4}


async def test_of_a_flood_no_more_is_kept_than_the_pace_and_the_rest_is_counted() -> None:
    watched = Watched(per_s=10 / NEVER, window_s=NEVER)
    watched.recorder.start()
    watched.see(5_000)
    await watched.recorder.close()
    assert len(watched.log.kept) == 10
    assert watched.counts == {"noted": 10, "sampled_out": 4_990}


async def test_closing_keeps_what_was_seen_and_waits_for_no_encoder() -> None:
    watched = Watched(Encoder(), window_s=NEVER, per_s=1.0)
    watched.recorder.start()
    watched.see(3)
    await watched.recorder.close()
    assert [one.embedding for one in watched.log.kept] == [None] * 3
    assert watched.encoder is not None
    assert watched.encoder.asked == []
    watched.see(3)  # too late, and harmless
    assert len(watched.log.kept) == 3


async def test_closing_gives_a_hung_store_up() -> None:
    watched = Watched(window_s=NEVER, per_s=1.0)
    watched.recorder.start()
    watched.log.free.clear()
    watched.see(3)
    async with asyncio.timeout(30):
        await watched.recorder.close()
    assert watched.counts == {"dropped": 3}
    assert watched.log.kept == []


async def test_while_the_store_hangs_windows_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WINDOWS", 2)
    watched = Watched()
    watched.log.free.clear()
    watched.recorder.start()
    while not watched.counts["dropped"]:
        watched.see(1)
        await asyncio.sleep(0.001)
    assert len(watched.recorder._windows) == 2
    watched.log.free.set()
    await watched.seen(1)
    await watched.recorder.close()


@pytest.mark.parametrize("error", [StoreUnavailable("The store is not open."), ValueError(SECRET)])
async def test_what_the_store_does_not_take_is_dropped_and_the_next_window_is_kept(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    watched = Watched()
    watched.log.error = error
    watched.recorder.start()
    for _ in range(3):
        dropped = watched.counts["dropped"]
        watched.see(2)
        while watched.counts["dropped"] == dropped:
            await asyncio.sleep(0.001)
    watched.log.error = None
    assert len(await watched.seen(2)) == 2
    await watched.recorder.close()
    assert watched.counts == {"dropped": 6, "noted": 2}
    warnings = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(warnings) == 1  # of an outage, not of each window
    assert SECRET not in caplog.text


async def test_a_rare_model_gets_its_embeddings() -> None:
    watched = Watched(Encoder(), per_s=102 / 0.01, embeddings_per_s=6 / 0.01)
    watched.recorder.start()
    watched.see(2, model="rare")
    kept = await watched.seen(100, model="busy")
    assert len(kept) == 102
    assert Counter(one.model for one in kept if one.embedding) == {"rare": 2, "busy": 4}
    await watched.recorder.close()


async def test_the_encoder_is_asked_for_one_text_at_a_time_and_for_no_blank_or_absent_one() -> None:
    encoder = Encoder()
    watched = Watched(encoder)
    watched.recorder.start()
    watched.see(3)
    watched.see(1, text="  \n")
    watched.see(1, text="")
    watched.see(1, text=None)
    await watched.log.added.wait()
    await watched.recorder.close()
    assert encoder.asked == [SECRET] * 3
    assert encoder.most_at_once == 1
    assert [one.embedding for one in watched.log.kept] == [(float(len(SECRET)),)] * 3 + [None] * 3


async def test_of_a_long_text_as_much_is_embedded_as_the_encoder_takes() -> None:
    encoder = Encoder(longest=600)
    watched = Watched(encoder)
    watched.recorder.start()
    (kept,) = await watched.seen(1, text="word " * 2_000)
    assert kept.text_length == 10_000
    assert list(map(len, encoder.asked)) == [2_000, 1_000, 500]
    assert kept.embedding == (500.0,)
    await watched.recorder.close()


@pytest.mark.parametrize(("text", "asked"), [("word " * 2_000, 1_500), ("слово " * 2_000, 500)])
async def test_of_a_text_that_cannot_fit_the_encoder_is_not_even_asked(text: str, asked: int) -> None:
    encoder = Encoder(window=500)
    watched = Watched(encoder)
    watched.recorder.start()
    (kept,) = await watched.seen(1, text=text)
    assert list(map(len, encoder.asked)) == [asked]
    assert kept.embedding == (float(asked),)
    await watched.recorder.close()


async def test_a_text_of_which_it_takes_nothing_goes_without_and_the_others_do_not() -> None:
    encoder = Encoder(longest=20)
    watched = Watched(encoder)
    watched.recorder.start()
    watched.see(1, text="x" * 1_000)
    kept = await watched.seen(1, text="short")
    assert [one.embedding for one in kept] == [None, (5.0,)]
    await watched.recorder.close()


@pytest.mark.parametrize("vector", [[], [nan], [1.0, inf], [-1e6], [0.5, 65505.0]])
async def test_a_vector_that_cannot_be_kept_costs_no_observation(vector: list[float]) -> None:
    class Odd(Encoder):
        async def embed(
            self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None
        ) -> tuple[list[list[float]], int]:
            return [vector if "odd" in texts[0] else [-65504.0]], 1

    watched = Watched(Odd())
    watched.recorder.start()
    watched.see(1, text="odd")
    kept = await watched.seen(1)
    assert [one.embedding for one in kept] == [None, (-65504.0,)]
    await watched.recorder.close()


@pytest.mark.parametrize(
    "error", [BackendUnavailable("The embeddings service is overloaded."), InvalidRequest("It is empty.")]
)
async def test_without_the_encoder_there_is_all_but_the_embedding(error: Exception) -> None:
    encoder = Encoder()
    encoder.error = error
    watched = Watched(encoder)
    watched.recorder.start()
    kept = await watched.seen(2)
    assert [(one.text_length, one.embedding) for one in kept] == [(len(SECRET), None)] * 2
    await watched.recorder.close()
    assert watched.counts == {"noted": 2}


async def test_a_hung_encoder_holds_one_window_and_not_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EMBED_S", 0.5)
    encoder = Encoder()
    encoder.free.clear()
    watched = Watched(encoder)
    watched.recorder.start()
    watched.see(1, model="held")
    while not encoder.asked:
        await asyncio.sleep(0.001)
    (next_one,) = await watched.seen(1, model="next")
    assert next_one.embedding is None
    assert [one.model for one in watched.log.kept] == ["next"]
    async with asyncio.timeout(30):
        while "held" not in {one.model for one in watched.log.kept}:
            await watched.seen(1)
    assert encoder.most_at_once == 1
    await watched.recorder.close()


class Text(str):
    """One that can be seen to be gone."""

    __slots__ = ("__weakref__",)


async def test_a_text_is_forgotten_when_its_window_is_over() -> None:
    """Also while the store hangs; the encoder is given a copy of its beginning."""
    watched = Watched(Encoder())
    watched.log.free.clear()
    watched.recorder.start()
    text = Text(SECRET)
    gone = weakref.ref(text)
    watched.see(1, text=text)
    del text
    async with asyncio.timeout(30):
        while gone() is not None:
            await asyncio.sleep(0.001)
    assert watched.log.kept == []
    watched.log.free.set()
    await watched.log.added.wait()
    assert [one.text_length for one in watched.log.kept] == [len(SECRET)]
    await watched.recorder.close()
