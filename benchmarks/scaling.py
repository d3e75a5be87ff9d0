"""One worker and several, side by side: `python -m benchmarks.scaling [--workers 1 2] [--seconds 5]`.

Un-masked chats against an upstream that answers at once. The load generator and the upstream share the cores
with what is measured, so on two cores requests a second cannot double: CPU for each request is the honest
figure. It rises where every core is busy, whoever is busy there, so beside several workers stands the same
number of gateways with a port each: what workers cost is the ratio of these two. The runs take turns, so that
a busy machine hurts all alike. Memory is measured with masking by patterns and rules, after load.
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.hot_path import KEY, Client, answers, free_port, request

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 64  # the kernel gives each to a worker by a hash: few would fall unevenly
_START_S = 60.0
_MB = 1e6


@dataclass(frozen=True)
class Served:
    name: str
    ports: list[int]
    workers: list[psutil.Process]
    parent: psutil.Process | None  # None: what serves is what was started

    def cpu_s(self) -> list[float]:
        """Of each worker and its children, and last of the parent alone."""
        alone = [_cpu_s([self.parent])] if self.parent else []
        return [*(_cpu_s(family(worker)) for worker in self.workers), *alone]


@dataclass(frozen=True)
class Run:
    requests: int
    seconds: float
    each_cpu_s: list[float]  # as Served.cpu_s()

    @property
    def cpu_ms(self) -> float:
        return sum(self.each_cpu_s) / self.requests * 1000

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [one.cpu_times() for one in processes]
    return sum(one.user + one.system for one in times)


@contextmanager
def gateway(workers: int, upstream: str, **settings: str) -> Iterator[Served]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "API_KEY": KEY,
            "API_KEYS_FILE": f"{folder}/keys.json",
            "DATABASE_URL": f"sqlite:///{folder}/store.db",
            "LLM_URL": upstream,
            "REQUESTS_PER_MINUTE": "100000000",
            "PORT": str(port),
            "RPC_PORT": "0",
            "ADAPTIVE_LIMIT": "false",  # a generator that never waits is what it is there to refuse
            "WORKERS": str(workers),
            **settings,
        }
        log = Path(folder) / "log"
        with log.open("wb") as output:
            started = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            process = psutil.Process(started.pid)
            if not _all_answer(process, port, workers):
                raise SystemExit(f"{workers} workers did not come up: {log.read_text()[-2000:]}")
            # A worker listens on the port; the parent of several does not, nor do processes that mask.
            serving = [one for one in family(process) if _listens(one, port)]
            name = "1 worker" if workers == 1 else f"{workers} workers"
            yield Served(name, [port], serving, None if serving == [process] else process)
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(40)


@contextmanager
def apart(count: int, upstream: str, **settings: str) -> Iterator[Served]:
    """As many gateways of one worker, each with a port of its own."""
    with ExitStack() as stack:
        each = [stack.enter_context(gateway(1, upstream, **settings)) for _ in range(count)]
        ports = [port for one in each for port in one.ports]
        yield Served(f"{count} gateways", ports, [worker for one in each for worker in one.workers], None)


def _all_answer(process: psutil.Process, port: int, workers: int) -> bool:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if answers(port) and sum(_listens(one, port) for one in family(process)) == workers:
            return True
        time.sleep(0.1)
    return False


def _listens(process: psutil.Process, port: int) -> bool:
    return any(
        one.status == psutil.CONN_LISTEN and one.laddr.port == port
        for one in process.net_connections(kind="inet")
    )


async def load(served: Served, seconds: float) -> Run:
    loop = asyncio.get_running_loop()
    began, before = time.perf_counter(), served.cpu_s()
    ended: list[asyncio.Future[int]] = [loop.create_future() for _ in range(CONNECTIONS)]
    for number, future in enumerate(ended):
        port = served.ports[number % len(served.ports)]
        ask = request(port, stream=False)
        await loop.create_connection(
            lambda ask=ask, future=future: Client(ask, began + seconds, future),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
    count = sum(await asyncio.gather(*ended))
    spent = [after - earlier for after, earlier in zip(served.cpu_s(), before, strict=True)]
    return Run(count, time.perf_counter() - began, spent)


def report(all_served: Sequence[Served], seconds: float, rounds: int) -> None:
    runs: dict[str, list[Run]] = {served.name: [] for served in all_served}
    for served in all_served:
        asyncio.run(load(served, 1.0))
    for _ in range(rounds):
        for served in all_served:
            runs[served.name].append(asyncio.run(load(served, seconds)))
    print(f"medians of {rounds} rounds of {seconds:g} s, {CONNECTIONS} connections, {os.cpu_count()} cores")
    print(
        f"{'':12}{'CPU ms/request':>15}{'x first':>8}{'per core':>10}"
        f"{'requests/s':>12}{'x first':>8}{'busiest':>9}"
    )
    first = None
    for served in all_served:
        cpu_ms = statistics.median(run.cpu_ms for run in runs[served.name])
        rate = statistics.median(run.rate for run in runs[served.name])
        parts = [run.each_cpu_s[: len(served.workers)] for run in runs[served.name]]
        busiest = statistics.median(max(part) / sum(part) for part in parts)
        first = first or (cpu_ms, rate)
        print(
            f"{served.name:12}{cpu_ms:15.3f}{cpu_ms / first[0]:8.2f}{1000 / cpu_ms:10.0f}{rate:12.0f}"
            f"{rate / first[1]:8.2f}{busiest:9.0%}"
        )


def memory(served: Served, seconds: float) -> None:
    """After load: resident, and what is a process's own where pages are shared (PSS)."""
    asyncio.run(load(served, seconds))
    print(f"\n{'MB, masking without NER':26}{'resident':>10}{'PSS':>8}")
    for number, worker in enumerate(served.workers):
        for what, some in (("", family(worker)), (", without its maskers", [worker])):
            whole = [one.memory_full_info() for one in some]
            resident, own = sum(one.rss for one in whole) / _MB, sum(one.pss for one in whole) / _MB
            print(f"{f'worker {number}{what}':26}{resident:10.0f}{own:8.0f}")
    if served.parent:
        whole = served.parent.memory_full_info()
        print(f"{'parent':26}{whole.rss / _MB:10.0f}{whole.pss / _MB:8.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=4.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    port = free_port()
    peers = [sys.executable, str(Path(__file__).parent / "peers.py"), "upstream", str(port)]
    upstream = subprocess.Popen(peers, env={**os.environ, "EVENTS": "1"})
    try:
        address = f"http://127.0.0.1:{port}"
        with ExitStack() as stack:
            all_served = []
            for count in options.workers:
                kinds = (gateway, apart) if count > 1 else (gateway,)
                for kind in kinds:
                    made = kind(count, address, MASK_PERSONAL_DATA="false")
                    all_served.append(stack.enter_context(made))
            report(all_served, options.seconds, options.rounds)
        with gateway(max(options.workers), address, MASK_NAMES="false") as served:
            memory(served, options.seconds)
    finally:
        upstream.terminate()
        upstream.wait(10)


if __name__ == "__main__":
    main()
