"""What the desk decides by itself: windows, names, and what a race is called."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest

from gateway.domain import Caller, Role
from gateway.drift.desk import DriftDesk
from gateway.drift.facts import DriftRun, ModelTraffic, Reference, Window
from gateway.errors import Conflict, Forbidden, InvalidRequest, NotFound

ANN = Caller("ann", Role.TRAINER, 60)
GRADER = Caller("bot", Role.GRADER, 60)
DAY = timedelta(days=1)


class Shelf:
    """Keeps whatever it is given, and remembers the last reference of each model."""

    def __init__(self) -> None:
        self.kept: dict[str, Reference] = {}
        self.runs: list[DriftRun] = []
        self.gone = False  # the reference, as soon as a run is queued for it

    async def keep(self, reference: Reference, most: int) -> Reference:
        self.kept[reference.model] = replace(reference, rows=most)
        return self.kept[reference.model]

    async def references(self, model: str | None, limit: int) -> list[Reference]:
        return [one for one in self.kept.values() if model in (None, one.model)][:limit]

    async def newest_reference(self, model: str) -> Reference | None:
        return self.kept.get(model)

    async def forget(self, reference_id: str) -> None:
        raise AssertionError(reference_id)

    async def add(self, run: DriftRun) -> DriftRun:
        if self.gone:
            raise NotFound("There is no reference of that id.")
        self.runs.append(run)
        return run

    async def get(self, run_id: str) -> DriftRun:
        return next(run for run in self.runs if run.id == run_id)

    async def find(self, model: str | None, after: str | None, limit: int) -> list[DriftRun]:
        raise AssertionError((model, after, limit))

    async def traffic(self) -> list[ModelTraffic]:
        raise AssertionError


class NoReports:
    async def put(self, html: bytes) -> str:
        raise AssertionError(html)

    async def get(self, sha256: str) -> bytes:
        raise AssertionError(sha256)

    async def delete(self, sha256: str) -> None:
        raise AssertionError(sha256)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def desk(shelf: Shelf) -> DriftDesk:
    return DriftDesk(shelf, NoReports(), window_h=6)


async def test_without_a_word_a_reference_is_of_the_last_seven_days(desk: DriftDesk) -> None:
    before = datetime.now(UTC)
    kept = await desk.keep(ANN, "spam")
    assert before <= kept.window.until <= datetime.now(UTC)
    assert kept.window.until - kept.window.since == 7 * DAY
    assert (kept.key_id, kept.rows) == ("ann", 5000)
    ended = before - 30 * DAY
    assert (await desk.keep(ANN, "spam", until=ended)).window == Window(ended - 7 * DAY, ended)
    began = before - 2 * DAY
    assert (await desk.keep(ANN, "spam", since=began)).window.since == began


async def test_a_clock_that_is_a_little_ahead_is_no_fault(desk: DriftDesk) -> None:
    ahead = datetime.now(UTC) + timedelta(seconds=30)
    kept = await desk.keep(ANN, "spam", until=ahead)
    assert kept.window.until <= datetime.now(UTC)
    with pytest.raises(InvalidRequest, match="future"):
        await desk.keep(ANN, "spam", until=ahead + timedelta(minutes=1))


async def test_a_window_may_be_a_year_long_and_no_longer(desk: DriftDesk) -> None:
    until = datetime.now(UTC) - DAY
    assert (await desk.keep(ANN, "spam", until - 366 * DAY, until)).rows == 5000
    with pytest.raises(InvalidRequest, match="366"):
        await desk.keep(ANN, "spam", until - 367 * DAY, until)


async def test_a_run_is_of_the_newest_reference_and_the_last_hours(desk: DriftDesk, shelf: Shelf) -> None:
    with pytest.raises(Conflict, match="keep one first"):
        await desk.ask(ANN, "spam")
    kept = await desk.keep(ANN, "spam")
    run = await desk.ask(ANN, "spam")
    assert (run.reference_id, run.key_id, run.window.until) == (kept.id, "ann", run.created_at)
    assert run.window.until - run.window.since == timedelta(hours=6)
    asked = await desk.ask(ANN, "spam", 0.5)
    assert asked.window.until - asked.window.since == timedelta(minutes=30)
    shelf.gone = True
    with pytest.raises(Conflict, match="ask again"):
        await desk.ask(ANN, "spam")


@pytest.mark.parametrize("hours", [0.0, -1.0, nan, inf, -inf, 8785.0, 1e308])
async def test_hours_that_are_no_window_are_refused(desk: DriftDesk, shelf: Shelf, hours: float) -> None:
    await desk.keep(ANN, "spam")
    with pytest.raises(InvalidRequest) as told:
        await desk.ask(ANN, "spam", hours)
    assert told.value.param == "window_hours"
    assert shelf.runs == []


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "a\ud800", "x" * 201])
async def test_a_name_that_is_none_reaches_no_shelf(desk: DriftDesk, name: str) -> None:
    for ask in (
        desk.keep(ANN, name), desk.ask(ANN, name), desk.references(ANN, name), desk.find(ANN, name)
    ):  # fmt: skip
        with pytest.raises(InvalidRequest) as told:
            await ask
        assert told.value.param == "model"
    assert (await desk.keep(ANN, "Qwen/Qwen3-0.6B")).model == "Qwen/Qwen3-0.6B"


@pytest.mark.parametrize("name", ["", "ref_", "ref_" + "g" * 32, "drift_" + "0" * 31, "../etc/passwd", "\0"])
async def test_an_id_that_is_none_reaches_no_shelf(desk: DriftDesk, name: str) -> None:
    for ask in (desk.get(ANN, name), desk.report(ANN, name), desk.forget(ANN, name)):
        with pytest.raises(NotFound):
            await ask
    with pytest.raises(InvalidRequest):
        await desk.find(ANN, after=name)


async def test_a_run_without_a_report_has_none(desk: DriftDesk) -> None:
    await desk.keep(ANN, "spam")
    run = await desk.ask(ANN, "spam")
    with pytest.raises(NotFound, match="no report"):
        await desk.report(ANN, run.id)


ASKS: list[Callable[[DriftDesk], Any]] = [
    lambda desk: desk.traffic(GRADER),
    lambda desk: desk.keep(GRADER, "spam"),
    lambda desk: desk.references(GRADER),
    lambda desk: desk.forget(GRADER, "ref_" + "0" * 32),
    lambda desk: desk.ask(GRADER, "spam"),
    lambda desk: desk.get(GRADER, "drift_" + "0" * 32),
    lambda desk: desk.find(GRADER),
    lambda desk: desk.report(GRADER, "drift_" + "0" * 32),
]


@pytest.mark.parametrize("ask", ASKS)
async def test_who_does_not_oversee_is_refused_everywhere(
    desk: DriftDesk, ask: Callable[[DriftDesk], Any]
) -> None:
    with pytest.raises(Forbidden):
        await ask(desk)
