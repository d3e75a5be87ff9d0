"""How soon a process answers, from nothing and when it is there already: `python -m benchmarks.cold_start`.

Zero replicas (minScale 0): a request comes, a process is started for it, and the request is held until
/-/readyz says 200 and then passed on, as Knative's activator does. One replica (minScale 1): the same request
over a new connection to the process that is there. Files are in the page cache: each is started once before
it is measured. Read the ratios to a bare `python -c "import uvicorn, fastapi"`, measured in between; on a
busy machine those of CPU seconds: of the process and its children until the answer.
"""

import argparse
import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.hot_path import free_port

ROOT = Path(__file__).resolve().parents[1]
KEY = "cold-key"
_EVERY_S = 0.01  # between two looks at a process that is starting
_START_S = 120.0
_WARM = 20  # requests to a process that is there
_PERSONAL = "Photosynthesis, as Maria Ivanova of maria@example.org says, turns light into sugar."
_PLAIN = "Photosynthesis turns light into sugar."


@dataclass(frozen=True)
class Service:
    """Started by `python -m module serve`; `port_setting` names its port, `body` is asked of `path`."""

    name: str
    python: Path
    module: str
    settings: dict[str, str]
    port_setting: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process, and its and its children's CPU seconds until the answer."""

    up: float  # /-/healthz answers
    ready: float  # /-/readyz does
    answer: float  # to the request that was held
    cpu: float


def asked(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> int:
    """The status over a connection of its own; 0 where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    raw = json.dumps(body) if body else None
    try:
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        connection.request(method, path, raw, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except ConnectionError:
        return 0
    finally:
        connection.close()


def until(status: Callable[[], int], began: float, what: str) -> float:
    """Seconds from `began` to the first 200."""
    while status() != 200:
        if time.perf_counter() - began > _START_S:
            raise SystemExit(f"{what} did not come")
        time.sleep(_EVERY_S)
    return time.perf_counter() - began


@contextmanager
def process(service: Service, port: int) -> Iterator[subprocess.Popen[bytes]]:
    settings = {**os.environ, **service.settings, service.port_setting: str(port)}
    command = [str(service.python), "-m", service.module, "serve"]
    running = subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def from_nothing(service: Service) -> tuple[Start, list[float]]:
    """A start, and then how long the same request takes."""
    port, began = free_port(), time.perf_counter()
    with process(service, port) as running:
        up = until(lambda: asked(port, "GET", "/-/healthz"), began, f"{service.name}: health")
        ready = until(lambda: asked(port, "GET", "/-/readyz"), began, f"{service.name}: readiness")
        answer = until(lambda: asked(port, "POST", service.path, service.body), began, service.name)
        first = psutil.Process(running.pid)
        times = [one.cpu_times() for one in (first, *first.children(recursive=True))]
        start = Start(up, ready, answer, sum(one.user + one.system for one in times))
        warm = []
        for _ in range(_WARM):
            began = time.perf_counter()
            if asked(port, "POST", service.path, service.body) != 200:
                raise SystemExit(f"{service.name} refused a request")
            warm.append(time.perf_counter() - began)
        return start, warm


def bare() -> tuple[float, float]:
    """Seconds, and CPU seconds, that Python takes to load two libraries of any such service, and to end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", "import uvicorn, fastapi"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def measure(services: Sequence[Service], runs: int) -> None:
    print(f"medians of {runs} starts; seconds, and x a bare import of uvicorn and fastapi; warm in ms")
    print(
        f"{'':30}{'up':>7}{'ready':>8}{'answer':>8}{'x bare':>8}{'CPU s':>7}{'x bare':>8}"
        f"{'1 replica p50':>15}{'p95':>8}"
    )
    for service in services:
        from_nothing(service)
        starts, warm, bares = [], [], []
        for _ in range(runs):
            bares.append(bare())
            start, answers = from_nothing(service)
            starts.append(start)
            warm += answers
        up, ready, answer, cpu = (
            statistics.median(getattr(one, name) for one in starts)
            for name in ("up", "ready", "answer", "cpu")
        )
        bare_s, bare_cpu = (statistics.median(one) for one in zip(*bares, strict=True))
        cuts = statistics.quantiles(warm, n=20)
        print(
            f"{service.name:30}{up:7.2f}{ready:8.2f}{answer:8.2f}{answer / bare_s:8.1f}"
            f"{cpu:7.2f}{cpu / bare_cpu:8.1f}{cuts[9] * 1000:15.1f}{cuts[18] * 1000:8.1f}"
        )


def services(folder: Path, upstream: str) -> list[Service]:
    python = ROOT / ".venv" / "bin" / "python"
    door = {
        "API_KEY": KEY,
        "API_KEYS_FILE": str(folder / "keys.json"),
        "DATABASE_URL": f"sqlite:///{folder / 'store.db'}",
        "LLM_URL": upstream,
        "RPC_PORT": "0",
    }

    def gateway(name: str, content: str, **more: str) -> Service:
        body = {"model": "tiny", "messages": [{"role": "user", "content": content}]}
        return Service(name, python, "gateway", door | more, "PORT", "/v1/chat/completions", body)

    embeddings = Service(
        "embeddings service, a vector",
        ROOT / ".venv-embeddings" / "bin" / "python",
        "embeddings",
        {"EMBEDDINGS_API_KEY": KEY},
        "EMBEDDINGS_PORT",
        "/v1/embeddings",
        {"model": "all-MiniLM-L6-v2", "input": _PLAIN},
    )
    return [
        gateway("gateway, masking off", _PLAIN, MASK_PERSONAL_DATA="false"),
        gateway("gateway, masking without NER", _PERSONAL, MASK_NAMES="false"),
        gateway("gateway, masking with NER", _PERSONAL),
        embeddings,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="services whose name holds this word")
    options = parser.parse_args()
    port = free_port()
    peers = [sys.executable, str(Path(__file__).parent / "peers.py"), "upstream", str(port)]
    upstream = subprocess.Popen(peers, env={**os.environ, "EVENTS": "1"})
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = services(Path(folder), f"http://127.0.0.1:{port}")
            measure([one for one in found if options.only in one.name], options.runs)
    finally:
        upstream.terminate()
        upstream.wait(10)


if __name__ == "__main__":
    main()
