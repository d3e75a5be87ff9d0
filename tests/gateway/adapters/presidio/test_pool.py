import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.domain import KINDS, MaskingPolicy, Passage
from gateway.errors import MaskingUnavailable, Overloaded

ROOT = Path(__file__).parents[4]
shares_the_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[AnalyzerPool]:
    """For the tests that leave it as it was: a start takes a second."""
    running = AnalyzerPool(names=False, timeout_s=5)
    await running.start()
    yield running
    await running.close()


@pytest.fixture
async def pool() -> AsyncIterator[AnalyzerPool]:
    running = AnalyzerPool(names=False, timeout_s=5)
    await running.start()
    yield running
    await running.close()


async def spans(pool: AnalyzerPool, *texts: str, program: bool = False) -> list[list[tuple[int, int, str]]]:
    passages = [Passage(text, program) for text in texts]
    found = await pool.analyze(passages, MaskingPolicy(KINDS))
    return [[(span.start, span.end, span.kind) for span in one] for one in found]


@shares_the_loop
async def test_texts_come_back_as_spans_in_order(shared: AnalyzerPool) -> None:
    assert await shared.ready()
    found = await spans(shared, "Меня зовут Раиса", "nothing", "a@example.com \ud800")
    assert found == [[(11, 16, "PERSON")], [], [(0, 13, "EMAIL")]]
    assert await spans(shared, "Claire = 1  # Claire Hobbins", program=True) == [[(14, 28, "PERSON")]]
    assert await spans(shared) == []


@shares_the_loop
async def test_many_requests_at_once_get_their_own_answers(shared: AnalyzerPool) -> None:
    texts = [f"{'x' * i} a{i}@example.com" for i in range(60)]
    found = await asyncio.gather(*(spans(shared, text) for text in texts))
    assert [start for [[(start, _, _)]] in found] == [i + 1 for i in range(60)]


@shares_the_loop
async def test_a_long_text_goes_through_the_pipe(shared: AnalyzerPool) -> None:
    text = "слово " * 40_000 + "a@example.com"
    assert await spans(shared, text) == [[(240_000, 240_013, "EMAIL")]]


@shares_the_loop
async def test_an_error_of_the_analyser_is_ours_and_holds_no_text(shared: AnalyzerPool) -> None:
    pids = shared.worker_pids()
    odd = Passage("secret text", seams=("a",))  # type: ignore[arg-type]
    with pytest.raises(MaskingUnavailable) as error:
        await shared.analyze([odd], MaskingPolicy(KINDS))
    assert "secret" not in repr(error.value)
    assert error.value.__cause__ is None
    assert await spans(shared, "a@example.com") == [[(0, 13, "EMAIL")]]
    assert shared.worker_pids() == pids


async def test_a_killed_worker_fails_its_request_and_is_replaced(pool: AnalyzerPool) -> None:
    [pid] = pool.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    request = asyncio.create_task(spans(pool, "a@example.com"))
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(MaskingUnavailable):
        await request
    assert await spans(pool, "a@example.com") == [[(0, 13, "EMAIL")]]
    assert pool.worker_pids() != [pid]
    assert await pool.ready()


async def test_a_worker_that_dies_idle_is_replaced_without_a_failure(pool: AnalyzerPool) -> None:
    [pid] = pool.worker_pids()
    os.kill(pid, signal.SIGKILL)
    while pool.worker_pids() == [pid]:
        await asyncio.sleep(0.01)
    assert not await pool.ready()
    assert await spans(pool, "a@example.com") == [[(0, 13, "EMAIL")]]


async def test_a_stuck_worker_times_out_and_is_replaced() -> None:
    pool = AnalyzerPool(names=False, timeout_s=1)
    await pool.start()
    [pid] = pool.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(MaskingUnavailable):
        await spans(pool, "a@example.com")
    assert await spans(pool, "a@example.com") == [[(0, 13, "EMAIL")]]
    assert not psutil.pid_exists(pid)
    await pool.close()


async def test_too_many_waiting_requests_are_refused() -> None:
    pool = AnalyzerPool(names=False, max_waiting=2, timeout_s=1)
    await pool.start()
    [pid] = pool.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    under_way = [asyncio.create_task(spans(pool, "taken by the worker"))]
    await asyncio.sleep(0.05)
    under_way += [asyncio.create_task(spans(pool, "waiting")) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded) as refused:
        await spans(pool, "one too many")
    assert refused.value.retry_after
    await pool.close()
    for outcome in await asyncio.gather(*under_way, return_exceptions=True):
        assert isinstance(outcome, MaskingUnavailable | Overloaded)


