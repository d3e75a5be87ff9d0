"""Registry and shelf are kept alike, whatever fails on the way: a scripted registry over a real store."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.adapters.database.model_mirror import DatabaseMirror
from gateway.adapters.database.model_rows import put
from gateway.training.facts import ColumnType, Feature, JobState, ModelVersion, Signature
from gateway.training.mirroring import Mirroring
from gateway.training.ports import RegistryUnavailable
from gateway.training.worker_ports import RegistryTask
from tests.gateway.training.conftest import Room
from tests.gateway.training.facts import NOW
from tests.gateway.training.fakes import MemoryWeights


def version(name: str, number: int, *, champion: bool = True, sha256: str = "") -> ModelVersion:
    sha256 = sha256 or hashlib.sha256(f"{name} {number}".encode()).hexdigest()
    signature = Signature((Feature("amount", ColumnType.NUMBER),), "fraud", (0, 1))
    return ModelVersion(name, number, NOW, sha256, signature, {}, None, champion)


TWO_OF_EACH = [version(name, number, champion=number == 2) for name in ("a", "b") for number in (1, 2)]


class ScriptedRegistry:
    """What a registry has, and what it is told; names in `broken` cannot be told of, like a row that a
    person damaged."""

    def __init__(self, *kept: ModelVersion) -> None:
        self.kept = [*kept]
        self.faults = 0
        self.told: list[tuple[str, str, int]] = []
        self.broken: set[str] = set()
        self.meanwhile: Callable[[], Awaitable[Any]] | None = None  # happens while it is told
        self.down = False

    async def register(self, *_: object) -> ModelVersion:
        raise NotImplementedError

    async def registered(self, job_id: str) -> ModelVersion | None:
        raise NotImplementedError

    async def versions(self) -> list[tuple[ModelVersion, str]]:
        if self.down:
            raise RegistryUnavailable("The registry does not answer.")
        return [(one, "there") for one in self.kept]

    async def weights(self, name: str, version: int) -> bytes:
        return b"onnx"

    async def tell(self, task: RegistryTask) -> None:
        self.told.append((task.kind, task.name, task.version))
        if self.meanwhile is not None:
            await self.meanwhile()
        if task.name in self.broken:
            raise RegistryUnavailable("The registry's tool failed.")
        if task.kind == "delete":
            self.kept = [one for one in self.kept if (one.name, one.version) != (task.name, task.version)]

    def heard(self) -> list[tuple[str, str, int]]:
        """Since it was asked last."""
        heard, self.told = self.told, []
        return heard


class Watch:
    """A worker's mirroring, with all that it touches."""

    def __init__(self, room: Room, *kept: ModelVersion, patience_s: float = 30.0, known_s: float = 600.0):
        self.room = room
        self.registry = ScriptedRegistry(*kept)
        self.weights = MemoryWeights()
        self.mirror = DatabaseMirror(room.database, "me")
        self.mirroring = Mirroring(
            self.mirror, self.registry, self.weights, patience_s=patience_s, known_s=known_s
        )

    async def step(self) -> list[tuple[str, str, int]]:
        """Returns what the registry was told."""
        await self.mirroring.step()
        return self.registry.heard()

    async def waiting(self) -> list[tuple[str, str]]:
        return [(task.kind, task.name) for task in await self.mirror.tasks()]


async def test_a_task_that_cannot_be_told_holds_up_its_own_name_only(room: Room) -> None:
    watch = Watch(room, *TWO_OF_EACH)
    await watch.step()
    watch.registry.broken = {"a"}
    await room.models.delete("a", 2)  # and 1 is promoted
    await room.models.promote("b", 1)
    watch.registry.kept.append(version("new", 1))

    assert await watch.step() == [("delete", "a", 2), ("promote", "b", 1)]
    assert await watch.waiting() == [("delete", "a"), ("promote", "a")]
    assert watch.mirroring.registry_state == "up, models that it cannot be told of: 1"
    assert (await room.models.get("new", 1)).version == 1
    assert [one.version for one in await room.models.versions("a")] == [1]  # as it was decided here

    watch.registry.broken = set()
    assert await watch.step() == [("delete", "a", 2), ("promote", "a", 1)]
    assert watch.mirroring.registry_state == "up"
    assert await watch.waiting() == []


