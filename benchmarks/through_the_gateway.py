"""Vectors, labels and grades of one short text, through the gateway and from the service, side by side.

`python -m benchmarks.through_the_gateway [seconds]` starts the embeddings service and the gateway (masking
on, no model server) and asks one after another, as an idle exam does.
"""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.hot_path import free_port

ROOT = Path(__file__).resolve().parents[1]
KEY = "benchmark-key-of-this-machine-only"
TEXT = "The current divides because both branches are parallel to each other"
REFERENCE = "In parallel branches the current is divided."
QUESTION = "What happens to the current at the fork?"
_START_S = 120.0


def requests(number: int) -> dict[str, tuple[str, Any]]:
    """Name -> path and body. The number makes every submission new to every memory."""
    text = f"{TEXT} {number}"
    graded = {"submission": text, "reference_answers": [REFERENCE], "question": QUESTION}
    return {
        "embedding": ("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": text}),
        "message-classifier": ("/v1/models/message-classifier:predict", {"instances": [{"text": text}]}),
        "spam": ("/v1/models/spam:predict", {"instances": [{"text": text}]}),
        "injection-detector": ("/v1/models/injection-detector:predict", {"instances": [{"text": text}]}),
        "grader-embedding": ("/v1/models/grader-embedding:predict", {"instances": [graded]}),
    }


@contextlib.contextmanager
def running(python: str, module: str, environment: dict[str, str]) -> Iterator[None]:
    command = [ROOT / python / "bin/python", "-m", module, "serve"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


async def answered(session: aiohttp.ClientSession, url: str, path: str, body: Any) -> int:
    try:
        async with session.post(url + path, json=body, headers={"authorization": f"Bearer {KEY}"}) as answer:
            await answer.read()
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0


async def measure(urls: dict[str, str], seconds: float) -> None:
    async with aiohttp.ClientSession() as session:
        for url in urls.values():
            deadline = time.monotonic() + _START_S
            for path, body in requests(0).values():
                while await answered(session, url, path, body) != 200:
                    if time.monotonic() > deadline:
                        raise SystemExit(f"{path} does not answer")
                    await asyncio.sleep(0.2)
        print(f"{'one short text':<20}{'p50 ms':>16}{'p95 ms':>10}")
        for name in requests(0):
            for place, url in urls.items():
                taken = []
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    path, body = requests(len(taken) + 1)[name]
                    began = time.perf_counter()
                    if await answered(session, url, path, body) != 200:
                        raise SystemExit(f"{path} was refused")
                    taken.append((time.perf_counter() - began) * 1000)
                cuts = statistics.quantiles(taken, n=20)
                print(f"{name:<20}{place:<8}{cuts[9]:>8.1f}{cuts[18]:>10.1f}")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    service, door = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        gateway = {
            "API_KEY": KEY,
            "API_KEYS_FILE": f"{folder}/keys.json",
            "PORT": str(door),
            "RPC_PORT": "0",
            "LLM_URL": f"http://127.0.0.1:{free_port()}",
            "LLM_API_KEY": "nobody-listens",
            "EMBEDDINGS_URL": f"http://127.0.0.1:{service}",
            "REQUESTS_PER_MINUTE": "1000000",
        }
        with (
            running(".venv-embeddings", "embeddings", {"EMBEDDINGS_PORT": str(service)}),
            running(".venv", "gateway", gateway),
        ):
            urls = {"service": f"http://127.0.0.1:{service}", "gateway": f"http://127.0.0.1:{door}"}
            asyncio.run(measure(urls, seconds))


if __name__ == "__main__":
    main()
