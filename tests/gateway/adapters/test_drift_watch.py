"""What the workers found reaches the metrics, and stays there while the store is down."""

import logging
from collections.abc import Sequence

import pytest

from gateway.adapters.drift_watch import DriftWatch
from gateway.drift.facts import ModelTraffic
from gateway.errors import StoreUnavailable
from tests.gateway.drift.test_desk import Shelf

FOUND = [ModelTraffic("spam", 3, None, None, None, None, None, None)]


class SeenShelf(Shelf):
    def __init__(self) -> None:
        super().__init__()
        self.down = False

    async def traffic(self) -> list[ModelTraffic]:
        if self.down:
            raise StoreUnavailable("The store is not available.")
        return FOUND


class Metrics:
    def __init__(self) -> None:
        self.told: list[Sequence[ModelTraffic]] = []

    def drifted(self, found: Sequence[ModelTraffic]) -> None:
        self.told.append(found)


async def test_a_store_that_is_down_changes_nothing_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf, metrics = SeenShelf(), Metrics()
    watch = DriftWatch(shelf, metrics)
    await watch.look()
    shelf.down = True
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await watch.look()
    assert metrics.told == [FOUND]
    assert caplog.messages == ["drift is not known anew: The store is not available."]
    shelf.down = False
    await watch.look()
    assert metrics.told == [FOUND, FOUND]


async def test_a_watch_that_was_never_started_closes() -> None:
    await DriftWatch(SeenShelf(), Metrics()).close()
