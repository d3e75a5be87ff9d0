"""The worker's side of the models' shelf: what the registry is to be told, and what it says.

One worker at a time speaks with the registry of the shelf: two could tell it of two choices in the wrong
order, or take over what it said before the other told it. Its turn, a round, begins with tasks() and ends
with mirror() or leave(). What was changed here since the round began, the registry may not have been asked
about.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, delete, or_, select, update

from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.locks import MODELS, alone
from gateway.adapters.database.model_rows import at, crown, rows_of, text_of, write
from gateway.adapters.database.rows import insert_into, inserted
from gateway.adapters.database.training_tables import (
    model_versions,
    registry_rounds,
    registry_tasks,
    training_jobs,
)
from gateway.training.facts import JobState, ModelVersion
from gateway.training.worker_ports import RegistryTask

log = logging.getLogger(__name__)

_THE_REGISTRY = "registry"
_ROUND_S = 60.0
_SETTLES_S = 120.0  # how long a registry may take to list what was registered


class DatabaseMirror:
    """Implements ModelMirror.

    `round_s`: a round that takes longer may become another worker's, and comes to nothing then: more than
    the registry's calls may take.
    """

    def __init__(self, database: Database, owner: str, round_s: float = _ROUND_S) -> None:
        self._database = database
        self._owner = owner
        self._round_s = round_s
        self._in_round = False

    async def tasks(self) -> list[RegistryTask]:
        def tasks(connection: Connection) -> list[RegistryTask] | None:
            if not _begun(connection, self._owner, self._round_s):
                return None
            question = select(registry_tasks).order_by(registry_tasks.c.number)
            return [_task(row) for row in connection.execute(question)]

        found = await self._database.write(tasks)
        self._in_round = found is not None
        return found or []

    async def needed(self, sha256: str) -> bool | None:
        version = select(model_versions.c.name).where(model_versions.c.sha256 == sha256)

        def needed(connection: Connection) -> bool | None:
            # In this order: a job that is over has put its version on the shelf.
            registering = _registering(connection)
            on_shelf = connection.scalar(version.limit(1)) is not None
            return on_shelf or (None if registering else False)

        return await self._database.read(needed)

    async def told(self, task: RegistryTask) -> None:
        done = delete(registry_tasks).where(registry_tasks.c.number == task.number)
        await self._database.write(lambda connection: connection.execute(done))

    async def mirror(self, versions: Sequence[ModelVersion]) -> None:
        # Mostly nothing has changed: then nobody waits.
        names = await self._database.read(lambda connection: _unlike(connection, versions))
        by_name: dict[str, list[ModelVersion]] = {}
        for one in versions:
            by_name.setdefault(one.name, []).append(one)
        mine = registry_rounds.c.owner == self._owner

        def mirror(connection: Connection) -> bool:
            alone(connection, MODELS)
            # Though its time be over: while nobody has begun another, it is this worker's.
            began_s = connection.scalar(select(registry_rounds.c.began_s).where(mine))
            if began_s is None:
                return False
            for name in names:
                _make_alike(connection, name, by_name.get(name, []), began_s)
            connection.execute(update(registry_rounds).where(mine).values(until_s=0.0))
            return True

        if not await self._database.write(mirror) and self._in_round:
            log.warning(
                "the registry's answers took over %s s and came to nothing: another worker is asking it",
                self._round_s,
            )

    async def leave(self) -> None:
        mine = registry_rounds.c.owner == self._owner
        over = update(registry_rounds).where(mine).values(until_s=0.0)
        await self._database.write(lambda connection: connection.execute(over))


def _begun(connection: Connection, owner: str, round_s: float) -> bool:
    """Whether the next round is the owner's. A round that it has not ended, because the registry did not
    answer, goes on until its time is over: then another worker may have better luck."""
    now = clock(connection)
    row = {"registry": _THE_REGISTRY, "owner": owner, "began_s": now, "until_s": now + round_s}
    goes_on = (registry_rounds.c.owner == owner) & (registry_rounds.c.until_s > now)
    new = insert_into(connection, registry_rounds).values(**row)
    until_s = case((goes_on, registry_rounds.c.until_s), else_=now + round_s)
    taken = new.on_conflict_do_update(
        index_elements=[registry_rounds.c.registry],
        set_={"owner": owner, "began_s": now, "until_s": until_s},
        where=or_(registry_rounds.c.owner == owner, registry_rounds.c.until_s <= now),
    )
    return inserted(connection, taken)


def _registering(connection: Connection) -> bool:
    question = select(training_jobs.c.id).where(
        training_jobs.c.state == JobState.RUNNING.value, training_jobs.c.stage == "registering"
    )
    return connection.scalar(question.limit(1)) is not None


def _task(row: Any) -> RegistryTask:
    return RegistryTask(row.number, row.kind, row.name, row.version, row.sha256)


def _champions(versions: Sequence[ModelVersion]) -> dict[str, int]:
    """By name. A registry's labels may be on more than one version: the newest of them counts."""
    chosen = sorted((one.version, one.name) for one in versions if one.champion)
    return {name: version for version, name in chosen}


def _unlike(connection: Connection, versions: Sequence[ModelVersion]) -> list[str]:
    """Names of which registry and shelf do not say the same."""
    champions = _champions(versions)
    there = {(row.name, row.version): (row.model, bool(row.champion)) for row in rows_of(connection)}
    wanted = {
        (one.name, one.version): (text_of(one), champions.get(one.name) == one.version) for one in versions
    }
    places = there.keys() | wanted.keys()
    return sorted({place[0] for place in places if there.get(place) != wanted.get(place)})


def _make_alike(connection: Connection, name: str, versions: Sequence[ModelVersion], began_s: float) -> None:
    """The shelf of one name as the registry has it, unless the shelf is newer."""
    rows = rows_of(connection, model_versions.c.name == name)
    there: Mapping[int, Any] = {row.version: row for row in rows}
    missing = there.keys() - {one.version for one in versions}
    newer = [row for row in rows if row.changed_s > began_s]
    unlisted = [there[one] for one in missing if there[one].changed_s > began_s - _SETTLES_S]
    open_tasks = select(registry_tasks.c.number).where(registry_tasks.c.name == name).limit(1)
    if newer or unlisted or connection.scalar(open_tasks) is not None:
        return
    for version in missing:
        connection.execute(delete(model_versions).where(at(name, version)))
    for one in versions:
        if one.version not in there or there[one.version].model != text_of(one):
            write(connection, one, 0.0)
    crown(connection, name, _champions(versions).get(name), 0.0)