async def test_a_registry_that_takes_long_to_fail_is_told_of_one_name_in_a_round_and_of_each_in_its_turn(
    room: Room,
) -> None:
    watch = Watch(room, *TWO_OF_EACH, patience_s=0.0)
    await watch.step()
    watch.registry.broken = {"a", "b"}
    for name in ("a", "b"):
        await room.models.promote(name, 1)

    assert [await watch.step() for _ in range(3)] == [
        [("promote", "a", 1)],
        [("promote", "b", 1)],
        [("promote", "a", 1)],
    ]


async def test_weights_that_a_new_version_has_meanwhile_are_kept(room: Room) -> None:
    watch = Watch(room, version("a", 1))
    await watch.step()
    (sha256,) = watch.weights.kept
    await room.models.delete("a", 1)

    async def trained() -> None:
        twin = version("b", 1, sha256=sha256)
        watch.registry.kept.append(twin)
        await room.database.write(lambda connection: put(connection, twin, promoted=True))

    watch.registry.meanwhile = trained
    assert await watch.step() == [("delete", "a", 1)]
    assert watch.weights.removed == []
    assert await watch.waiting() == []


async def test_weights_that_a_model_being_registered_may_have_wait_for_its_end(room: Room) -> None:
    watch = Watch(room, version("a", 1))
    await watch.step()
    (sha256,) = watch.weights.kept
    job = await room.start()
    await room.models.delete("a", 1)

    async def registering() -> None:
        await room.queue.lease("worker", 1, 30.0, 3)
        await room.queue.report(job.id, "worker", "registering", 0.97, "The model is being registered.")

    watch.registry.meanwhile = registering
    await watch.step()
    assert watch.weights.removed == []
    assert await watch.waiting() == [("delete", "a")]

    watch.registry.meanwhile = None
    await room.queue.end(job.id, "worker", JobState.FAILED, "unavailable", "The registry is down.")
    await watch.step()
    assert watch.weights.removed == [sha256]
    assert await watch.waiting() == []


async def test_weights_that_another_worker_took_away_come_back(room: Room) -> None:
    watch = Watch(room, *TWO_OF_EACH)
    await watch.step()
    before = set(watch.weights.kept)
    watch.weights.kept.clear()

    await watch.step()
    champions = {one.sha256 for one in TWO_OF_EACH if one.champion}
    assert set(watch.weights.kept) == champions  # what is served by itself is looked for in each round

    again = Watch(room, *TWO_OF_EACH, known_s=0.0)
    for _ in range(2):
        again.weights.kept.clear()
        await again.step()
        assert set(again.weights.kept) == before


async def test_a_worker_whose_round_came_to_nothing_leaves_it_to_the_next(room: Room) -> None:
    watch = Watch(room, *TWO_OF_EACH)
    await watch.step()
    await room.models.promote("a", 1)
    next_worker = DatabaseMirror(room.database, "next")

    watch.registry.down, watch.registry.broken = True, {"a"}
    await watch.step()
    assert watch.mirroring.registry_state == "The registry does not answer."
    assert len(await next_worker.tasks()) == 1
    await next_worker.leave()

    in_it = asyncio.Event()

    async def hangs() -> None:
        in_it.set()
        await asyncio.Event().wait()

    watch.registry.meanwhile = hangs
    stopped = asyncio.create_task(watch.step())
    async with asyncio.timeout(30):
        await in_it.wait()
    assert await next_worker.tasks() == []
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert len(await next_worker.tasks()) == 1
