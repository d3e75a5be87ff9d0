"""What is remembered, and for how long; who waits, and for how long.

Over 250 lines: what is remembered and who waits are one object's, tested with one stand-in for the model.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from bot.dialogs import Bounds, Dialogs, Turn
from bot.errors import Away, Busy
from bot.sides import Sides

BOUNDS = Bounds(dialogs=3, age_s=60, turns=3, turns_chars=1000, open=2, waiting=1, timeout_s=30)


class Model:
    """Answers with what it was told before, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.told: Sequence[Turn] = ()
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.given_up = asyncio.Event()

    async def __call__(self, turns: Sequence[Turn], text: str, until: float) -> str:
        self.asked, self.told = self.asked + 1, list(turns)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.given_up.set()
            raise
        if self.fault:
            raise self.fault
        return f"<{text}>"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_only_the_last_turns_are_told() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    for number in range(6):
        await dialogs.reply("d", number, f"m{number}")
    assert [(turn.text, turn.reply) for turn in model.told] == [(f"m{n}", f"<m{n}>") for n in (2, 3, 4)]


async def test_a_dialogue_of_long_messages_keeps_fewer_and_always_the_last() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    for number in range(3):
        await dialogs.reply("d", number, "x" * 300)
    assert len(model.told) == 1
    await dialogs.reply("d", 3, "y" * 5000)
    await dialogs.reply("d", 4, "z")
    assert [len(turn.text) for turn in model.told] == [5000]
    assert await dialogs.reply("d", 3, "y") == f"<{'y' * 5000}>"  # asked again: as it was answered


async def test_only_the_last_answers_are_given_again() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    for number in (1, 2, 3, 4, 2, 3, 4):
        await dialogs.reply("d", number, "hello")
    assert model.asked == 4
    await dialogs.reply("d", 1, "hello")
    assert model.asked == 5


async def test_the_longest_unused_dialogue_goes_first() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    for name in ("a", "b", "c", "a", "d"):  # b goes
        await dialogs.reply(name, None, "hello")
    await dialogs.reply("a", None, "again")
    assert len(model.told) == 2
    await dialogs.reply("b", None, "again")
    assert model.told == []


async def test_a_dialogue_is_forgotten_after_its_age() -> None:
    model, clock = Model(), Clock()
    dialogs = Dialogs(model, BOUNDS, clock)
    await dialogs.reply("a", 1, "hello")
    clock.now = 50.0
    await dialogs.reply("b", 1, "hello")
    clock.now = 61.0
    await dialogs.reply("a", 1, "hello")
    assert (model.asked, model.told) == (3, [])
    await dialogs.reply("b", 2, "more")
    assert len(model.told) == 1


async def test_7_and_the_text_7_are_two() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    for dialog, message in ((7, 1), ("7", 1), (7, "1")):
        await dialogs.reply(dialog, message, "hello")
    assert model.asked == 3


