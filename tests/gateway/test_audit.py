"""What is changed is written down before it is done, and closed with what came of it."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit import Action, Audit, AuditQuery, Entry, spelled
from gateway.domain import Caller, Role
from gateway.errors import Conflict, Forbidden, StoreUnavailable


class FakeTrail:
    """Entries in memory; `down` names the calls that fail."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.begun: list[Entry] = []
        self.ended: list[tuple[str, str, str | None]] = []
        self.forgotten: list[datetime] = []
        self.swept = asyncio.Event()

    def _answers(self, call: str) -> None:
        if call in self.down:
            raise StoreUnavailable("The store is not available.")

    async def begin(self, entry: Entry) -> None:
        self._answers("begin")
        self.begun.append(entry)

    async def end(self, entry_id: str, ended_at: datetime, outcome: str, what: str | None) -> None:
        self._answers("end")
        self.ended.append((entry_id, outcome, what))

    async def find(self, query: AuditQuery) -> list[Entry]:
        return self.begun[: query.limit]

    async def forget(self, before: datetime) -> int:
        self.forgotten.append(before)
        self.swept.set()
        self._answers("forget")
        return 0


async def test_it_is_written_down_before_and_closed_after() -> None:
    trail = FakeTrail()
    async with Audit(trail).recorded("ann", Action.MODEL_PROMOTE, "fraud", "4f") as deed:
        (entry,) = trail.begun
        assert (entry.key_id, entry.action, entry.object, entry.request_id) == (
            "ann",
            Action.MODEL_PROMOTE,
            "fraud",
            "4f",
        )
        assert trail.ended == []
        deed.made("fraud@2")
    assert trail.ended == [(entry.id, "done", "fraud@2")]


async def test_what_cannot_be_written_down_is_not_done() -> None:
    with pytest.raises(StoreUnavailable):
        async with Audit(FakeTrail("begin")).recorded("ann", Action.MODEL_DELETE, "fraud"):
            pytest.fail("it was done")


async def _refused() -> None:
    raise Conflict("There is one already.")


async def _failed() -> None:
    raise RuntimeError


async def _left() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("act", "error", "outcome"),
    [
        (_refused, Conflict, "conflict"),
        (_failed, RuntimeError, "internal"),
        (_left, asyncio.CancelledError, "cancelled"),
    ],
)
async def test_what_failed_says_how(
    act: Callable[[], object], error: type[BaseException], outcome: str
) -> None:
    trail = FakeTrail()
    with pytest.raises(error):
        async with Audit(trail).recorded("ann", Action.RUBRIC_ADD):
            await act()  # type: ignore[misc]
    assert trail.ended == [(trail.begun[0].id, outcome, None)]


async def test_a_store_that_goes_away_meanwhile_takes_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    trail = FakeTrail("end")
    with caplog.at_level(logging.ERROR):
        async with Audit(trail).recorded("ann", Action.MODEL_DELETE, "fraud"):
            pass
    assert trail.begun[0].id in caplog.text


async def test_only_admins_read_it() -> None:
    audit = Audit(FakeTrail())
    assert await audit.find(Caller("boss", Role.ADMIN, 1), AuditQuery()) == []
    for role in (Role.TRAINER, Role.GRADER, Role.METRICS):
        with pytest.raises(Forbidden):
            await audit.find(Caller("ann", role, 1), AuditQuery())


async def test_what_is_old_is_forgotten_whether_the_store_is_there_or_not() -> None:
    trail = FakeTrail("forget")
    audit = Audit(trail, 30)
    audit.start()
    async with asyncio.timeout(30):
        await trail.swept.wait()
    await audit.close()
    assert abs(trail.forgotten[0] - (datetime.now(UTC) - timedelta(days=30))) < timedelta(minutes=1)


def test_what_somebody_typed_instead_of_a_name_is_kept_as_a_hash() -> None:
    for name in ("payments@3", "job_0a", "grading.v1-x", None):
        assert spelled(name) == name
    assert spelled("") is None
    hidden = [
        spelled(text) for text in ("Anna Ivanova", "a/b", "\u0418\u0432\u0430\u043d", "x" * 201, "\ud800")
    ]
    assert all(told and told.startswith("sha256:") and len(told) == 23 for told in hidden)
    assert len(set(hidden)) == len(hidden)
