"""Predicting the rows of a file batch by batch. It may be stopped between two batches and go on later: what
was answered is kept."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ui.client import GatewayDown, Refused
from ui.rows import Features, Instance, Sheet, instance, written

_MOST_ROWS = 500  # of a request; the gateway takes 1,000
_MOST_BYTES = 512 << 10  # of a request; the gateway takes 1 MiB unless it is set lower
_TOO_LARGE, _INVALID = 413, frozenset({400, 422})
_BUSY = frozenset({429, 503})
_MOST_WAITS = 5  # in a row, for a gateway that is busy
_LONGEST_WAIT_S = 10.0
_PLACE = "instances."

Ask = Callable[[list[Instance]], list[Any]]  # the predictions of these. Raises GatewayDown, Refused


@dataclass(slots=True)
class RowRun:
    """One file's run by one version of a model."""

    sheet: Sheet = field(repr=False)
    features: Features = field(repr=False)
    no_value: Callable[[list[str]], str] = field(repr=False)  # words for cells that are none of their type
    at: int = 0  # rows that are over with
    answers: dict[int, Any] = field(default_factory=dict, repr=False)  # by row
    failed: dict[int, str] = field(default_factory=dict, repr=False)
    stopped: bool = False
    fault: GatewayDown | Refused | None = None  # what stopped it
    _most: int = _MOST_ROWS
    _waits: int = 0
    _file: bytes = field(default=b"", repr=False)

    @property
    def over(self) -> bool:
        return self.at >= len(self.sheet.rows)

    @property
    def going(self) -> bool:
        return not (self.over or self.stopped or self.fault)

    def go_on(self) -> None:
        """After a stop or a fault."""
        self.stopped, self.fault, self._waits, self._file = False, None, 0, b""

    def file(self) -> bytes:
        """The rows with what is known of them. Written once: a page that is drawn anew asks for it again."""
        if not self._file:
            self._file = written(self.sheet, self.answers, self.failed)
        return self._file

    def step(self, ask: Ask) -> float:
        """One batch. Returns how many seconds the gateway wants to be left alone."""
        batch, end = self._batch()
        try:
            while batch:
                try:
                    answers = ask([values for _, values in batch])
                except Refused as error:
                    if not self._without_the_bad(batch, error):
                        raise
                else:
                    if len(answers) != len(batch):
                        raise GatewayDown
                    self.answers.update(zip((place for place, _ in batch), answers, strict=True))
                    batch = []
        except Refused as error:
            return self._refused(error, batch, end)
        except GatewayDown as error:
            self.fault = error
            return 0.0
        self.at, self._waits = end, 0
        return 0.0

    def _batch(self) -> tuple[list[tuple[int, Instance]], int]:
        """Rows to be sent, by their places, and where the next batch begins. Rows that cannot be sent fail
        here."""
        batch: list[tuple[int, Instance]] = []
        size = 0
        place = self.at
        while place < len(self.sheet.rows) and len(batch) < self._most:
            values, wrong = instance(self.sheet.rows[place], self.sheet.header, self.features)
            size += len(json.dumps(values))
            if batch and size > _MOST_BYTES:
                break
            if wrong:
                self.failed[place] = self.no_value(wrong)
            else:
                batch.append((place, values))
            place += 1
        return batch, place

    def _without_the_bad(self, batch: list[tuple[int, Instance]], error: Refused) -> bool:
        """Takes the row that the refusal names out of the batch; False where it names none."""
        named = (error.param or "").removeprefix(_PLACE)
        if error.status not in _INVALID or not (error.param or "").startswith(_PLACE) or not named.isdigit():
            return False
        if int(named) >= len(batch):
            return False
        place, _ = batch.pop(int(named))
        self.failed[place] = error.message
        return True

    def _refused(self, error: Refused, batch: list[tuple[int, Instance]], end: int) -> float:
        if error.status == _TOO_LARGE and len(batch) > 1:
            self._most = max(1, len(batch) // 2)
            return 0.0
        if error.status == _TOO_LARGE:
            self.failed[batch[0][0]] = error.message
            self.at = end
            return 0.0
        if error.status in _BUSY and self._waits < _MOST_WAITS:
            self._waits += 1
            return min(_LONGEST_WAIT_S, error.retry_after_s or 1.0)
        self.fault = error
        return 0.0
