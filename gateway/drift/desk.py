"""Where people keep references and ask for comparisons. The work is the worker's; the store is between."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from math import isfinite

from gateway.domain import Caller
from gateway.drift.asks import checked_model
from gateway.drift.facts import DriftRun, ModelTraffic, Reference, Window
from gateway.drift.ports import DriftShelf, Reports
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.guards import may_train

_REFERENCE = re.compile(r"ref_[0-9a-f]{32}")
_RUN = re.compile(r"drift_[0-9a-f]{32}")
_MOST_ROWS = 5000  # of a reference
_MOST_REFERENCES = 20  # of a model: they are kept until somebody forgets them, 5 MB each with vectors
_REFERENCE_SPAN = timedelta(days=7)  # where nobody says
_LONGEST = timedelta(days=366)
_SKEW = timedelta(minutes=1)  # a caller's clock may be so much ahead


class DriftDesk:
    def __init__(self, shelf: DriftShelf, reports: Reports, window_h: float = 24.0) -> None:
        """`window_h`: of the traffic that is compared where nobody says."""
        self._shelf = shelf
        self._reports = reports
        self._window_h = window_h

    async def traffic(self, caller: Caller) -> list[ModelTraffic]:
        """Of every model that was seen or has a reference, by name. Raises Forbidden."""
        may_train(caller)
        return await self._shelf.traffic()

    async def keep(
        self, caller: Caller, model: str, since: datetime | None = None, until: datetime | None = None
    ) -> Reference:
        """Puts the model's observations of a window aside, 5,000 at most, as what later traffic is compared
        with. `since`: without one seven days before `until`; `until`: without one now. Raises Forbidden,
        InvalidRequest, NotFound where there is none, and Conflict where the model has twenty references."""
        may_train(caller)
        window = _window(since, until, datetime.now(UTC))
        reference = Reference(
            f"ref_{uuid.uuid4().hex}", checked_model(model), window, datetime.now(UTC), caller.key_id, 0
        )
        if len(await self._shelf.references(model, _MOST_REFERENCES)) >= _MOST_REFERENCES:
            raise Conflict(f"The model has {_MOST_REFERENCES} references: forget one first.", param="model")
        return await self._shelf.keep(reference, _MOST_ROWS)

    async def references(self, caller: Caller, model: str | None = None, limit: int = 20) -> list[Reference]:
        """Newest first; the newest of a model is the one that is compared with. Raises Forbidden,
        InvalidRequest."""
        may_train(caller)
        return await self._shelf.references(None if model is None else checked_model(model), limit)

    async def forget(self, caller: Caller, reference_id: str) -> None:
        """Deletes a reference with its observations. Raises Forbidden, NotFound, and Conflict while a
        comparison that is not over needs it."""
        may_train(caller)
        if not _REFERENCE.fullmatch(reference_id):
            raise NotFound("There is no reference of that id.", param="id")
        await self._shelf.forget(reference_id)

    async def ask(self, caller: Caller, model: str, window_h: float | None = None) -> DriftRun:
        """Queues a comparison of the model's last `window_h` hours with its newest reference, or gives the
        one that is queued already. Raises Forbidden, InvalidRequest, and Conflict without a reference."""
        may_train(caller)
        hours = self._window_h if window_h is None else window_h
        if not isfinite(hours) or not 0 < hours <= _LONGEST / timedelta(hours=1):
            raise InvalidRequest(
                "'window_hours' must be more than 0, and 8784 at most.", param="window_hours"
            )
        reference = await self._shelf.newest_reference(checked_model(model))
        if reference is None:
            raise Conflict("There is no reference of the model: keep one first.", param="model")
        now = datetime.now(UTC)
        window = Window(now - timedelta(hours=hours), now)
        run = DriftRun(f"drift_{uuid.uuid4().hex}", model, reference.id, window, now, caller.key_id)
        try:
            return await self._shelf.add(run)
        except NotFound:
            raise Conflict("The reference was deleted just now: ask again.", param="model") from None

    async def get(self, caller: Caller, run_id: str) -> DriftRun:
        """Raises Forbidden, NotFound."""
        may_train(caller)
        if not _RUN.fullmatch(run_id):
            raise NotFound("There is no comparison of that id.", param="id")
        return await self._shelf.get(run_id)

    async def find(
        self, caller: Caller, model: str | None = None, after: str | None = None, limit: int = 20
    ) -> list[DriftRun]:
        """A page of everybody's, newest first. Raises Forbidden, InvalidRequest."""
        may_train(caller)
        if after is not None and not _RUN.fullmatch(after):
            raise InvalidRequest("'after' must be the id of a comparison.", param="after")
        return await self._shelf.find(None if model is None else checked_model(model), after, limit)

    async def report(self, caller: Caller, run_id: str) -> bytes:
        """The run's report, HTML. Raises Forbidden, and NotFound while there is none."""
        run = await self.get(caller, run_id)
        if run.report is None:
            raise NotFound("The comparison has no report.", param="id")
        return await self._reports.get(run.report)


def _window(since: datetime | None, until: datetime | None, now: datetime) -> Window:
    """Raises InvalidRequest for one that is empty, too long, or not over."""
    if until is not None and until > now + _SKEW:
        raise InvalidRequest("'until' lies in the future.", param="until")
    end = min(until or now, now)
    begin = since or end - _REFERENCE_SPAN
    if begin >= end:
        raise InvalidRequest("'since' must be before 'until'.", param="since")
    if end - begin > _LONGEST:
        raise InvalidRequest("'since' must be 366 days before 'until' at most.", param="since")
    return Window(begin, end)
