"""What masking costs on one core, beside plain Presidio in the same run."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from benchmarks.grading_figures import markdown
from benchmarks.pii.quality import analyser, served
from benchmarks.pii.texts import KB, dense, in_pieces, ordinary
from benchmarks.pii.timed import SUBJECTS
from gateway.domain import Masked, Passage
from gateway.grading.placeholders import mask, new_nonce, settled
from gateway.grading.unmasking import StreamUnmasker, unmask

REPEATS = 3  # of every subject, one after the other, so that a busy minute does not fall on one alone
ASKED = 100  # texts through the pool
_PEER = "plain Presidio"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_HEAD = "CPU ms per 1000 characters,ordinary,dense,ordinary: x peer,dense: x peer,ready s,memory MB,peak MB"
_ABOUT_PEER = (
    "The peer is plain Presidio: its default recognisers for English over a blank spaCy pipeline. Without a "
    "model it looks for no names: that row is the cost of its patterns."
)
_PATH_HEAD = "through the pool: p50 ms per 1000 characters,ordinary,dense"
_BACK_HEAD = "un-masking,us per 1000 characters"


def speed() -> str:
    with one_core() as core:
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in SUBJECTS}
        for seed in range(REPEATS):
            for name in SUBJECTS:
                runs[name].append(_measured(name, 1000 * (seed + 1)))
        figures = {
            name: {key: statistics.median(run[key] for run in some) for key in some[0]}
            for name, some in runs.items()
        }
        path, found = asyncio.run(_through_the_pool())
        back = _back(found)
    return "\n\n".join(
        (
            f"Core {core}, one thread; texts of 1000 characters, Russian and English mixed.",
            markdown(
                _HEAD.split(","), map(_line, figures, figures.values(), [figures[_PEER]] * len(figures))
            ),
            _ABOUT_PEER,
            markdown(_PATH_HEAD.split(","), path),
            markdown(_BACK_HEAD.split(","), back),
        )
    )


@contextmanager
def one_core() -> Iterator[int]:
    """This process and those that it starts, on the core that is least busy now."""
    process = psutil.Process()
    before = process.cpu_affinity()
    busy = psutil.cpu_percent(interval=0.5, percpu=True)
    core = min(before, key=lambda one: busy[one])
    process.cpu_affinity([core])
    try:
        yield core
    finally:
        process.cpu_affinity(before)


def _measured(name: str, seed: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.pii.timed", name, str(seed)],
        env={**os.environ, **_ONE_THREAD},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise SystemExit(f"{name} could not be measured: {done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _line(name: str, of: dict[str, float], peer: dict[str, float]) -> list[object]:
    return [
        name,
        *(f"{of[key]:.2f}" for key in ("ordinary", "dense")),
        *(f"{of[key] / peer[key]:.2f}" for key in ("ordinary", "dense")),
        f"{of['ready_s']:.2f}",
        *(f"{of[key]:.0f}" for key in ("memory_mb", "peak_mb")),
    ]


async def _through_the_pool() -> tuple[list[list[object]], Masked]:
    """The wait for a masked text; and one text of many placeholders."""
    lines: list[list[object]] = []
    masked, policy = None, served("text")
    for label, names in (("names by rules", False), ("with names", True)):
        async with analyser(names) as pool:
            times = []
            for texts in (ordinary(ASKED, 7), dense(ASKED, 7)):
                waits = []
                for text in texts:
                    passage = Passage(text)
                    began = time.perf_counter()
                    spans = await pool.analyze([passage], policy)
                    masked = settled(mask([passage], spans, new_nonce([text])))
                    waits.append((time.perf_counter() - began) * 1000)
                times.append(statistics.median(waits))
            memory = psutil.Process(pool.worker_pids()[0]).memory_info().rss / 1e6
        lines.append([f"{label} (worker: {memory:.0f} MB)", *(f"{one:.1f}" for one in times)])
    assert masked is not None
    return lines, masked


def _back(masked: Masked) -> list[list[object]]:
    text = masked.texts[0]
    pieces = in_pieces(text)
    plain = "A sentence about nothing in particular. " * (KB // 40)
    plain_pieces = in_pieces(plain)

    def streamed(some: list[str]) -> None:
        unmasker = StreamUnmasker(masked.originals)
        for piece in some:
            unmasker.feed(piece)
        unmasker.flush()

    ways: list[tuple[str, Callable[[], object], int]] = [
        (f"whole, {len(masked.originals)} values", lambda: unmask(text, masked.originals), len(text)),
        ("whole, no placeholder in it", lambda: unmask(plain, masked.originals), len(plain)),
        ("streamed by 4 characters", lambda: streamed([*pieces]), len(text)),
        ("streamed, no placeholder in it", lambda: streamed([*plain_pieces]), len(plain)),
    ]
    return [[label, f"{_us(way) / size * KB:.1f}"] for label, way, size in ways]


def _us(way: Callable[[], object], times: int = 300, rounds: int = 5) -> float:
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            way()
        found.append((time.process_time() - began) / times * 1e6)
    return statistics.median(found)
