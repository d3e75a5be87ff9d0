"""What the workers found of drift, as metrics of this process."""

import logging
from collections.abc import Sequence
from typing import Protocol

from gateway.adapters.polling import Watch
from gateway.drift.facts import ModelTraffic
from gateway.drift.ports import DriftShelf
from gateway.errors import GatewayError

log = logging.getLogger(__name__)


class Told(Protocol):
    """Who shows it."""

    def drifted(self, found: Sequence[ModelTraffic]) -> None: ...


class DriftWatch(Watch):
    """While the store is down, what was known last is shown."""

    def __init__(self, shelf: DriftShelf, metrics: Told, poll_s: float = 15.0) -> None:
        super().__init__(poll_s, "drift")
        self._shelf = shelf
        self._metrics = metrics
        self._fault = ""

    async def look(self) -> None:
        try:
            found = await self._shelf.traffic()
        except GatewayError as error:
            if self._fault != error.message:
                log.warning("drift is not known anew: %s", error.message)
            self._fault = error.message
            return
        self._fault = ""
        self._metrics.drifted(found)
