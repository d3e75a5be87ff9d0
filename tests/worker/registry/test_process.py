"""The registry's process: deadlines, deaths and what is left afterwards. ClearML's SDK on a stand-in."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from gateway.adapters.registry.places import ClearmlPlace
from gateway.adapters.registry.process import RegistryProcess, git_commit
from gateway.training.ports import RegistryUnavailable
from tests.worker.registry import trained
from tests.worker.registry.benches import PROJECT, ClearmlBench, bench

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClearmlBench]:
    with bench("clearml", tmp_path_factory.mktemp("clearml")) as running:
        assert isinstance(running, ClearmlBench)
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where processes have their folders."""
    with pytest.MonkeyPatch.context() as patch:
        made = tmp_path_factory.mktemp("folders")
        patch.setattr("tempfile.tempdir", str(made))
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(outside: ClearmlBench, folder: Path) -> AsyncIterator[RegistryProcess]:
    running = RegistryProcess(outside.place, PROJECT, 60)
    yield running
    await running.close()


async def test_a_call_past_its_deadline_costs_the_process_and_not_the_next_call(
    registry: RegistryProcess, outside: ClearmlBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registry.versions()
    stuck = registry.pid
    assert stuck is not None
    with outside.standin.holding(), monkeypatch.context() as patch:
        patch.setattr(registry, "_timeout_s", 0.2)  # its start has a time of its own
        with pytest.raises(RegistryUnavailable, match="in time"):
            await registry.versions()
        assert not psutil.pid_exists(stuck)
    assert await registry.versions() == []
    assert registry.pid != stuck


async def test_a_registration_that_was_cut_is_done_again_and_once(
    registry: RegistryProcess, outside: ClearmlBench, tmp_path: Path
) -> None:
    job, fitted = trained.job(1, "cut"), trained.fitted(tmp_path / "fit")
    with outside.standin.holding("models.add_or_update_metadata"):  # the weights are uploaded by then
        half = asyncio.create_task(registry.register(job, trained.data(), fitted))
        await asyncio.to_thread(outside.standin.waiting.wait, 30)
        assert registry.pid is not None
        os.kill(registry.pid, signal.SIGKILL)
        with pytest.raises(RegistryUnavailable):
            await half
    assert [version for version, _ in await registry.versions() if version.name == "cut"] == []
    assert registry.faults == 0
    assert await registry.registered(job.id) is None
    made = await registry.register(job, trained.data(), fitted)
    assert [version for version, _ in await registry.versions() if version.name == "cut"] == [made]
    assert outside.runs(job.id) == ["failed", "completed"]
    assert [row["name"] for row in outside.standin.rows["models"].values()] == ["cut"]


async def test_a_caller_who_leaves_takes_no_answer_from_the_next(
    registry: RegistryProcess, outside: ClearmlBench
) -> None:
    await registry.versions()
    with outside.standin.holding():
        left = asyncio.create_task(registry.registered("job_0"))
        await asyncio.to_thread(outside.standin.waiting.wait, 30)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
    assert isinstance(await registry.versions(), list)


async def test_a_server_that_is_down_is_told_without_anybodys_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = ClearmlPlace("http://127.0.0.1:9", "", "", "key", "sesame", str(tmp_path / "weights"))
    registry = RegistryProcess(place, PROJECT, 30)
    fitted = trained.fitted(tmp_path / "fit")
    with caplog.at_level(logging.DEBUG), pytest.raises(RegistryUnavailable) as caught:
        await registry.register(trained.job(1, "petrov"), trained.data(), fitted)
    await registry.close()
    assert "failed: LoginError" in caplog.text
    assert "clearml_registry.py" in caplog.text
    for words in ("petrov", "sesame", "127.0.0.1", str(tmp_path)):
        assert words not in f"{caught.value} {caplog.text}"


def inside(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_closed_registry_leaves_nothing_and_starts_nothing(
    registry: RegistryProcess, folder: Path
) -> None:
    """The last test of this one; processes of it were killed before."""
    await registry.versions()
    assert registry.pid is not None
    process = psutil.Process(registry.pid)
    assert len(inside(folder)) == 1
    await registry.close()
    assert not process.is_running()
    assert not inside(folder)
    with pytest.raises(RegistryUnavailable, match="closed"):
        await registry.versions()


PARENT = """
import asyncio, sys
from gateway.adapters.registry.places import ClearmlPlace
from gateway.adapters.registry.process import RegistryProcess

async def main():
    registry = RegistryProcess(ClearmlPlace(sys.argv[1], "", sys.argv[1], "key", "secret"), "p", 60)
    await registry.versions()
    print(registry.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_the_process_dies_with_a_worker_that_is_killed(outside: ClearmlBench) -> None:
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, outside.standin.url), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    child = psutil.Process(int(await worker.stdout.readline()))
    worker.kill()
    await worker.wait()
    await asyncio.to_thread(child.wait, 30)
    assert not child.is_running()


async def test_the_commit_is_this_repositorys_or_what_the_deployment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert len(git_commit()) == 40
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    assert git_commit("of the image") == "of the image"
