"""Evidently's real service, and what a real child process found and sent there: one start for all tests."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gateway.adapters.evidently.engine import EvidentlyEngine
from gateway.drift.facts import Compared
from tests.worker.drift.traffic import World, comparison, traffic

PROJECT = "drift of the tests"
STARTS_S = 240.0  # on a busy machine; alone 15 s
HARMFUL = "</script><script>harm()</script>"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Two of BLAS on a busy machine wait for each other, and 20 s become minutes."""
    with threadpool_limits(1):
        yield


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `evidently ui`."""
    folder = tmp_path_factory.mktemp("evidently")
    port = free_port()
    command = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", str(folder / "workspace")]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with (folder / "ui.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"DO_NOT_TRACK": "1"})
    try:
        give_up = time.monotonic() + STARTS_S
        while True:
            assert process.poll() is None, (folder / "ui.log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/version", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < give_up
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@dataclass(frozen=True)
class Pushed:
    alike: Compared
    drifted: Compared
    warnings: list[str]


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(scope="session")
def pushed(service: str) -> Pushed:
    """Two runs of one model. In the second one, scores are lower, and confidence is missing."""
    chance = np.random.default_rng(3)
    reference = traffic(World(), 600, chance)
    reference["label"] = [HARMFUL if one == "pass" else one for one in reference["label"]]
    current = traffic(World(), 300, chance) | {"label": reference["label"][:300]}
    lower = traffic(World(lower_score=0.2, constant={"confidence": None}), 300, chance)
    lower["label"] = reference["label"][300:]

    async def compared() -> list[Compared]:
        engine = EvidentlyEngine(STARTS_S, service, PROJECT)
        return [await engine.compare(comparison(reference, one)) for one in (current, lower)]

    kept = _Kept()
    logging.getLogger("gateway").addHandler(kept)
    try:
        alike, drifted = asyncio.run(compared())
    finally:
        logging.getLogger("gateway").removeHandler(kept)
    return Pushed(alike, drifted, kept.messages)
