"""What the guards cost: CPU for each request beside the bare upstream and beside a naive proxy, in one run.

`make bench` runs it. One worker each, an upstream that answers at once, 16 connections. The load generator
and the upstream are raw asyncio protocols, so that neither is what is measured. Read ratios, not times.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).parent
CONNECTIONS = 16
EVENTS = 200  # in each streamed answer
KEY = "bench-key"
_WORDS = "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen. "


@dataclass(frozen=True)
class Target:
    name: str
    port: int
    process: psutil.Process


@dataclass(frozen=True)
class Figure:
    requests: int
    seconds: float
    cpu_s: float

    @property
    def cpu_ms(self) -> float:
        return self.cpu_s / self.requests * 1000

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def rate_per_core(self) -> float:
        """Requests a second if the process had a core for itself."""
        return self.requests / self.cpu_s


def request(port: int, *, stream: bool) -> bytes:
    content = (_WORDS * 20)[:1024]
    body = {"model": "tiny", "messages": [{"role": "user", "content": content}], "max_tokens": 64}
    if stream:
        body["stream"] = True
    raw = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it is answered, until the deadline."""

    def __init__(self, ask: bytes, until: float, ended: "asyncio.Future[int]") -> None:
        self._ask, self._until, self._ended = ask, until, ended
        self._buffer = b""
        self._done = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(self._ask)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._whole():
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"unexpected answer: {self._buffer[:300]!r}")
        self._buffer = b""
        self._done += 1
        if time.perf_counter() < self._until:
            self._transport.write(self._ask)  # type: ignore[attr-defined]
        else:
            self._transport.close()
            self._ended.set_result(self._done)

    def _whole(self) -> bool:
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        if b"chunked" in head:
            return body.endswith(b"0\r\n\r\n")
        at = head.lower().find(b"content-length: ") + 16
        return len(body) >= int(head[at : head.find(b"\r", at) if b"\r" in head[at:] else None])


async def load(target: Target, seconds: float, *, stream: bool) -> Figure:
    loop = asyncio.get_running_loop()
    began, before = time.perf_counter(), target.process.cpu_times()
    ended: list[asyncio.Future[int]] = [loop.create_future() for _ in range(CONNECTIONS)]
    ask = request(target.port, stream=stream)
    for future in ended:
        await loop.create_connection(
            lambda future=future: Client(ask, began + seconds, future),  # type: ignore[misc]
            "127.0.0.1",
            target.port,
        )
    count = sum(await asyncio.gather(*ended))
    after = target.process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return Figure(count, time.perf_counter() - began, cpu)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(name: str, command: list[str], port: int, environment: dict[str, str]) -> Iterator[Target]:
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"{name} ended: {process.stderr.read().decode()[-2000:]}")  # type: ignore[union-attr]
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Target(name, port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="for each measurement")
    options = parser.parse_args()
    ports = {name: free_port() for name in ("upstream", "naive", "gateway", "masked")}
    upstream = f"http://127.0.0.1:{ports['upstream']}"
    state = tempfile.mkdtemp()
    settings = {
        "API_KEY": KEY,
        "API_KEYS_FILE": f"{state}/keys.json",
        "LLM_URL": upstream,
        "REQUESTS_PER_MINUTE": "100000000",
    }
    gateway = [sys.executable, "-m", "gateway", "serve"]
    with (
        started(
            "bare upstream",
            [sys.executable, str(HERE / "peers.py"), "upstream", str(ports["upstream"])],
            ports["upstream"],
            {"EVENTS": str(EVENTS)},
        ) as bare,
        started(
            "naive FastAPI + httpx proxy",
            [sys.executable, str(HERE / "peers.py"), "naive", str(ports["naive"])],
            ports["naive"],
            {"UPSTREAM": upstream},
        ) as naive,
        started(
            "gateway, masking off",
            gateway,
            ports["gateway"],
            {**settings, "PORT": str(ports["gateway"]), "MASK_PERSONAL_DATA": "false"},
        ) as ours,
    ):
        print(f"{'':32}{'CPU ms/request':>16}{'x bare':>8}{'requests/s':>12}{'per core':>10}{'RSS MB':>8}")
        reference = None
        for target in (bare, naive, ours):
            asyncio.run(load(target, 1.0, stream=False))
            figure = asyncio.run(load(target, options.seconds, stream=False))
            reference = reference or figure
            print(
                f"{target.name:32}{figure.cpu_ms:16.3f}{figure.cpu_ms / reference.cpu_ms:8.1f}"
                f"{figure.rate:12.0f}{figure.rate_per_core:10.0f}"
                f"{target.process.memory_info().rss / 1e6:8.0f}"
            )
        print(f"\n{f'streams of {EVENTS} events':32}{'CPU us/event':>16}{'x bare':>8}")
        reference = None
        for target in (bare, naive, ours):
            figure = asyncio.run(load(target, options.seconds, stream=True))
            reference = reference or figure
            each = figure.cpu_s / figure.requests / EVENTS * 1e6
            print(f"{target.name:32}{each:16.2f}{figure.cpu_ms / reference.cpu_ms:8.1f}")


if __name__ == "__main__":
    main()
