"""The audit's rows are found by page, and go by age alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from gateway.adapters.database import audit as audit_module
from gateway.adapters.database.audit import DatabaseTrail
from gateway.adapters.database.database import Database
from gateway.adapters.database.tables import audit_outcomes
from gateway.audit import Action, AuditQuery, Entry
from gateway.errors import InvalidRequest, StoreUnavailable

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def trail(database: Database) -> DatabaseTrail:
    return DatabaseTrail(database)


def entry(number: int, key_id: str = "ann", action: Action = Action.MODEL_DELETE) -> Entry:
    """Two of each minute."""
    at = NOON + timedelta(minutes=number // 2)
    return Entry(f"audit_{number:032x}", at, key_id, action, f"model-{number}", None)


async def begun(trail: DatabaseTrail, entries: Sequence[Entry]) -> None:
    for one in entries:
        await trail.begin(one)


def numbers(found: Sequence[Entry]) -> list[int]:
    return [int(one.id.removeprefix("audit_"), 16) for one in found]


async def test_an_entry_is_kept_as_it_began_and_closed_once(trail: DatabaseTrail) -> None:
    await begun(trail, [entry(0), entry(1)])
    ended = NOON + timedelta(seconds=3)
    await trail.end(entry(0).id, ended, "done", "model-0@2")
    await trail.end(entry(1).id, ended, "conflict", None)
    second, first = await trail.find(AuditQuery())
    assert (first.object, first.outcome, first.ended_at) == ("model-0@2", "done", ended)
    assert (second.object, second.outcome, second.created_at) == ("model-1", "conflict", NOON)
    with pytest.raises(StoreUnavailable):
        await trail.end(entry(0).id, ended, "internal", None)
    assert (await trail.find(AuditQuery()))[1] == first


async def test_pages_are_newest_first_and_meet_nothing_twice(trail: DatabaseTrail) -> None:
    await begun(trail, [entry(number) for number in range(7)])
    pages = []
    after = None
    while page := await trail.find(AuditQuery(after=after, limit=3)):
        pages.append(numbers(page))
        after = page[-1].id
    assert pages == [[6, 5, 4], [3, 2, 1], [0]]
    with pytest.raises(InvalidRequest):
        await trail.find(AuditQuery(after="audit_nobodys"))


async def test_it_is_asked_by_who_what_and_since(trail: DatabaseTrail) -> None:
    await begun(trail, [entry(0), entry(1, "bob"), entry(2, action=Action.KEY_ADD), entry(4, "bob")])
    assert numbers(await trail.find(AuditQuery(key_id="bob"))) == [4, 1]
    assert numbers(await trail.find(AuditQuery(action=Action.KEY_ADD))) == [2]
    assert numbers(await trail.find(AuditQuery(since=NOON + timedelta(minutes=1)))) == [4, 2]
    assert numbers(await trail.find(AuditQuery(Action.MODEL_DELETE, "bob", NOON, limit=1))) == [4]


async def test_what_is_old_goes_with_its_outcome(
    trail: DatabaseTrail, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "_BATCH", 2)
    await begun(trail, [entry(number) for number in range(8)])
    for number in range(8):
        await trail.end(entry(number).id, NOON, "done", None)
    assert await trail.forget(NOON + timedelta(minutes=3)) == 6
    assert numbers(await trail.find(AuditQuery())) == [7, 6]
    counted = select(func.count()).select_from(audit_outcomes)
    assert await database.read(lambda connection: connection.scalar(counted)) == 2
