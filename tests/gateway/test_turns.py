"""Graders ask the embeddings service a few at a time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.domain import Classification, ServedModel
from gateway.errors import BackendBusy, BackendUnavailable
from gateway.retries import RetryBudget
from gateway.turns import InTurn

MODEL = ServedModel("spam", 256)


def budget(requests: int = 50) -> RetryBudget:
    """With a retry for every five requests."""
    made = RetryBudget(0.2, 0.0)
    for _ in range(requests):
        made.pay(0.0)
    return made


class Service:
    """Counts who is inside."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    async def classify(self, _: ServedModel, texts: Sequence[str], __: float) -> tuple[Classification, ...]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        if texts == ["bad"]:
            raise ValueError
        return ()


async def test_more_than_so_many_wait_and_a_failure_gives_its_turn_back() -> None:
    service: Any = Service()
    in_turn = InTurn(service, 2, budget())
    texts = [["bad"], ["a"], ["bad"], ["b"], ["c"], ["d"]]
    asked = (in_turn.classify(MODEL, one, 1.0) for one in texts)
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError, tuple, ValueError, tuple, tuple, tuple]
    assert service.most == 2


async def test_a_busy_service_is_asked_again_and_one_that_stays_away_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.turns._PAUSES_S", (0.0, 0.0))
    refusals = 2

    class Busy(Service):
        async def classify(self, *_: object) -> tuple[Classification, ...]:
            self.most += 1
            if self.most <= refusals:
                raise BackendBusy("busy")
            return ()

    busy: Any = Busy()
    again: list[int] = []
    assert await InTurn(busy, 1, budget(), lambda: again.append(1)).classify(MODEL, ["a"], 1.0) == ()
    assert len(again) == refusals
    refusals, away = 9, Busy()
    service: Any = away
    with pytest.raises(BackendBusy):
        await InTurn(service, 1, budget()).classify(MODEL, ["a"], 1.0)
    assert away.most == 3


async def test_what_is_spent_or_away_is_not_asked_again() -> None:
    error: BackendUnavailable = BackendBusy("busy")

    class Failing(Service):
        async def classify(self, *_: object) -> tuple[Classification, ...]:
            self.most += 1
            raise error

    failing: Any = Failing()
    spent = budget(0)
    while spent.take():
        pass
    with pytest.raises(BackendBusy):
        await InTurn(failing, 1, spent).classify(MODEL, ["a"], 1.0)
    error = BackendUnavailable("away")  # which the layer below looks after
    with pytest.raises(BackendUnavailable):
        await InTurn(failing, 1, budget()).classify(MODEL, ["a"], 1.0)
    assert failing.most == 2
