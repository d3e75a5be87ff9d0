"""What masking does to a text, told to whoever asks: by the analyser, the policies and the placeholders of
every other request."""

import asyncio
import re
from dataclasses import dataclass, field

from gateway.domain import Caller, Language, Masked, Server
from gateway.errors import MaskingUnavailable
from gateway.guards import Guards, may_ask_models


@dataclass(frozen=True, slots=True)
class Entity:
    """Personal data that was replaced: characters `start` to `end` of the given text. Never the words."""

    type: str  # of KINDS and OPTIONAL_KINDS
    start: int
    end: int
    score: float  # 0 to 1
    recogniser: str
    placeholder: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One text as it would leave, and why. Written as it is where JSON is asked for."""

    masked: str = field(repr=False)
    entities: tuple[Entity, ...]  # by start


class Masking:
    """Explains texts to callers. Nothing of them leaves or is kept."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    async def explain(self, caller: Caller, text: str, task: str, language: Language | None) -> Explanation:
        """What would happen to the text, whether masking is on or off. Raises Forbidden, MaskingUnavailable,
        Overloaded."""
        may_ask_models(caller)
        with self._guards.place(caller, Server.HERE):
            try:
                masked = await self._guards.explained(text, task, language)
            except MaskingUnavailable:
                if self._guards.masking:
                    raise
                raise MaskingUnavailable(
                    "Nothing can be explained: MASK_PERSONAL_DATA is off, and no analyser is running."
                ) from None
            # 3 microseconds for each value, and a long text may hold ten thousand.
            return await asyncio.to_thread(explanation, masked)


def explanation(masked: Masked) -> Explanation:
    """Of one text."""
    (text,), (spans,) = masked.texts, masked.spans
    # Nothing else in the text ends with the nonce: one placeholder for each span, in order.
    ours = re.findall(rf"<[A-Z_]+_[0-9]+_{masked.nonce}>", text) if spans else ()
    return Explanation(
        text,
        tuple(
            Entity(span.kind, span.start, span.end, round(span.score, 4), span.recogniser, placeholder)
            for span, placeholder in zip(spans, ours, strict=True)
        ),
    )
