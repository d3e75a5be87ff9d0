"""The worker's side of the models' shelf: what the registry is to be told, and what it says.

One worker at a time speaks with the registry of the shelf: two could tell it of two choices in the wrong
order, or take over what it said before the other told it. Its turn, a round, begins with tasks() and ends
with mirror(). What was changed here since the round began, the registry may not have been asked about.
"""

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
from gateway.training.ports import RegistryTask

_THE_REGISTRY = "registry"
_ROUND_S = 60.0  # a round that takes longer may be another worker's
_SETTLES_S = 120.0  # how long a registry may take to list what was registered


class DatabaseMirror:
    """Implements ModelMirror."""

    def __init__(self, database: Database, owner: str, round_s: float = _ROUND_S) -> None:
        self._database = database
        self._owner = owner
        self._round_s = round_s

    async def tasks(self) -> list[RegistryTask]:
        def tasks(connection: Connection) -> list[RegistryTask]:
            if not _begun(connection, self._owner, self._round_s):
                return []
            question = select(registry_tasks).order_by(registry_tasks.c.number)
            if _registering(connection):
                # The model may have the very weights that a deletion would take away.
                question = question.where(registry_tasks.c.kind != "delete")
            return [_task(connection, row) for row in connection.execute(question).all()]

        return await self._database.write(tasks)

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

        def mirror(connection: Connection) -> None:
            alone(connection, MODELS)
            now = clock(connection)
            this_round = select(registry_rounds.c.began_s).where(mine, registry_rounds.c.until_s > now)
            began_s = connection.scalar(this_round)
            if began_s is None:
                return
            for name in names:
                _make_alike(connection, name, by_name.get(name, []), began_s)
            connection.execute(update(registry_rounds).where(mine).values(until_s=0.0))

        await self._database.write(mirror)


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


def _task(connection: Connection, row: Any) -> RegistryTask:
    needed = select(model_versions.c.name).where(model_versions.c.sha256 == row.sha256).limit(1)
    keep = row.kind != "delete" or connection.scalar(needed) is not None
    return RegistryTask(row.number, row.kind, row.name, row.version, "" if keep else row.sha256)


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
