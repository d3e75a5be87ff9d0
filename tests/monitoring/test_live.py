"""A real Prometheus scrapes a running gateway: every query of the dashboard gives figures, and an alert
reaches a person's webhook through a real Alertmanager."""

import asyncio
import math
import re
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway import status
from gateway.adapters.database.database import Database
from tests.fakes import FakeAnalyzer, listening
from tests.gateway.conftest import KEY, Running
from tests.monitoring.promtools import MONITORING, SECRETS, panel_queries, program
from tests.monitoring.watched import PLACES, Day, embedded, embeddings_metrics, lines_of, with_detector

WITHIN_S = 60.0  # of a busy machine; 15 s of an idle one
QUERIES = panel_queries()
# What is empty while all is well, and why; each is then provoked.
SILENT = {
    "Traffic: Errors by code": "nobody was refused",
    "Traffic: Share of 5xx by route": "nothing failed",
    "Models: Calls that failed, by model": "no model failed",
    "Saturation and queues: Turned away": "there was always a place",
    "Grading: By another grader": "each grader answered",
    "Keys: Refused, by key": "nobody was refused",
    "Keys: Refused, by reason": "nobody was refused",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running_program(folder: Path, name: str, *arguments: str, ready: str) -> AsyncIterator[None]:
    """Until the block ends; `ready` is an address that answers 200 when it is."""
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program(name), *arguments, stdout=log, stderr=log, cwd=folder
        )
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(WITHIN_S):
            while not await _answers(http, ready):
                assert process.returncode is None, lines_of(folder)
                await asyncio.sleep(0.1)
        yield
    finally:
        process.terminate()
        await process.wait()


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def deploy(folder: Path, gateway: str, embeddings: str, alertmanager: int, webhook: str) -> None:
    """monitoring/ as a deployment has it, with this test's addresses, and everything once a second."""
    shutil.copytree(MONITORING, folder)
    (folder / "secrets").mkdir()
    for secret in SECRETS:
        (folder / "secrets" / secret).write_text(KEY)

    def change(file: str, *pairs: tuple[str, str]) -> None:
        text = (folder / file).read_text()
        for old, new in pairs:
            assert old in text, (file, old)
            text = text.replace(old, new)
        (folder / file).write_text(text)

    change(
        "prometheus.yml",
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("evaluation_interval: 30s", "evaluation_interval: 1s"),
        ("gpt_service:38300", gateway.removeprefix("http://")),
        ("embeddings:8081", embeddings.removeprefix("http://")),
        ("alertmanager:9093", f"127.0.0.1:{alertmanager}"),
    )
    change("rules/slo.yml", ("interval: 30s", "interval: 1s"))
    change(
        "alertmanager.yml",
        ("https://alerts.example.org/gateway", webhook),
        ("group_wait: 10s", "group_wait: 1s"),
    )


class Prometheus:
    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http

    async def figures(self, expr: str) -> list[float]:
        """What a query gives now, NaN left out; a dashboard's variables are all of everything."""
        for name, value in (("$__rate_interval", "15s"), ("$route", ".*"), ("$model", ".*")):
            expr = expr.replace(name, value)
        assert "$" not in expr
        body = await self._asked("query", query=expr)
        assert body["status"] == "success", (expr, body)
        values = [float(series["value"][1]) for series in body["data"]["result"]]
        return [value for value in values if not math.isnan(value)]

    async def empty(self, queries: list[tuple[str, str]]) -> set[tuple[str, str]]:
        found = await asyncio.gather(*(self.figures(expr) for _, expr in queries))
        return {query for query, figures in zip(queries, found, strict=True) if not figures}

    async def values_of(self, label: str, match: str) -> list[str]:
        body = await self._asked(f"label/{label}/values", **{"match[]": match})
        return list(body["data"])

    async def _asked(self, path: str, **parameters: str) -> Any:
        async with self._http.get(f"{self._url}/api/v1/{path}", params=parameters) as response:
            return await response.json()


@pytest.fixture
async def webhook() -> AsyncIterator[tuple[str, list[Any]]]:
    """Where alerts arrive, with the key that came along."""
    arrived: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        arrived.append((request.headers["authorization"], await request.json()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/gateway", take)
    async with listening(app) as url:
        yield f"{url}/gateway", arrived


def fast_burns(arrived: list[Any]) -> list[Any]:
    alerts = [alert for _, told in arrived for alert in told["alerts"]]
    return [alert for alert in alerts if alert["labels"]["alertname"] == "SloBurnsFast"]


@pytest.mark.timeout(180)
async def test_every_query_of_the_dashboard_gives_figures_and_an_alert_arrives(
    start: Callable[..., Any],
    tmp_path: Path,
    webhook: tuple[str, list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program("prometheus"), program("prometheus-alertmanager")
    monkeypatch.setattr(status, "_EVERY_S", 1.0)
    running: Running = await start(
        FakeAnalyzer({"Anna": "PERSON"}), embeddings=with_detector(), max_in_flight=PLACES, llm_timeout_s=5.0
    )
    running.services.status.start()
    database = Database(f"sqlite:///{tmp_path}/store.db")
    folder, (address, arrived) = tmp_path / "monitoring", webhook
    prometheus, alertmanager = free_port(), free_port()
    async with (
        Day.of(running, database) as day,
        embeddings_metrics() as (embeddings, observer),
        aiohttp.ClientSession() as http,
    ):
        deploy(folder, running.url, embeddings, alertmanager, address)
        async with (
            running_program(
                folder,
                "prometheus-alertmanager",
                "--config.file=alertmanager.yml",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
                "--storage.path=alerts",
                ready=f"http://127.0.0.1:{alertmanager}/-/ready",
            ),
            running_program(
                folder,
                "prometheus",
                "--config.file=prometheus.yml",
                f"--web.listen-address=127.0.0.1:{prometheus}",
                "--storage.tsdb.path=data",
                ready=f"http://127.0.0.1:{prometheus}/-/ready",
            ),
        ):
            seen = Prometheus(f"http://127.0.0.1:{prometheus}", http)
            compared = False
            empty, until = set(QUERIES), time.monotonic() + WITHIN_S
            while {title for title, _ in empty} - SILENT.keys() and time.monotonic() < until:
                embedded(observer)
                await day.goes_well()
                compared = compared or await day.is_compared()
                await asyncio.sleep(0.5)
                empty = await seen.empty(QUERIES)
            assert {title for title, _ in empty} == SILENT.keys(), "what is silent though all is well"
            until = time.monotonic() + WITHIN_S
            while (empty or not fast_burns(arrived)) and time.monotonic() < until:
                embedded(observer)
                await day.goes_well()
                await day.goes_badly()
                await asyncio.sleep(0.5)
                empty &= await seen.empty(QUERIES)
            assert empty == set(), "what is silent though it was provoked"
            assert fast_burns(arrived), lines_of(folder)
            assert len(await seen.values_of("route", "gateway_requests_total")) > 3
            choice = '{__name__=~"gateway_model_requests_total|gateway_drift_run_timestamp_seconds"}'
            assert {"spam", "tiny"} <= set(await seen.values_of("model", choice))
    assert {key for key, _ in arrived} == {f"Bearer {KEY}"}
    alert = fast_burns(arrived)[0]
    assert alert["labels"]["severity"] == "critical"
    assert re.search(r"^[\d.]+% of the last hour was bad", alert["annotations"]["description"])
    assert alert["annotations"]["runbook_url"] == "docs/monitoring.md#sloburnsfast"
