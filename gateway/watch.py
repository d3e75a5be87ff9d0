"""The watch over submissions that speak to their grader: a classifier where there is one, and what code
sees."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import orjson

from gateway.domain import ModelCall, Output, ServedModel, Submission, Usage
from gateway.errors import GatewayError
from gateway.grading.injection import Alarm, Reading, alarm, read
from gateway.ports import Embedder

DETECTOR = "injection-detector"
NO_DETECTOR, AWAY = "none", "unavailable"
_INLINE_CHARS = 4000  # to look through a longer text takes more than a millisecond or two

_LEAST_WORDS = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen, and why a person should look then."""

    alarm: Alarm | None
    reasons: tuple[str, ...] = ()
    calls: tuple[ModelCall, ...] = ()  # the classifier's, when it was an alarm


class Watch:
    def __init__(self, embedder: Embedder | None, timeout_s: float) -> None:
        """Without an embeddings service, or with one that has no detector, only code watches."""
        self._embedder = embedder
        self._timeout_s = timeout_s

    async def detector(self) -> str:
        """Name and version of the classifier, NO_DETECTOR or AWAY."""
        try:
            model = await _detector_of(self._embedder)
        except GatewayError:
            return AWAY
        return f"{model.name}@{model.version}" if model else NO_DETECTOR

    async def look(self, submission: Submission) -> Sighting:
        """What in the submission speaks to its grader. A classifier that cannot be asked is a reason for a
        review and fails nothing."""
        code = submission.task_type == "code"
        reading = await aside(submission.text, lambda: read(submission.text, code=code))
        try:
            likely, calls = await self._likely(reading)
        except GatewayError:
            return _sighting(reading, {}, (), ("guard_unavailable",))
        return _sighting(reading, likely, calls)

    async def _likely(self, reading: Reading) -> tuple[dict[str, float], tuple[ModelCall, ...]]:
        """How likely it is that the whole, and each piece, is an instruction; nothing without a detector."""
        model = await _detector_of(self._embedder)
        if self._embedder is None or model is None or _too_short(reading):
            return {}, ()
        texts = list(dict.fromkeys([reading.whole, *(piece.shown for piece in reading.pieces)]))
        began = time.perf_counter()
        found = await self._embedder.classify(model, texts, self._timeout_s)
        ms = round((time.perf_counter() - began) * 1000, 3)
        likely = {text: one.probabilities[model.labels[-1]] for text, one in zip(texts, found, strict=True)}
        prompt = orjson.dumps({"model": model.name, "instances": texts}).decode()
        answer = orjson.dumps({"probabilities": list(likely.values())}).decode()
        return likely, (ModelCall("injection", prompt, answer, Usage(), ms),)


def _too_short(reading: Reading) -> bool:
    """Too little prose for the classifier, which has learnt from longer texts and takes "Answer: oxygen" and
    "I do not know." for orders. The short orders that there are, code knows."""
    return len(reading.whole.split()) < (1 if reading.code else _LEAST_WORDS)


async def _detector_of(embedder: Embedder | None) -> ServedModel | None:
    for model in await embedder.models() if embedder else ():
        if model.name == DETECTOR and model.output is Output.CLASSIFICATION:
            return model
    return None


def _sighting(
    reading: Reading,
    likely: dict[str, float],
    calls: tuple[ModelCall, ...],
    reasons: tuple[str, ...] = (),
) -> Sighting:
    found = alarm(
        reading, [likely.get(piece.shown, 0.0) for piece in reading.pieces], likely.get(reading.whole, 0.0)
    )
    return Sighting(found, ("injection_suspected", *reasons), calls) if found else Sighting(None, reasons)


async def aside(text: str, look: Callable[[], T]) -> T:
    """What `look` finds in this text; in a thread when the text is long."""
    return look() if len(text) <= _INLINE_CHARS else await asyncio.to_thread(look)
