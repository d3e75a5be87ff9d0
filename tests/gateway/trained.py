"""Trained models as the tests of prediction need them: the small files, and shelves in memory."""

import asyncio
import hashlib
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.adapters.onnx_models import load
from gateway.errors import ModelNotFound, ModelUnavailable, StoreUnavailable
from gateway.training.facts import ModelVersion

FOLDER = Path(__file__).parent / "models"


def content(name: str) -> bytes:
    return (FOLDER / f"{name}.onnx").read_bytes()


def sha256(name: str) -> str:
    return hashlib.sha256(content(name)).hexdigest()


def version_of(file: str, threads: Executor, name: str = "payments", number: int = 1) -> ModelVersion:
    """A champion whose weights are that file."""
    model = load(content(file), threads)
    now = datetime(2026, 11, 21, tzinfo=UTC)
    return ModelVersion(name, number, now, model.sha256, model.signature, {}, None, champion=True)


class MemoryShelf:
    """The champions' side of ModelShelf; the other half is not asked by prediction."""

    def __init__(self, *champions: ModelVersion) -> None:
        self.known = {(one.name, one.version): one for one in champions}
        self.down = False

    def put(self, model: ModelVersion) -> None:
        """The champion from now on."""
        for key, one in self.known.items():
            if one.name == model.name:
                self.known[key] = replace(one, champion=False)
        self.known[model.name, model.version] = model

    async def champions(self) -> list[ModelVersion]:
        return [one for one in await self._all() if one.champion]

    async def versions(self, name: str) -> list[ModelVersion]:
        return [one for one in await self._all() if one.name == name]

    async def get(self, name: str, version: int | None = None) -> ModelVersion:
        for one in await self._all():
            if one.name == name and (one.champion if version is None else one.version == version):
                return one
        raise ModelNotFound("There is no trained model of that name.", param="name")

    async def promote(self, name: str, version: int) -> ModelVersion:
        raise NotImplementedError

    async def delete(self, name: str, version: int | None) -> None:
        self.known = {
            key: one for key, one in self.known.items() if key[0] != name or version not in (None, key[1])
        }

    async def _all(self) -> list[ModelVersion]:
        if self.down:
            raise StoreUnavailable("The store did not answer in time.")
        return list(self.known.values())


class MemoryWeights:
    """Weights of the small files, by their hashes; `held` lets none out until it is set."""

    def __init__(self, *files: str) -> None:
        self.kept = {sha256(file): content(file) for file in files}
        self.asked: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

    async def has(self, sha256: str) -> bool:
        return sha256 in self.kept

    async def put(self, sha256: str, data: bytes) -> None:
        self.kept[sha256] = data

    async def get(self, sha256: str) -> bytes:
        self.asked.append(sha256)
        await self.held.wait()
        if sha256 not in self.kept:
            raise ModelUnavailable("The model's weights are not where they were put.")
        return self.kept[sha256]

    async def delete(self, sha256: str) -> None:
        self.kept.pop(sha256, None)
