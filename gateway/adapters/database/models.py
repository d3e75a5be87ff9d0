"""Versions of trained models: the shelf that prediction reads."""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, select

from gateway.adapters.database.codec import MODEL
from gateway.adapters.database.database import Database
from gateway.adapters.database.ledger import clock
from gateway.adapters.database.locks import MODELS, alone
from gateway.adapters.database.model_rows import at, crown, model_of, rows_of, task
from gateway.adapters.database.training_tables import model_versions, training_jobs
from gateway.errors import Conflict, ModelNotFound
from gateway.training.facts import JobState, ModelVersion

_OPEN = training_jobs.c.state.in_([state.value for state in JobState if not state.over])


class DatabaseModels:
    """Implements ModelShelf."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Of the last look at the champions, by their JSON: they are asked for every few seconds, and reading
        # one of 1,000 features takes 1 ms.
        self._read: dict[str, ModelVersion] = {}

    async def champions(self) -> list[ModelVersion]:
        question = select(model_versions.c.model).where(model_versions.c.champion)
        question = question.order_by(model_versions.c.name)
        before = self._read

        def champions(connection: Connection) -> dict[str, ModelVersion]:
            texts = connection.scalars(question).all()
            return {text: before.get(text) or _champion(text) for text in texts}

        self._read = await self._database.read(champions)
        return list(self._read.values())

    async def versions(self, name: str) -> list[ModelVersion]:
        def versions(connection: Connection) -> list[ModelVersion]:
            return [model_of(row) for row in rows_of(connection, model_versions.c.name == name)]

        found = await self._database.read(versions)
        if not found:
            raise _none()
        return found

    async def get(self, name: str, version: int | None = None) -> ModelVersion:
        which = and_(model_versions.c.name == name, model_versions.c.champion)
        if version is not None:
            which = at(name, version)
        return await self._database.read(lambda connection: model_of(_one(connection, which)))

    async def promote(self, name: str, version: int) -> ModelVersion:
        def promote(connection: Connection) -> ModelVersion:
            alone(connection, MODELS)
            task(connection, "promote", _one(connection, at(name, version)))
            crown(connection, name, version, clock(connection))
            return model_of(_one(connection, at(name, version)))

        return await self._database.write(promote)

    async def delete(self, name: str, version: int | None) -> None:
        def forget(connection: Connection) -> None:
            alone(connection, MODELS)
            rows = rows_of(connection, model_versions.c.name == name)
            going = [row for row in rows if version in (None, row.version)]
            if not going:
                raise _none()
            under_way = select(training_jobs.c.id).where(training_jobs.c.model == name, _OPEN)
            if connection.scalar(under_way.limit(1)) is not None:
                raise Conflict("A training job of this model is not over.")
            for row in going:
                task(connection, "delete", row)
                connection.execute(delete(model_versions).where(at(name, row.version)))
            left = [row for row in rows if row not in going]
            if left and any(row.champion for row in going):
                task(connection, "promote", left[0])
                crown(connection, name, left[0].version, clock(connection))

        await self._database.write(forget)


def _champion(text: str) -> ModelVersion:
    return replace(MODEL.decode(text), champion=True)


def _one(connection: Connection, which: ColumnElement[bool]) -> Any:
    row = connection.execute(select(model_versions).where(which)).first()
    if row is None:
        raise _none()
    return row


def _none() -> ModelNotFound:
    return ModelNotFound("There is no trained model of that name and version.", param="name")
