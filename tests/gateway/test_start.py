"""What the gateway process loads, and how soon it answers."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HEAVY = (
    "torch",
    "pandas",
    "sklearn",
    "transformers",
    "spacy",
    "presidio_analyzer",
    "slovnet",
    "navec",
    "numpy",
    "mlflow",
)


def test_serving_a_request_loads_nothing_heavy() -> None:
    """A whole masked request through wiring, door and pipeline, and then a look at what was imported."""
    program = f"""
import asyncio, sys
from gateway.settings import Settings
from gateway.wiring import assembled
from gateway.adapters.database.database import Database
from gateway.adapters.metrics import Metrics
from gateway.adapters.tracing import NO_TRACES
from gateway.backends import backends_of
from gateway.rest.page import VERSION
from tests.fakes import FakeAnalyzer, FakeUpstream, serving
import aiohttp
import gateway.app, gateway.cli, gateway.commands.serve

async def main():
    upstream = FakeUpstream()
    async with upstream.running() as url:
        settings = Settings(api_key="k", api_keys_file="/nonexistent/k", llm_url=url)
        metrics = Metrics(VERSION)
        backends = backends_of(settings, NO_TRACES, metrics)
        nowhere = Database("sqlite:////nonexistent/db")
        made = assembled(settings, metrics, backends, FakeAnalyzer({{"Anna": "PERSON"}}), nowhere, None)
        async with serving(made.app) as door, aiohttp.ClientSession() as http:
            body = {{"model": "tiny", "messages": [{{"role": "user", "content": "I am Anna"}}]}}
            headers = {{"authorization": "Bearer k"}}
            async with http.post(door + "/v1/chat/completions", json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
        await backends.close()

asyncio.run(main())
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_ready_within_three_seconds_without_the_ner_model(tmp_path: Path) -> None:
    """From the start of the process to a masked answer, with the person-name model switched off."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PORT": str(port),
        "RPC_PORT": "0",
        "API_KEY": "k",
        "MASK_NAMES": "false",
        "API_KEYS_FILE": str(tmp_path / "keys.json"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'store.db'}",
        "LLM_URL": "http://127.0.0.1:9",
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve"], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        seconds = _seconds_until_masking_works(port, began)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert seconds < 3.0


def _seconds_until_masking_works(port: int, began: float) -> float:
    """Masking comes first on the line, so the refusal turns from masking to the model server that is down."""
    while time.monotonic() - began < 30:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/readyz", timeout=5)
        except urllib.error.HTTPError as refusal:
            if b"backend_unavailable" in refusal.read():
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError("masking did not start")