async def test_messages_of_one_dialogue_are_answered_one_after_the_other() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    model.gate.clear()
    both = [asyncio.create_task(dialogs.reply("d", number, f"m{number}")) for number in (1, 2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert model.asked == 1
    model.gate.set()
    assert await asyncio.gather(*both) == ["<m1>", "<m2>"]
    assert [turn.text for turn in model.told] == ["m1"]


async def test_a_failure_is_everybodys_who_waits_and_nobodys_afterwards() -> None:
    model = Model()
    model.fault = Away("Not now.")
    dialogs = Dialogs(model, BOUNDS)
    outcomes = await asyncio.gather(
        *(dialogs.reply("d", 1, "hello") for _ in range(3)), return_exceptions=True
    )
    assert (outcomes, model.asked) == ([model.fault] * 3, 1)
    model.fault = None
    assert await dialogs.reply("d", 1, "hello") == "<hello>"
    assert model.told == []


async def test_so_many_are_answered_at_once_and_no_more() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    model.gate.clear()
    waiting = [asyncio.create_task(dialogs.reply(name, 1, "hello")) for name in ("a", "b")]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await dialogs.reply("c", 1, "hello")
    shared = asyncio.create_task(dialogs.reply("a", 1, "hello"))  # costs no place
    await asyncio.sleep(0)
    model.gate.set()
    assert await asyncio.gather(*waiting, shared) == ["<hello>"] * 3


async def test_the_deadline_counts_from_the_asking_and_covers_the_wait_for_the_turn() -> None:
    released, asked = asyncio.Event(), []

    async def stubborn(_: Sequence[Turn], text: str, until: float) -> str:
        asked.append(text)
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()
        return text

    dialogs = Dialogs(stubborn, replace(BOUNDS, timeout_s=0.01))
    async with asyncio.timeout(30):
        first = asyncio.create_task(dialogs.reply("d", 1, "m1"))
        await asyncio.sleep(0)
        with pytest.raises(Away):
            await dialogs.reply("d", 2, "m2")
        assert (asked, first.done()) == (["m1"], False)
        released.set()
        await asyncio.gather(first, return_exceptions=True)
        assert await dialogs.reply("d", 3, "m3") == "m3"


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    model = Model()
    dialogs = Dialogs(model, replace(BOUNDS, timeout_s=0.01))
    model.gate.clear()
    async with asyncio.timeout(30):
        with pytest.raises(Away):
            await dialogs.reply("d", 1, "hello")
    assert model.given_up.is_set()
    model.gate.set()
    assert await dialogs.reply("d", 1, "hello") == "<hello>"


async def test_the_answer_is_told_when_its_time_is_over() -> None:
    loop, ends = asyncio.get_running_loop(), []

    async def answer(_: Sequence[Turn], text: str, until: float) -> str:
        ends.append(until)
        return text

    began = loop.time()
    await Dialogs(answer, BOUNDS).reply("d", 1, "m1")
    assert began + 30 <= ends[0] <= loop.time() + 30


async def test_so_many_messages_of_one_dialogue_wait_and_no_more() -> None:
    model = Model()
    dialogs = Dialogs(model, replace(BOUNDS, open=9))
    model.gate.clear()
    waiting = [asyncio.create_task(dialogs.reply("d", number, f"m{number}")) for number in (1, 2, 2)]
    await asyncio.sleep(0)
    for number in (3, None):
        with pytest.raises(Busy):
            await dialogs.reply("d", number, "one more")
    other = asyncio.create_task(dialogs.reply("e", 1, "m1"))
    model.gate.set()
    assert await asyncio.gather(*waiting, other) == ["<m1>", "<m2>", "<m2>", "<m1>"]
    assert await dialogs.reply("d", 3, "m3") == "<m3>"


async def test_an_answer_goes_on_while_one_caller_waits_and_is_given_up_with_the_last() -> None:
    model = Model()
    dialogs = Dialogs(model, replace(BOUNDS, open=1))
    model.gate.clear()
    first, second = (asyncio.create_task(dialogs.reply("d", 1, "hello")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    with pytest.raises(Busy):
        await dialogs.reply("e", 1, "hello")
    assert not model.given_up.is_set()
    second.cancel()
    async with asyncio.timeout(30):
        await model.given_up.wait()
        await asyncio.gather(second, return_exceptions=True)
    model.gate.set()
    assert await dialogs.reply("e", 1, "hello") == "<hello>"  # its place is free
    assert await dialogs.reply("d", 1, "hello") == "<hello>"
    assert (model.asked, model.told) == (3, [])


async def test_who_asks_just_after_the_last_has_left_gets_an_answer() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    model.gate.clear()
    leaving = asyncio.create_task(dialogs.reply("d", 1, "hello"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)  # what it asked for is still ending
    coming = asyncio.create_task(dialogs.reply("d", 1, "hello"))
    model.gate.set()
    assert await coming == "<hello>"


async def test_closing_ends_what_is_under_way() -> None:
    model = Model()
    dialogs = Dialogs(model, BOUNDS)
    model.gate.clear()
    waiting = asyncio.create_task(dialogs.reply("a", 1, "hello"))
    await asyncio.sleep(0)
    await dialogs.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_side_keeps_its_last_messages_within_bounds_and_always_the_last() -> None:
    sides = Sides(BOUNDS)
    told = [sides.read(("d", 0), number, f"m{number}") for number in range(5)]
    assert told[-1] == "m2\nm3\nm4"
    assert sides.read(("d", 0), 5, "x" * 999) == "x" * 999
    assert sides.read(("d", 0), 6, "y" * 5000) == "y" * 5000
    assert sides.read(("d", 1), 6, "z") == sides.read(("e", 0), 6, "z") == "z"
