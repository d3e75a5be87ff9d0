"""What was said in each dialogue, bounded, and one question at a time in it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot.errors import RETRY_AFTER_S, Away, Busy
from bot.recent import Recent

log = logging.getLogger(__name__)

Id = int | str


@dataclass(frozen=True, slots=True)
class Turn:
    """A message and what was answered to it."""

    text: str = field(repr=False)
    reply: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bounds:
    dialogs: int
    age_s: float
    turns: int
    turns_chars: int
    open: int  # answers that are being made at once
    waiting: int  # messages of a dialogue behind the one that is being answered
    timeout_s: float  # of an answer, from its asking


# To a text after those turns; there is time until then, by the loop's clock.
Answer = Callable[[Sequence[Turn], str, float], Awaitable[str]]


@dataclass(slots=True, eq=False)
class _Answering:
    task: asyncio.Task[str]
    callers: int = 0


@dataclass(slots=True)
class _Dialog:
    turns: list[Turn] = field(default_factory=list)
    given: dict[Id, str] = field(default_factory=dict)  # the last answers, by the message's id, oldest first
    open: dict[object, _Answering] = field(default_factory=dict)  # by the message's id, or one of ours
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def forget(self, key: object, answering: _Answering) -> None:
        if self.open.get(key) is answering:
            del self.open[key]


class Dialogs:
    """Belongs to one event loop; `close()` ends what is under way."""

    def __init__(self, answer: Answer, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._answer = answer
        self._bounds = bounds
        self._dialogs: Recent[Id, _Dialog] = Recent(_Dialog, bounds.dialogs, bounds.age_s, clock)
        self._open: set[asyncio.Task[str]] = set()

    async def reply(self, dialog_id: Id, message_id: Id | None, text: str) -> str:
        """The answer to a message; the one that was given where it was asked before, also while the first
        asking is under way. Given up when its last caller leaves. Raises what making an answer raises,
        Away, Busy."""
        dialog = self._dialogs.of(dialog_id)
        if message_id is not None and message_id in dialog.given:
            return dialog.given[message_id]
        # Without an id nothing says that two are the same.
        key = object() if message_id is None else message_id
        answering = dialog.open.get(key) or self._begin(dialog, key, message_id, text)
        answering.callers += 1
        try:
            return await asyncio.shield(answering.task)
        finally:
            answering.callers -= 1
            if not answering.callers:
                dialog.forget(key, answering)  # at once: who comes now begins anew
                answering.task.cancel()

    async def close(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _begin(self, dialog: _Dialog, key: object, message_id: Id | None, text: str) -> _Answering:
        if len(self._open) >= self._bounds.open:
            raise Busy("Too many messages are being answered.", 1.0)
        if len(dialog.open) > self._bounds.waiting:
            raise Busy("Too many messages of this dialogue are waiting.", 1.0)
        task = asyncio.create_task(self._make(dialog, message_id, text), name="answer")
        answering = dialog.open[key] = _Answering(task)
        self._open.add(task)

        def over(_: asyncio.Task[str]) -> None:
            self._open.discard(task)
            dialog.forget(key, answering)
            if not task.cancelled():
                task.exception()  # told to whoever still waits; nobody may

        task.add_done_callback(over)
        return answering

    async def _make(self, dialog: _Dialog, message_id: Id | None, text: str) -> str:
        until = asyncio.get_running_loop().time() + self._bounds.timeout_s
        try:
            async with asyncio.timeout_at(until), dialog.turn:
                reply = await self._answer(dialog.turns, text, until)
                dialog.turns = _newest([*dialog.turns, Turn(text, reply)], self._bounds)
        except TimeoutError:
            log.warning("no answer in time")
            raise Away("The gateway does not answer now.", RETRY_AFTER_S) from None
        if message_id is not None:
            dialog.given[message_id] = reply
            if len(dialog.given) > self._bounds.turns:
                del dialog.given[next(iter(dialog.given))]
        return reply


def _newest(turns: Sequence[Turn], bounds: Bounds) -> list[Turn]:
    """As many of the last turns as may be kept, one at least."""
    kept, chars = [turns[-1]], len(turns[-1].text) + len(turns[-1].reply)
    for turn in reversed(turns[:-1]):
        chars += len(turn.text) + len(turn.reply)
        if chars > bounds.turns_chars or len(kept) >= bounds.turns:
            break
        kept.append(turn)
    return kept[::-1]
