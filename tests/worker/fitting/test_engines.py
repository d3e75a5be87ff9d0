"""Both engines keep the same promises, whatever happens to the processes that do the work."""

import asyncio
import hashlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from gateway.adapters.fitting import local
from gateway.adapters.fitting.local import LocalEngine
from gateway.adapters.fitting.ray_engine import RayEngine
from gateway.training.ports import FitFailed, Fitted, Progress, WorkerLost
from tests.worker.fitting.tables import table, work

pytestmark = pytest.mark.timeout(240)

Engines = Callable[..., Any]
FOREST = {"n_estimators": 1000}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Any:
    """Two CPUs, once for the module."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(params=[LocalEngine, RayEngine])
async def engines(request: pytest.FixtureRequest) -> AsyncIterator[Engines]:
    """Makes an engine and closes it."""
    made = []

    def make(**options: float) -> Any:
        made.append(request.param(**{"workers": 2, "timeout_s": 120.0, **options}))
        return made[-1]

    yield make
    for one in made:
        await one.close()
    assert await gone(fits)


def fits() -> list[psutil.Process]:
    """The processes that fit for us, directly or by way of Ray's."""
    found = []
    for one in psutil.Process().children(recursive=True):
        try:
            if any("fitting.process" in word for word in one.cmdline()):
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


def rank(process: psutil.Process) -> str:
    """Among those that the kernel kills when it has no memory left; 1000 is the first of all."""
    return Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip()


async def gone(those: Callable[[], list[Any]]) -> bool:
    for _ in range(600):
        if not those():
            return True
        await asyncio.sleep(0.05)
    return False


async def begun(engine: Any, one: Any) -> Any:
    """Its iterator, when its process has started. The fit would take a minute."""
    told = engine.run(one)
    assert (await anext(told)).stage == "preparing"
    return told


async def test_a_fit_says_how_far_it_is_and_ends_with_its_files(engines: Engines, tmp_path: Path) -> None:
    told = [one async for one in engines().run(work(tmp_path, "random_forest"))]
    *progress, fitted = told
    assert all(isinstance(one, Progress) for one in progress)
    assert list(dict.fromkeys(one.stage for one in progress)) == [
        "preparing", "fitting", "evaluating", "exporting",
    ]  # fmt: skip
    assert all(re.fullmatch(r"[A-Z].*\.", one.message) for one in progress)
    shares = [one.share for one in progress]
    assert shares == sorted(round(share, 3) for share in shares)
    assert len(set(shares)) > 15
    assert isinstance(fitted, Fitted)
    assert fitted.folder == tmp_path / "made"
    assert hashlib.sha256((fitted.folder / "model.onnx").read_bytes()).hexdigest() == fitted.sha256
    assert {"model.onnx", "model.skops", "report.json", "confusion.png", "roc.png"} <= {
        file.name for file in fitted.folder.iterdir()
    }
    assert fitted.signature.labels == (0, 1)
    assert fitted.metrics["accuracy"] > 0.75
    assert fitted.parameters["n_estimators"] == 100


async def test_a_fit_that_needs_more_memory_than_it_may_take_has_failed(tmp_path: Path) -> None:
    """A tree of 80,000 nodes that say 100 shares each."""
    data = table(50_000).with_columns(label=pl.int_range(50_000) % 100)
    with pytest.raises(FitFailed) as failed:
        [
            _
            async for _ in LocalEngine(1, 120.0, memory_mb=400).run(
                work(tmp_path, "decision_tree", data=data)
            )
        ]
    assert failed.value.code == "too_large"


async def test_the_memory_of_a_fit_is_bounded_and_the_first_that_the_kernel_takes(
    engines: Engines, tmp_path: Path
) -> None:
    engine = engines(memory_mb=2048)
    async with aclosing(await begun(engine, work(tmp_path, "random_forest", FOREST, table(5000)))):
        (process,) = fits()
        assert process.rlimit(psutil.RLIMIT_DATA) == (2 << 30, 2 << 30)
        assert rank(process) == "1000"


@pytest.mark.parametrize(("death", "kills"), [(signal.SIGKILL, 1), (signal.SIGABRT, 0)])
async def test_a_process_that_dies_for_want_of_memory_is_not_begun_again(
    death: signal.Signals, kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = tmp_path / "vmstat"
    kernel.write_text("pgfault 7\noom_kill 0\n")
    monkeypatch.setattr(local, "_KERNEL", kernel)
    one = work(tmp_path, "random_forest", FOREST, table(5000))
    async with aclosing(await begun(LocalEngine(1, 120.0), one)) as told:
        (process,) = fits()
        kernel.write_text(f"pgfault 9\noom_kill {kills}\n")
        process.send_signal(death)
        with pytest.raises(FitFailed) as failed:
            [_ async for _ in told]
    assert failed.value.code == "too_large"


async def test_a_fit_that_takes_too_long_is_killed(engines: Engines, tmp_path: Path) -> None:
    one = work(tmp_path, "random_forest", FOREST, table(5000))
    with pytest.raises(FitFailed) as failed:
        [_ async for _ in engines(timeout_s=1.0).run(one)]
    assert failed.value.code == "timeout"


async def test_a_killed_process_is_a_lost_worker(engines: Engines, tmp_path: Path) -> None:
    async with aclosing(await begun(engines(), work(tmp_path, "random_forest", FOREST, table(5000)))) as told:
        (process,) = fits()
        process.kill()
        with pytest.raises(WorkerLost):
            [_ async for _ in told]


async def test_a_silent_process_is_a_lost_worker(tmp_path: Path) -> None:
    engine = LocalEngine(1, 120.0, silence_s=5.0)
    async with aclosing(await begun(engine, work(tmp_path, "random_forest", FOREST, table(5000)))) as told:
        (process,) = fits()
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(WorkerLost):
            [_ async for _ in told]


async def test_closing_the_iterator_kills_the_work(engines: Engines, tmp_path: Path) -> None:
    told = await begun(engines(), work(tmp_path, "random_forest", FOREST, table(5000)))
    await told.aclose()
    assert await gone(fits)


async def test_closing_the_engine_kills_the_work(engines: Engines, tmp_path: Path) -> None:
    engine = engines()
    async with aclosing(await begun(engine, work(tmp_path, "random_forest", FOREST, table(5000)))) as told:
        await engine.close()
        assert await gone(fits)
        with pytest.raises(WorkerLost):
            [_ async for _ in told]


async def test_no_more_fits_run_than_there_are_places(engines: Engines, tmp_path: Path) -> None:
    engine = engines(workers=1)
    first = await begun(engine, work(tmp_path / "1", "random_forest", FOREST, table(5000)))
    async with aclosing(engine.run(work(tmp_path / "2"))) as waiting:
        second = asyncio.create_task(anext(waiting))
        await asyncio.sleep(0.2)  # the second is at the door
        assert len(fits()) == 1
        assert not second.done()
        await first.aclose()
        assert (await second).stage == "preparing"


async def test_a_process_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    """A worker that is killed leaves no fit behind that would end beside its successor's."""
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from gateway.adapters.fitting.local import LocalEngine\n"
        "from tests.worker.fitting.tables import table, work\n"
        "async def main():\n"
        "    one = work(Path(sys.argv[1]), 'random_forest', {'n_estimators': 1000}, table(5000))\n"
        "    async for told in LocalEngine(1, 120.0).run(one):\n"
        "        print(told.share, flush=True)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    await parent.stdout.readline()
    (process,) = fits()
    parent.kill()
    await parent.wait()
    assert await gone(lambda: [one for one in [process] if one.is_running() and one.status() != "zombie"])
