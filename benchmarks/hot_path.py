"""What the guards cost: CPU for each request beside the bare upstream and beside a naive proxy, in one run.

`make bench` runs it. One worker each, an upstream that answers at once, 16 connections. The load generator
and the upstream are raw asyncio protocols, so that neither is what is measured. Read ratios, not times.

Over 250 lines: four tables of the same processes, one below the other.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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

    def family(self) -> list[psutil.Process]:
        """The process and its workers."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu_s(self) -> float:
        times = [process.cpu_times() for process in self.family()]
        return sum(one.user + one.system for one in times)

    def memory_mb(self) -> float:
        return sum(process.memory_info().rss for process in self.family()) / 1e6


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


def request(port: int, *, stream: bool, chars: int = 1024) -> bytes:
    content = (_WORDS * (chars // len(_WORDS) + 1))[:chars]
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


class First(asyncio.Protocol):
    """One streamed answer, read to its end: when its first event came."""

    def __init__(self, ask: bytes, came: "asyncio.Future[float]") -> None:
        self._ask, self._came = ask, came
        self._buffer = b""
        self._seconds = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._began = time.perf_counter()
        self._transport.write(self._ask)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._seconds and b"\ndata: " in self._buffer:
            self._seconds = time.perf_counter() - self._began
        if self._buffer.endswith(b"0\r\n\r\n"):
            self._came.set_result(self._seconds)
            self._transport.close()


async def first_event_ms(target: Target, count: int) -> float:
    """The median, one stream after the other, each on a connection of its own."""
    loop, found = asyncio.get_running_loop(), []
    for _ in range(count):
        came: asyncio.Future[float] = loop.create_future()
        ask = request(target.port, stream=True)
        await loop.create_connection(
            lambda ask=ask, came=came: First(ask, came),  # type: ignore[misc]
            "127.0.0.1",
            target.port,
        )
        found.append(await asyncio.wait_for(came, 30) * 1000)
    return statistics.median(found)


async def load(target: Target, seconds: float, *, stream: bool, chars: int = 1024) -> Figure:
    loop = asyncio.get_running_loop()
    began, before = time.perf_counter(), target.cpu_s()
    ended: list[asyncio.Future[int]] = [loop.create_future() for _ in range(CONNECTIONS)]
    ask = request(target.port, stream=stream, chars=chars)
    for future in ended:
        await loop.create_connection(
            lambda future=future: Client(ask, began + seconds, future),  # type: ignore[misc]
            "127.0.0.1",
            target.port,
        )
    count = sum(await asyncio.gather(*ended))
    return Figure(count, time.perf_counter() - began, target.cpu_s() - before)


def answers(port: int) -> bool:
    """Whether readiness is told, or, by a peer without that path, anything at all."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/-/readyz", timeout=5)
    except urllib.error.HTTPError as refusal:
        return refusal.code == 404
    except OSError:
        return False
    return True


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
            if answers(port):
                break
            time.sleep(0.05)
        yield Target(name, port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(20)


def table(targets: list[Target], seconds: float) -> None:
    print(f"{'':34}{'CPU ms/request':>15}{'x bare':>8}{'requests/s':>12}{'per core':>10}{'RSS MB':>8}")
    bare = None
    for target in targets:
        asyncio.run(load(target, 1.0, stream=False))
        figure = asyncio.run(load(target, seconds, stream=False))
        bare = bare or figure
        print(
            f"{target.name:34}{figure.cpu_ms:15.3f}{figure.cpu_ms / bare.cpu_ms:8.1f}{figure.rate:12.0f}"
            f"{figure.rate_per_core:10.0f}{target.memory_mb():8.0f}"
        )


def stream_table(targets: list[Target], seconds: float) -> None:
    print(f"\n{f'streams of {EVENTS} events':34}{'CPU us/event':>15}{'x bare':>8}")
    bare = None
    for target in targets:
        figure = asyncio.run(load(target, seconds, stream=True))
        bare = bare or figure
        each = figure.cpu_s / figure.requests / EVENTS * 1e6
        print(f"{target.name:34}{each:15.2f}{figure.cpu_ms / bare.cpu_ms:8.1f}")


def litellm(start: Callable[..., Target], upstream: str) -> list[Target]:
    """Its proxy before the same upstream, where somebody has installed it."""
    if importlib.util.find_spec("litellm") is None:
        print("LiteLLM: not installed\n")
        return []
    config = Path(tempfile.mkdtemp()) / "litellm.yaml"
    model = {"model": "openai/tiny", "api_base": f"{upstream}/v1", "api_key": "none"}
    config.write_text(json.dumps({"model_list": [{"model_name": "tiny", "litellm_params": model}]}))
    program = "from litellm import run_server; run_server()"
    return [start("LiteLLM's proxy", "-c", program, "--port", "PORT", "--config", str(config))]


def first_table(targets: list[Target], count: int) -> None:
    print(f"\n{f'first event of {count} streams':34}{'p50 ms':>15}{'added ms':>10}")
    asyncio.run(first_event_ms(targets[0], count))
    bare = asyncio.run(first_event_ms(targets[0], count))
    for target in targets:
        found = bare if target is targets[0] else asyncio.run(first_event_ms(target, count))
        print(f"{target.name:34}{found:15.3f}{found - bare:10.3f}")


def masking_table(off: Target, rules: Target, seconds: float) -> None:
    """What masking by rules adds for each KB; `rules` remembers nothing of the texts, which are the same."""
    print(f"\n{'masking by rules':34}{'CPU ms/request':>15}{'added':>8}{'added per KB':>14}")
    for chars in (1024, 4096, 16_384):
        plain, masked = (
            asyncio.run(load(target, seconds, stream=False, chars=chars)).cpu_ms for target in (off, rules)
        )
        added = masked - plain
        name = f"{chars} characters"
        print(f"{name:34}{masked:15.3f}{added:8.3f}{added / (chars / 1024):14.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="for each measurement")
    options = parser.parse_args()
    with ExitStack() as stack:

        def start(name: str, *command: str, **environment: str) -> Target:
            port = free_port()
            arguments = [sys.executable, *(part.replace("PORT", str(port)) for part in command)]
            return stack.enter_context(
                started(name, arguments, port, {**environment, "PORT": str(port), "RPC_PORT": "0"})
            )

        peers = str(HERE / "peers.py")
        bare = start("bare upstream", peers, "upstream", "PORT", EVENTS=str(EVENTS))
        upstream = f"http://127.0.0.1:{bare.port}"
        settings = {
            "API_KEY": KEY,
            "API_KEYS_FILE": f"{tempfile.mkdtemp()}/keys.json",
            "LLM_URL": upstream,
            "REQUESTS_PER_MINUTE": "100000000",
            "ADAPTIVE_LEAST": str(CONNECTIONS),  # the limit does its work and refuses none of them
        }
        door = ("-m", "gateway", "serve")
        naive = start("naive FastAPI + httpx proxy", peers, "naive", "PORT", UPSTREAM=upstream)
        ours = start("gateway, masking off", *door, **settings, MASK_PERSONAL_DATA="false")
        rules = start("gateway, masking without NER", *door, **settings, MASK_NAMES="false")
        whole = start("gateway, masking with NER", *door, **settings)
        peers_there = [bare, naive, *litellm(start, upstream)]
        table([*peers_there, ours, rules, whole], options.seconds)
        stream_table([*peers_there, ours], options.seconds)
        first_table([*peers_there, ours], 200)
        forgetful = {"MASK_NAMES": "false", "MASK_CACHE_SIZE": "0"}
        rules = start("gateway, nothing remembered", *door, **settings, **forgetful)
        masking_table(ours, rules, options.seconds)


if __name__ == "__main__":
    main()
