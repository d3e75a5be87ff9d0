"""What a fit beside the gateway does to its latency: the 99th percentile with and without one, in one run.

`.venv-worker/bin/python -m benchmarks.training_load`. A gateway is asked at a fixed rate for its health and
for a prediction of a small model, while a random forest learns from 100,000 rows of 20 columns. Phases
alternate: no fit (its process is stopped), the fit as the engine runs it (nice 19), under SCHED_IDLE, and as
any process. Times count from when a request was due, so that a stall is seen by all that it held up. Phases
are short and many, and a phase's requests are pooled: what else the machine does falls on all of them alike.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from gateway.adapters.fitting.fit import fit
from gateway.adapters.fitting.local import LocalEngine
from gateway.training.facts import TableFormat, TrainingRequest
from gateway.training.ports import Work, WorkerLost

ROWS, COLUMNS = 100_000, 20
RATE = 200  # requests a second
CONNECTIONS = 16
KEY = "bench-key"
FEATURES = tuple(f"n{place}" for place in range(COLUMNS))
PHASES = ("no fit", "idle class", "nice 19", "plain")
LIMIT = 1.2


def table(rows: int) -> pl.DataFrame:
    chance = np.random.default_rng(0)
    numbers = chance.normal(size=(rows, COLUMNS)).round(4)
    frame = pl.DataFrame(numbers, schema=list(FEATURES))
    return frame.with_columns(fraud=pl.Series((numbers[:, 0] + chance.normal(size=rows) > 0).astype(int)))


def work(folder: Path, rows: int, trees: int, name: str) -> Work:
    made = folder / name
    made.mkdir()
    table(rows).write_csv(folder / f"{name}.csv")
    request = TrainingRequest(
        "bench", "random_forest", "bench", 1, "fraud", FEATURES, {"n_estimators": trees, "max_depth": 8}
    )
    return Work(name, request, folder / f"{name}.csv", TableFormat.CSV, "", made, os.cpu_count() or 1)


@contextmanager
def gateway(model: Path, folder: Path) -> Iterator[int]:
    """Its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        "PORT": str(port),
        "RPC_PORT": "0",
        "API_KEY": KEY,
        "API_KEYS_FILE": str(folder / "keys.json"),
        "DATABASE_URL": f"sqlite:///{folder / 'gateway.db'}",
        "DATASETS_DIR": str(folder / "datasets"),
        "MODELS_URL": str(folder / "trained"),
        "FRAUD_MODEL_URL": str(model),
        "LLM_URL": "http://127.0.0.1:9",
        "MASK_PERSONAL_DATA": "false",
        "REQUESTS_PER_MINUTE": "100000000",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/-/healthz", timeout=5)
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def asked(path: str, body: object = None) -> bytes:
    raw = b"" if body is None else json.dumps(body).encode()
    return (
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nhost: localhost\r\n"
        f"authorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
    ).encode() + raw


class Line:
    """A connection, one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, request: bytes) -> None:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"unexpected answer: {head[:300]!r}")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        await self._reader.readexactly(length)


async def latencies(lines: "asyncio.Queue[Line]", request: bytes, seconds: float) -> list[float]:
    """Milliseconds from when each request was due."""
    began, taken = time.perf_counter(), []

    async def one(due: float) -> None:
        line = await lines.get()
        await line.ask(request)
        lines.put_nowait(line)
        taken.append((time.perf_counter() - due) * 1000)

    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * RATE)):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due))
    return taken


def fitting() -> psutil.Process:
    return next(
        one for one in psutil.Process().children() if any("fitting.process" in word for word in one.cmdline())
    )


def scheduled(phase: str) -> None:
    """The fit's process, all its threads, as the phase says."""
    process = fitting()
    if phase == "no fit":
        process.send_signal(signal.SIGSTOP)
        return
    policy = os.SCHED_IDLE if phase == "idle class" else os.SCHED_OTHER
    for thread in process.threads():
        os.sched_setscheduler(thread.id, policy, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, thread.id, 0 if phase == "plain" else 19)
    process.send_signal(signal.SIGCONT)


async def fits(folder: Path, began: asyncio.Event) -> None:
    """One after the other, until cancelled."""
    engine = LocalEngine(1, 1e6, silence_s=1e6)
    for number in range(1000):
        with suppress(WorkerLost):
            async for told in engine.run(work(folder, ROWS, 1000, f"fit{number}")):
                if getattr(told, "stage", "") == "fitting":
                    began.set()


async def measured(port: int, rounds: int, seconds: float) -> dict[str, dict[str, list[float]]]:
    """Milliseconds by path and phase."""
    lines: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        line = Line(port)
        await line.open()
        lines.put_nowait(line)
    paths = {
        "/-/healthz": asked("/-/healthz"),
        "/predict": asked("/predict", dict.fromkeys(FEATURES, 0.5)),
    }
    found: dict[str, dict[str, list[float]]] = {path: {phase: [] for phase in PHASES} for path in paths}
    for _ in range(rounds):
        for phase in PHASES:
            scheduled(phase)
            await asyncio.sleep(0.2)  # until the fit is at work, or is not
            for path, request in paths.items():
                found[path][phase] += await latencies(lines, request, seconds)
    return found


def report(found: dict[str, dict[str, list[float]]]) -> None:
    print(f"{'':14}{'':>12}{'p50 ms':>9}{'p99 ms':>9}{'p99 x no fit':>14}")
    ratios = {}
    for path, phases in found.items():
        for phase, taken in phases.items():
            half, most = np.percentile(taken, (50, 99))
            ratios[path, phase] = most / np.percentile(phases["no fit"], 99)
            print(f"{path:14}{phase:>12}{half:9.2f}{most:9.2f}{ratios[path, phase]:14.2f}")
    worst = max(ratios[path, "nice 19"] for path in found)
    print(f"the fit as it is run: {worst:.2f} times the p99 without one (limit {LIMIT})")


async def run(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = work(folder, 2000, 50, "served")
        fit(small, lambda _: None)
        with gateway(small.folder / "model.onnx", folder) as port:
            began = asyncio.Event()
            busy = asyncio.create_task(fits(folder, began))
            try:
                await began.wait()
                report(await measured(port, options.rounds, options.seconds))
            finally:
                with suppress(StopIteration, psutil.NoSuchProcess):
                    fitting().kill()
                busy.cancel()
                await asyncio.gather(busy, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
