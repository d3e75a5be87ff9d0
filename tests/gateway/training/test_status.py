"""What the status page tells of training, whatever is down."""

import asyncio

import pytest

from gateway.adapters.database.workers_roll import DatabaseRoll
from gateway.errors import ModelUnavailable, StoreUnavailable
from gateway.training import status as module
from gateway.training.ports import Backlog, WorkerFacts
from gateway.training.status import TrainingStatus
from tests.gateway.training.conftest import Room
from tests.gateway.training.fakes import MemoryRoll

BACKLOG = Backlog(queued=2, running=1, datasets_due=3, pushes_failing=1, registry_tasks=0)


async def up() -> None:
    return


async def down() -> None:
    raise ModelUnavailable("s3://secret.example/models does not answer.")


def worker(name: str, **stores: str) -> WorkerFacts:
    return WorkerFacts(name, "local", 2, 1, stores)


async def test_everything_up_is_told() -> None:
    roll = MemoryRoll(BACKLOG, [worker("w1", registry="up", dataset_remote="off", models="up")])
    assert await TrainingStatus(roll, {"datasets": up, "models": up}).facts() == {
        "jobs": {"queued": 2, "running": 1},
        "workers": [
            {
                "id": "w1",
                "engine": "local",
                "capacity": 2,
                "running": 1,
                "stores": {"registry": "up", "dataset_remote": "off", "models": "up"},
            }
        ],
        "stores": {
            "database": "up",
            "datasets": "up",
            "models": "up",
            "registry": "up",
            "dataset_remote": "off",
        },
        "datasets_due": 3,
        "pushes_failing": 1,
        "registry_tasks": 0,
    }


async def test_what_waits_in_the_store_is_counted(room: Room) -> None:
    roll = DatabaseRoll(room.database, remote=True)
    await roll.report(worker("w1", registry="up", dataset_remote="up"))
    for _ in range(3):
        await room.start()
    await room.queue.lease("w1", 1, 30.0, 3)
    facts = await TrainingStatus(roll, {}).facts()
    assert (facts["jobs"], facts["datasets_due"]) == ({"queued": 2, "running": 1}, 2)
    assert facts["stores"] == {"database": "up", "registry": "up", "dataset_remote": "up"}
    assert facts["workers"] == [
        {
            "id": "w1",
            "engine": "local",
            "capacity": 2,
            "running": 1,
            "stores": {"registry": "up", "dataset_remote": "up"},
        }
    ]


async def test_a_store_that_is_down_is_told_without_its_address() -> None:
    facts = await TrainingStatus(MemoryRoll(BACKLOG), {"datasets": up, "models": down}).facts()
    assert facts["stores"] == {
        "database": "up",
        "datasets": "up",
        "models": "down",
        "registry": "unknown: no worker reports",
        "dataset_remote": "unknown: no worker reports",
    }
    assert "secret" not in str(facts)


async def test_a_store_that_one_worker_cannot_reach_is_not_up() -> None:
    trouble = "The registry does not answer."
    workers = [worker("a", registry="up"), worker("b", registry=trouble), worker("c", registry="up")]
    facts = await TrainingStatus(MemoryRoll(BACKLOG, workers), {}).facts()
    assert facts["stores"] == {
        "database": "up",
        "registry": trouble,
        "dataset_remote": "unknown: no worker reports",
    }


async def test_without_a_store_the_rest_is_told() -> None:
    facts = await TrainingStatus(MemoryRoll(None), {"models": up}).facts()
    assert (facts["jobs"], facts["workers"], facts["datasets_due"]) == (None, [], None)
    assert facts["stores"] == {
        "database": "down",
        "models": "up",
        "registry": "unknown: no worker reports",
        "dataset_remote": "unknown: no worker reports",
    }


async def test_the_store_is_asked_once_however_many_ask() -> None:
    roll = MemoryRoll(BACKLOG)
    status = TrainingStatus(roll, {})
    await asyncio.gather(*(status.facts() for _ in range(50)))
    await status.facts()
    assert roll.asked == 1


async def test_a_probe_that_hangs_is_given_up_and_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs may hold a thread: one, however often the page is asked for."""
    monkeypatch.setattr(module, "_PROBE_S", 0.05)
    monkeypatch.setattr(module, "_FRESH_S", 0.0)
    began, lets_go = [], asyncio.Event()

    async def hangs() -> None:
        began.append(True)
        await lets_go.wait()

    status = TrainingStatus(MemoryRoll(BACKLOG), {"models": hangs})

    async def told() -> object:
        return (await status.facts())["stores"]["models"]  # type: ignore[index]

    async with asyncio.timeout(30):
        assert [await told() for _ in range(3)] == ["down"] * 3
        assert len(began) == 1
        lets_go.set()
        await asyncio.sleep(0)
        assert await told() == "up"
    await status.close()


async def test_closing_ends_a_probe_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROBE_S", 0.05)
    ended = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    status = TrainingStatus(MemoryRoll(BACKLOG), {"models": hangs})
    async with asyncio.timeout(30):
        await status.facts()
        await status.close()
    assert ended.is_set()


async def test_workers_that_cannot_be_read_do_not_take_the_store_down() -> None:
    class Garbled(MemoryRoll):
        async def alive(self, within_s: float) -> list[WorkerFacts]:
            raise StoreUnavailable("A kept record cannot be read by this version of the gateway.")

    facts = await TrainingStatus(Garbled(BACKLOG), {}).facts()
    assert (facts["jobs"], facts["workers"]) == ({"queued": 2, "running": 1}, [])
    assert facts["stores"]["database"] == "up"  # type: ignore[index]
