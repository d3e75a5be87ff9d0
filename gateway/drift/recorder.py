"""Notes what the models were asked and answered: measurements, drawn evenly, at a cost that does not grow
with the load.

A window is two seconds. What is seen in it goes through a reservoir; at its end the sample is measured, some
of its texts are embedded, and all of it is written in one transaction. A whole text is held for its window,
the beginning of one that is embedded for as long as that takes; nothing of either is logged or kept. Whatever
fails costs observations, which are counted, and nobody's answer.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

from gateway.domain import Output, ServedModel
from gateway.drift.facts import Observation, Sighting
from gateway.drift.features import keepable, measured
from gateway.drift.ports import TrafficLog
from gateway.drift.sampling import Reservoir, fairly, whole
from gateway.errors import ContextLengthExceeded, GatewayError, InvalidRequest, ModelNotFound
from gateway.ports import Embedder
from gateway.tasks import ended

log = logging.getLogger(__name__)

NOTED, SAMPLED_OUT, DROPPED = "noted", "sampled_out", "dropped"
_EMBEDDED_CHARS = 2_000
_LATIN_CHARS = 3  # of a token, at least in most texts and programs; of other scripts one
_FEWEST_CHARS = 64  # a text of so few that is still too long for the encoder goes without
_EMBED_S = 5.0  # for all the texts of a window
_CLOSE_S = 2.0
# Of which the store or the encoder has not answered: each takes 5 s at most.
_MOST_WINDOWS = 5

Seen = tuple[float, Sighting]  # when, epoch seconds


@dataclass(frozen=True, slots=True)
class TrafficPace:
    per_s: float  # observations, at most
    embeddings_per_s: float  # of them with an embedding, at most
    window_s: float = 2.0


class Recorder:
    """Implements Traffic. Make it inside the running loop; `start()` before the first answer, `close()` after
    the last."""

    def __init__(
        self,
        store: TrafficLog,
        embedder: Embedder | None,
        pace: TrafficPace,
        counted: Callable[[str, int], None],
    ) -> None:
        """Without an `embedder` there are no embeddings: so it is where texts are not masked, because much of
        a text can be guessed from its vector. `counted` is told of outcomes and how many came to each."""
        self._store = store
        self._embedder = embedder
        self._pace = pace
        self._counted = counted
        self._luck = Random()  # noqa: S311 - a sample is no secret
        self._seen = self._window()
        self._embedding = False
        self._windows: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._fault = ""

    def saw(self, sighting: Sighting) -> None:
        """0.35 microseconds; making the sighting takes another one."""
        self._seen.offer((time.time(), sighting))

    def start(self) -> None:
        """Inside the running loop."""
        self._task = asyncio.create_task(self._watch(), name="traffic")

    async def close(self) -> None:
        """Writes what was seen, without embeddings; returns within 2 s, done or not."""
        if self._task is not None:
            await ended(self._task)
        self._turn(embed=False)
        if not self._windows:
            return
        _, late = await asyncio.wait(self._windows, timeout=_CLOSE_S)
        for window in late:
            window.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._pace.window_s)
            self._turn()

    def _window(self) -> Reservoir[Seen]:
        return Reservoir(whole(self._pace.per_s * self._pace.window_s, self._luck), self._luck)

    def _turn(self, *, embed: bool = True) -> None:
        """Ends a window and begins the next one."""
        seen, self._seen = self._seen, self._window()
        if seen.offered > len(seen.kept):
            self._counted(SAMPLED_OUT, seen.offered - len(seen.kept))
        if not seen.kept:
            return
        if len(self._windows) >= _MOST_WINDOWS:
            self._counted(DROPPED, len(seen.kept))
            return
        window = asyncio.create_task(self._noted(seen.kept, embed=embed), name="traffic window")
        self._windows.add(window)
        window.add_done_callback(self._windows.discard)

    async def _noted(self, sample: list[Seen], *, embed: bool) -> None:
        outcome, size, fault = DROPPED, len(sample), ""
        try:
            # 3 ms for a hundred long texts, which is more than the loop should wait.
            observations = await asyncio.to_thread(_measured, sample)
            # A window that comes while the encoder is busy with another one does without.
            if embed and self._embedder is not None and not self._embedding:
                beginnings = self._drawn(sample)
                sample.clear()
                if beginnings:
                    await self._embed(self._embedder, observations, beginnings)
            sample.clear()
            await self._store.add(observations)
            outcome = NOTED
        except GatewayError as error:
            fault = error.message
        except Exception as error:  # noqa: BLE001 - the task's edge; an error's own words may quote a text
            fault = type(error).__name__
        finally:
            self._counted(outcome, size)
        if fault and fault != self._fault:
            log.warning("observations of the traffic are dropped: %s", fault)
        self._fault = fault

    def _drawn(self, sample: list[Seen]) -> dict[int, str]:
        """Beginnings of the texts that are embedded, by place in the sample."""
        spoken = [
            (place, one.model, one.text)
            for place, (_, one) in enumerate(sample)
            if one.text and not one.text.isspace()
        ]
        most = whole(self._pace.embeddings_per_s * self._pace.window_s, self._luck)
        chosen = fairly([model for _, model, _ in spoken], most, self._luck)
        return {place: text.strip()[:_EMBEDDED_CHARS] for place, _, text in map(spoken.__getitem__, chosen)}

    async def _embed(
        self, embedder: Embedder, observations: list[Observation], beginnings: dict[int, str]
    ) -> None:
        """One text after the other: with eight of 2,000 characters in one request, which hold every core of
        the embeddings service for half a second, a classifier's p95 beside it was 80 to 120 ms, and so 30 to
        50. A service that fails leaves the rest of the window without."""
        self._embedding = True
        try:
            with suppress(GatewayError, TimeoutError):
                async with asyncio.timeout(_EMBED_S):
                    encoder = await _encoder_of(embedder)
                    for place in list(beginnings):
                        vector = await _vector(embedder, encoder, beginnings.pop(place))
                        observations[place] = replace(observations[place], embedding=vector)
        finally:
            self._embedding = False
            beginnings.clear()


async def _encoder_of(embedder: Embedder) -> ServedModel:
    for model in await embedder.models():
        if model.output is Output.EMBEDDING:
            return model
    raise ModelNotFound("The embeddings service has no encoder.")


async def _vector(embedder: Embedder, encoder: ServedModel, text: str) -> tuple[float, ...] | None:
    """Of as much of the text as the encoder takes: what is likely to fit its window, and half of that as long
    as it is too long, which the service says before it has computed anything."""
    text = text[: encoder.context_window * (_LATIN_CHARS if text.isascii() else 1)]
    while True:
        try:
            vectors, _ = await embedder.embed([text], _EMBED_S, encoder)
            return tuple(vectors[0]) if keepable(vectors[0]) else None
        except ContextLengthExceeded:
            if len(text) < _FEWEST_CHARS:
                return None
        except InvalidRequest:
            return None
        text = text[: len(text) // 2]


def _measured(sample: list[Seen]) -> list[Observation]:
    return [measured(one, datetime.fromtimestamp(at_s, UTC)) for at_s, one in sample]


class Unnoted:
    """Implements Traffic where nothing is noted: TRAFFIC_PER_S=0."""

    def saw(self, sighting: Sighting) -> None:
        """Nothing."""

    def start(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""
