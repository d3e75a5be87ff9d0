"""What was said in each dialogue, bounded, and one question at a time in it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot.errors import Busy
from bot.recent import Recent

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


Answer = Callable[[Sequence[Turn], str], Awaitable[str]]


@dataclass(slots=True)
class _Dialog:
    turns: list[Turn] = field(default_factory=list)
    given: dict[Id, str] = field(default_factory=dict)  # the last answers, by the message's id, oldest first
    open: dict[Id, asyncio.Task[str]] = field(default_factory=dict)  # by the message's id
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Dialogs:
    """Belongs to one event loop; `close()` ends what is under way."""

    def __init__(self, answer: Answer, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._answer = answer
        self._bounds = bounds
        self._dialogs: Recent[Id, _Dialog] = Recent(_Dialog, bounds.dialogs, bounds.age_s, clock)
        self._open: set[asyncio.Task[str]] = set()

    async def reply(self, dialog_id: Id, message_id: Id | None, text: str) -> str:
        """The answer to a message; the one that was given where it was asked before, also while the first
        asking is under way. Raises what making an answer raises, Busy."""
        dialog = self._dialogs.of(dialog_id)
        making = None
        if message_id is not None:
            if message_id in dialog.given:
                return dialog.given[message_id]
            making = dialog.open.get(message_id)
        if making is None:
            making = self._begin(dialog, message_id, text)
        # One caller who leaves does not take the answer from the others, or from the next who asks.
        return await asyncio.shield(making)

    async def close(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _begin(self, dialog: _Dialog, message_id: Id | None, text: str) -> asyncio.Task[str]:
        if len(self._open) >= self._bounds.open:
            raise Busy("Too many messages are being answered.", 1.0)
        task = asyncio.create_task(self._make(dialog, message_id, text), name="answer")
        self._open.add(task)
        if message_id is not None:
            dialog.open[message_id] = task

        def over(_: asyncio.Task[str]) -> None:
            self._open.discard(task)
            if message_id is not None:
                dialog.open.pop(message_id, None)
            if not task.cancelled():
                task.exception()  # told to whoever still waits; nobody may

        task.add_done_callback(over)
        return task

    async def _make(self, dialog: _Dialog, message_id: Id | None, text: str) -> str:
        async with dialog.turn:
            reply = await self._answer(dialog.turns, text)
            dialog.turns = _newest([*dialog.turns, Turn(text, reply)], self._bounds)
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
