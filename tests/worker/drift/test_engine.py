"""A comparison in its process: what it finds, what its page may do, and its end."""

import asyncio
import logging
import re
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import psutil
import pytest

from gateway.adapters.evidently.engine import EvidentlyEngine
from gateway.drift.facts import Compared
from gateway.drift.ports import DriftFailed
from tests.worker.drift.conftest import STARTS_S, Pushed
from tests.worker.drift.traffic import World, comparison, traffic

pytestmark = pytest.mark.timeout(600)


def small() -> Any:
    chance = np.random.default_rng(4)
    return comparison(traffic(World(), 150, chance), traffic(World(), 120, chance))


def processes() -> list[psutil.Process]:
    """That compare for us."""
    found = []
    for one in psutil.Process().children(recursive=True):
        try:
            if any("evidently.process" in word for word in one.cmdline()):
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


async def until(holds: Callable[[], Any]) -> Any:
    async with asyncio.timeout(60):
        while not (found := holds()):
            await asyncio.sleep(0.01)
    return found


def test_each_column_tells_its_method_score_and_threshold(pushed: Pushed) -> None:
    told = {one.column: one for one in pushed.alike.columns}
    assert {name: one.method for name, one in told.items()} == {
        "text_length": "kolmogorov",
        "language": "total_variation",
        "label": "total_variation",
        "score": "kolmogorov",
        "confidence": "kolmogorov",
        "embedding": "domain_auc",
    }
    assert told["score"].rows == 300
    assert told["label"].rows < 300
    assert all(one.drifted == (one.score > one.threshold) for one in told.values())
    assert not pushed.alike.drifted
    assert pushed.alike.notes == {}


def test_a_run_has_drifted_when_a_column_has(pushed: Pushed) -> None:
    assert pushed.drifted.drifted
    assert [one.column for one in pushed.drifted.columns if one.drifted] == ["score"]
    assert pushed.drifted.notes == {"confidence": "One side has fewer than 30 values."}


def test_the_page_loads_nothing_and_runs_nothing_of_a_label(pushed: Pushed) -> None:
    page = pushed.drifted.html.decode()
    policy, *_ = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:", policy)
    assert page.index(policy) < page.index("<style") < page.index("<script")
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)\s*=", page)
    assert "harm()" in page  # the label is shown
    assert "<script>harm()" not in page


async def test_rare_labels_are_folded_on_the_page_and_count_in_the_score(comparing: Compared) -> None:
    """400 labels of which none is on both sides; a vector that is none costs its own row a value."""
    told = {one.column: one for one in comparing.columns}
    assert (told["label"].score, told["label"].rows) == (pytest.approx(1.0), 200)
    assert told["embedding"].rows == 199
    page = comparing.html.decode()
    shown = {label for label in LABELS if label in page}
    assert len(shown) == 100
    assert "other" in page


LABELS = [f"label-{number}-of-many" for number in range(400)]


@pytest.fixture
async def comparing() -> Compared:
    chance = np.random.default_rng(5)
    world = World(embedded=1.0)
    made = comparison(
        traffic(world, 200, chance) | {"label": LABELS[:200]},
        traffic(world, 200, chance) | {"label": LABELS[200:]},
    )
    odd = replace(made.current[0], embedding=(inf,) * len(made.current[0].embedding or ()))
    return await EvidentlyEngine(STARTS_S, "", "").compare(replace(made, current=(odd, *made.current[1:])))


async def test_a_killed_process_is_followed_by_another_and_a_silent_service_is_not_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        engine = EvidentlyEngine(STARTS_S, f"http://127.0.0.1:{silent.getsockname()[1]}", "drift")
        with caplog.at_level(logging.WARNING, "gateway"):
            comparing = asyncio.create_task(engine.compare(small()))
            (first,) = await until(processes)
            first.send_signal(signal.SIGKILL)
            compared = await comparing
    assert compared.columns
    assert [one.getMessage().rpartition(":")[0] for one in caplog.records][1:] == [
        "a drift report could not be shown by Evidently's service"
    ]
    assert "another begins" in caplog.text
    assert processes() == []


async def test_a_comparison_that_takes_too_long_is_killed() -> None:
    with pytest.raises(DriftFailed, match="longer than it may"):
        await EvidentlyEngine(0.5, "", "").compare(small())
    assert processes() == []


async def test_a_cancelled_comparison_leaves_no_process() -> None:
    comparing = asyncio.create_task(EvidentlyEngine(STARTS_S, "", "").compare(small()))
    (process,) = await until(processes)
    comparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await comparing
    assert not process.is_running()


async def test_closing_the_engine_ends_the_comparison_for_good() -> None:
    engine = EvidentlyEngine(STARTS_S, "", "")
    comparing = asyncio.create_task(engine.compare(small()))
    await until(lambda: engine.pid)
    await engine.close()
    with pytest.raises(DriftFailed):
        await comparing
    with pytest.raises(DriftFailed):
        await engine.compare(small())
    assert processes() == []


async def test_a_process_dies_with_the_one_that_started_it() -> None:
    code = (
        "import asyncio\n"
        "from tests.worker.drift.test_engine import EvidentlyEngine, small\n"
        "async def main():\n"
        "    engine = EvidentlyEngine(240.0, '', '')\n"
        "    comparing = asyncio.create_task(engine.compare(small()))\n"
        "    while not engine.pid: await asyncio.sleep(0.01)\n"
        "    print(engine.pid, flush=True)\n"
        "    await comparing\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
