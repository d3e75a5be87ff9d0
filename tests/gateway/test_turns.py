"""Graders ask the embeddings service a few at a time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.domain import Classification, ServedModel
from gateway.errors import BackendUnavailable
from gateway.turns import InTurn

MODEL = ServedModel("spam", 256)


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
    in_turn = InTurn(service, 2)
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
                raise BackendUnavailable("busy")
            return ()

    busy: Any = Busy()
    again: list[int] = []
    assert await InTurn(busy, 1, lambda: again.append(1)).classify(MODEL, ["a"], 1.0) == ()
    assert len(again) == refusals
    refusals, away = 9, Busy()
    service: Any = away
    with pytest.raises(BackendUnavailable):
        await InTurn(service, 1).classify(MODEL, ["a"], 1.0)
    assert away.most == 3
