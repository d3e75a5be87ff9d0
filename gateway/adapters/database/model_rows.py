"""Rows of models' versions: how they are read, and how the champion moves.

Whoever changes them holds the lock MODELS: at most one version of a name is the champion, and two who moved
it at once would both fail at the index that sees to it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from gateway.adapters.database.codec import MODEL
from gateway.adapters.database.job_rows import finite
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.rows import insert_into
from gateway.adapters.database.training_tables import model_versions, registry_tasks
from gateway.training.facts import ModelVersion


def model_of(row: Any) -> ModelVersion:
    """Raises StoreUnavailable when it cannot be read."""
    return replace(MODEL.decode(row.model), champion=row.champion)


def text_of(version: ModelVersion) -> str:
    """The same for equal versions, whether they are champions or not."""
    return MODEL.encode(replace(version, champion=False, metrics=finite(version.metrics)))


def at(name: str, version: int) -> ColumnElement[bool]:
    return and_(model_versions.c.name == name, model_versions.c.version == version)


def write(connection: Connection, version: ModelVersion, changed_s: ColumnElement[float] | float) -> None:
    """As it is now, whether it was there or not, but for the champion."""
    content = {"sha256": version.sha256, "changed_s": changed_s, "model": text_of(version)}
    place = {"name": version.name, "version": version.version, "champion": False}
    new = insert_into(connection, model_versions).values(**place, **content)
    key = [model_versions.c.name, model_versions.c.version]
    connection.execute(new.on_conflict_do_update(index_elements=key, set_=content))


def crown(
    connection: Connection, name: str, version: int | None, changed_s: ColumnElement[float] | float
) -> None:
    """That version is the champion of its name; None: no version is."""
    of_name = update(model_versions).where(model_versions.c.name == name)
    before = of_name.where(model_versions.c.champion)
    connection.execute(before.values(champion=False, changed_s=changed_s))
    if version is not None:
        after = of_name.where(model_versions.c.version == version)
        connection.execute(after.values(champion=True, changed_s=changed_s))


def put(connection: Connection, made: ModelVersion, *, promoted: bool) -> None:
    """A version that was just registered. It does not become the champion where a newer one is already, or
    where somebody has chosen one since: the registry is about to hear of it."""
    now = clock(connection)
    write(connection, made, now)
    if not promoted:
        return
    champions = select(model_versions.c.version).where(
        model_versions.c.name == made.name, model_versions.c.champion
    )
    champion = connection.scalar(champions)
    chosen = select(registry_tasks.c.number).where(
        registry_tasks.c.name == made.name, registry_tasks.c.kind == "promote"
    )
    if (champion or 0) < made.version and connection.scalar(chosen.limit(1)) is None:
        crown(connection, made.name, made.version, now)


def task(connection: Connection, kind: str, version: Any) -> None:
    """What the registry is to be told of a version's row. What it was to be told before, and what that makes
    pointless, it need not hear."""
    moot = registry_tasks.c.kind == "promote"
    if kind == "delete":
        moot = and_(moot, registry_tasks.c.version == version.version)
    connection.execute(delete(registry_tasks).where(registry_tasks.c.name == version.name, moot))
    row = {"kind": kind, "name": version.name, "version": version.version, "sha256": version.sha256}
    connection.execute(insert(registry_tasks), row)


def rows_of(connection: Connection, *which: ColumnElement[bool]) -> Sequence[Any]:
    """Newest first within a name."""
    question = select(model_versions).where(*which)
    newest_first = question.order_by(model_versions.c.name, model_versions.c.version.desc())
    return connection.execute(newest_first).all()