async def test_who_comes_while_others_wait_long_is_refused_at_once(
    pool: AnalyzerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.adapters.presidio.pool._LONG_WAIT_S", 0.2)
    [pid] = pool.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    in_line = [asyncio.create_task(spans(pool, f"a{i}@example.com")) for i in range(200)]
    await asyncio.sleep(0.3)
    os.kill(pid, signal.SIGCONT)
    await asyncio.gather(*in_line[:2])  # the second one had waited
    assert not in_line[-1].done()
    with pytest.raises(Overloaded):
        await spans(pool, "late@example.com")
    assert all(await asyncio.gather(*in_line))
    assert await spans(pool, "late@example.com") == [[(0, 16, "EMAIL")]]


async def test_those_who_left_take_nobodys_place_in_the_line() -> None:
    pool = AnalyzerPool(names=False, max_waiting=2, timeout_s=5)
    await pool.start()
    [pid] = pool.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    left = [asyncio.create_task(spans(pool, "gone")) for _ in range(3)]
    await asyncio.sleep(0.05)
    for one in left:
        one.cancel()
    await asyncio.wait(left)
    honest = [asyncio.create_task(spans(pool, "a@example.com")) for _ in range(2)]
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGCONT)
    assert await asyncio.gather(*honest) == [[[(0, 13, "EMAIL")]]] * 2
    await pool.close()


@shares_the_loop
async def test_a_caller_who_leaves_spoils_nothing(shared: AnalyzerPool) -> None:
    pids = shared.worker_pids()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(spans(shared, "a@example.com " * 2_000), 0.005)
    assert await spans(shared, "a@example.com") == [[(0, 13, "EMAIL")]]
    assert shared.worker_pids() == pids


async def test_starting_leaves_the_loop_free_and_takes_less_than_three_seconds() -> None:
    pool = AnalyzerPool(names=False)
    started = time.perf_counter()
    start = asyncio.create_task(pool.start())
    ticks = 0
    while not start.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert time.perf_counter() - started < 3
    assert ticks > 10
    await pool.close()


async def test_closing_leaves_no_child_and_further_requests_fail() -> None:
    pool = AnalyzerPool(workers=2, names=False)
    await pool.start()
    pids = pool.worker_pids()
    assert len(pids) == 2
    await pool.close()
    await pool.close()
    assert not any(map(psutil.pid_exists, pids))
    assert not await pool.ready()
    with pytest.raises(MaskingUnavailable):
        await spans(pool, "text")


async def test_closing_while_starting_leaves_nobody_waiting() -> None:
    pool = AnalyzerPool(names=False)
    start = asyncio.create_task(pool.start())
    await asyncio.sleep(0.2)
    pids = pool.worker_pids()
    await pool.close()
    await asyncio.wait_for(start, 1)
    assert not any(map(psutil.pid_exists, pids))


async def test_a_pool_that_cannot_start_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.adapters.presidio.pool.sys.executable", "/bin/false")
    pool = AnalyzerPool(names=False)
    await pool.start()
    assert not await pool.ready()
    with pytest.raises(MaskingUnavailable):
        await spans(pool, "text")
    monkeypatch.undo()
    while not await pool.ready():
        await asyncio.sleep(0.05)
    assert await spans(pool, "text") == [[]]
    await pool.close()


async def test_a_pool_that_was_never_started_masks_nothing_and_says_so() -> None:
    with pytest.raises(MaskingUnavailable):
        await spans(AnalyzerPool(), "text")


@pytest.mark.parametrize("timeout_s", [0, -1, 60, 600])
def test_a_timeout_beyond_presidios_own_is_refused(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        AnalyzerPool(timeout_s=timeout_s)


@shares_the_loop
async def test_an_interrupt_does_not_reach_the_workers(shared: AnalyzerPool) -> None:
    [pid] = shared.worker_pids()
    os.kill(pid, signal.SIGINT)
    assert await spans(shared, "a@example.com") == [[(0, 13, "EMAIL")]]
    assert shared.worker_pids() == [pid]


PARENT = """
import asyncio, sys
from gateway.adapters.presidio.pool import AnalyzerPool
async def main():
    pool = AnalyzerPool(names=False)
    await pool.start()
    print(*pool.worker_pids(), flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_workers_die_with_a_killed_parent_even_when_stopped_in_work() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 3
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_pool_loads_none_of_the_heavy_libraries() -> None:
    script = "import gateway.adapters.presidio.pool, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    heavy = {"presidio_analyzer", "spacy", "thinc", "torch", "pandas", "numpy", "slovnet", "navec", "natasha"}
    assert not loaded & heavy


def test_a_worker_without_ner_loads_no_spacy_and_no_ner() -> None:
    script = (
        "from gateway.adapters.presidio.without_spacy import leave_spacy_out; leave_spacy_out();"
        "from gateway.adapters.presidio.process import NO_LISTS, Start;"
        "from gateway.adapters.presidio.worker import build_engine, find; import json, sys;"
        "from gateway.domain import KINDS, MaskingPolicy, Passage;"
        "engine = build_engine(Start(False, NO_LISTS, '00'));"
        "find(engine, [Passage('Claire Hobbins')], MaskingPolicy(KINDS));"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert not loaded & {
        "torch",
        "pandas",
        "numpy",
        "slovnet",
        "navec",
        "natasha",
        "spacy.lang",
        "thinc.model",
    }
