"""How fast texts become vectors: `.venv-embeddings/bin/python benchmarks/embeddings.py [--precision int8]`.

Texts a second at batch 1 and 32, beside sentence-transformers where it is importable (the project does not
depend on it: try it in a scratch environment); then the whole service over a socket: one short text at a
time, and an open loop at twice the load that saturates it.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from embeddings.batching import Batcher, Limits
from embeddings.encoder import Encoder
from embeddings.loading import load
from embeddings.settings import Settings
from embeddings.source import find

SPEECH = """the answer says that water boils because its vapour pressure equals air pressure and a binary
search halves an interval at every step so it needs few comparisons while friction acts against motion energy
is kept plants turn light into sugar a list must be sorted first then each query finds its place in time
"""
MODEL = "all-MiniLM-L6-v2"


def texts(count: int, fewest: int, most: int) -> list[str]:
    dice, words = random.Random(count), SPEECH.split()
    return [" ".join(dice.choices(words, k=dice.randint(fewest, most))) + "." for _ in range(count)]


def rate(compute: Callable[[], object], count: int, repeats: int = 5) -> float:
    """Texts a second, the best of several runs: the machine may be busy with something else."""
    compute()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        compute()
        seconds.append(time.perf_counter() - began)
    return count / min(seconds)


def ours(encoder: Encoder, some: Sequence[str], batch: int, threads: int) -> Callable[[], object]:
    async def together() -> None:
        batcher = Batcher(encoder.vectors, Limits(rows=batch, delay_s=600, threads=threads))
        await batcher.submit(encoder.tokens(some, truncate=True))
        await batcher.close()

    def one_by_one() -> None:
        for text in some:
            encoder.vectors(encoder.tokens([text], truncate=True))

    return one_by_one if batch == 1 else lambda: asyncio.run(together())


def theirs(folder: Path, threads: int) -> Callable[[Sequence[str], int], Callable[[], object]] | None:
    try:
        import sentence_transformers
        import torch
    except ImportError:
        return None
    torch.set_num_threads(threads)
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")

    def prepared(some: Sequence[str], batch: int) -> Callable[[], object]:
        def one_by_one() -> None:
            for text in some:
                model.encode(text, normalize_embeddings=True, show_progress_bar=False)

        def together() -> object:
            return model.encode(
                list(some), batch_size=batch, normalize_embeddings=True, show_progress_bar=False
            )

        return one_by_one if batch == 1 else together

    return prepared


def throughput(cache: Path, threads: int, precision: str) -> None:
    encoder, _ = load(Settings(cache=cache, precision=precision))
    peer = theirs(find("", "", "", cache).folder, threads)
    print(
        f"{precision}: texts a second, {threads} core(s)"
        f"{'' if peer else '; sentence-transformers is not installed'}"
    )
    for what, some in (("12 words", texts(256, 12, 12)), ("5 to 120 words", texts(256, 5, 120))):
        for batch in (1, 32):
            part = some[:32] if batch == 1 else some
            mine = rate(ours(encoder, part, batch, threads), len(part))
            line = f"  {what}, batch {batch}: {mine:.0f}"
            if peer:
                other = rate(peer(part, batch), len(part))
                line += f", sentence-transformers {other:.0f}, ratio {mine / other:.2f}"
            print(line, flush=True)


@contextmanager
def service(cache: Path, threads: int, precision: str) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "EMBEDDINGS_CACHE": str(cache),
        "EMBEDDINGS_PORT": str(port),
        "EMBEDDINGS_THREADS": str(threads),
        "EMBEDDINGS_PRECISION": precision,
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "embeddings", "serve"],
        env=environment,
        cwd=Path(__file__).parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            urllib.request.urlopen(f"{url}/-/readyz", timeout=1)
            break
        except OSError:
            time.sleep(0.01)
    watched = psutil.Process(process.pid)
    print(
        f"start {time.perf_counter() - began:.2f} s, memory {watched.memory_info().rss >> 20} MiB", flush=True
    )
    try:
        yield url, watched
    finally:
        process.terminate()
        process.wait()


async def through_the_service(url: str, seconds: float) -> None:
    some = texts(64, 12, 12)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def ask(text: str) -> tuple[int, float]:
            began = time.perf_counter()
            body = json.dumps({"model": MODEL, "input": text, "encoding_format": "base64"})
            async with http.post(f"{url}/v1/embeddings", data=body) as answer:
                await answer.read()
                return answer.status, time.perf_counter() - began

        alone = [(await ask(text))[1] * 1000 for text in some * 3][len(some) :]
        print(f"one text of 12 words at a time: {_of(alone)}")

        served = 0
        until = time.perf_counter() + seconds

        async def keep_asking() -> None:
            nonlocal served
            while time.perf_counter() < until:
                status, _ = await ask(some[served % 64])
                served += status == 200

        await asyncio.gather(*(keep_asking() for _ in range(8)))
        saturation = served / seconds
        print(f"8 clients in a closed loop: {saturation:.0f} texts/s")

        gap, asked = 1 / (2 * saturation), []
        began = time.perf_counter()
        for number in range(int(2 * saturation * seconds)):
            await asyncio.sleep(max(0, began + number * gap - time.perf_counter()))
            asked.append(asyncio.create_task(ask(some[number % 64])))
        answers = await asyncio.gather(*asked)
        good = [taken * 1000 for status, taken in answers if status == 200]
        shed = sum(status == 503 for status, _ in answers)
        print(
            f"twice that, open loop: {len(good) / seconds:.0f} texts/s served, {_of(good)}; "
            f"{shed / len(answers):.0%} shed with 503, {len(answers) - len(good) - shed} failed"
        )


def _of(milliseconds: list[float]) -> str:
    p95 = statistics.quantiles(milliseconds, n=20)[18]
    return f"p50 {statistics.median(milliseconds):.1f} ms, p95 {p95:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1, help="cores")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "int8"])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each load")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        throughput(Path(folder), options.threads, options.precision)
        with service(Path(folder), options.threads, options.precision) as (url, process):
            asyncio.run(through_the_service(url, options.seconds))
            print(f"memory after that {process.memory_info().rss >> 20} MiB")


if __name__ == "__main__":
    main()
