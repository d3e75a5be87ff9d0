"""References, comparisons and reports over REST, and what the worker found among the metrics.

Over 250 lines: every way to be refused is listed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift_queue import DatabaseDriftQueue
from gateway.adapters.keyring import add_key
from gateway.adapters.objects import S3
from gateway.adapters.reports import StoredReports
from gateway.domain import Role
from gateway.drift.facts import ColumnDrift, DriftRun, RunState
from tests.gateway.adapters.database.drift_facts import NOON, noted
from tests.gateway.conftest import KEY, Running

HTML = b"<!doctype html><script>document.title = 'drift'</script>"
AN_HOUR_AGO = (datetime.now(UTC) - timedelta(hours=1) - NOON) / timedelta(minutes=1)
NO_REFERENCE, NO_RUN = "ref_" + "0" * 32, "drift_" + "0" * 32


class House:
    """A gateway, and a worker's hands on its store."""

    def __init__(self, running: Running, database: Database, folder: Path, keys: dict[Role, str]) -> None:
        self.running = running
        self.keys = keys
        self.database = database
        self.queue = DatabaseDriftQueue(database)
        self.reports = StoredReports(str(folder / "reports"), S3())

    async def ask(
        self, method: str, path: str, json: Any = None, key: str = KEY, **headers: str
    ) -> tuple[int, Any, Any]:
        """Status, body, headers."""
        told = {"authorization": f"Bearer {key}", **headers}
        body = {"data": json} if isinstance(json, bytes) else {"json": json}
        async with self.running.http.request(method, self.running.url + path, headers=told, **body) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.read()), answer.headers

    async def refused(self, method: str, path: str, body: Any = None) -> Any:
        """What a request that cannot be understood is told."""
        status, told, _ = await self.ask(method, path, body)
        assert (status, told["code"]) == (400, "invalid_request"), (path, body)
        return told

    async def kept(self, model: str = "spam", rows: int = 3) -> Any:
        """A reference over HTTP, of observations of an hour ago."""
        await noted(self.database, model, [AN_HOUR_AGO + row / 60 for row in range(rows)])
        status, kept, _ = await self.ask("POST", "/v1/drift-references", {"model": model})
        assert status == 201, kept
        return kept

    async def asked(self, model: str = "spam") -> Any:
        status, run, _ = await self.ask("POST", "/v1/drift-runs", {"model": model})
        assert status == 202, run
        return run

    async def compared(self, *, drifted: bool = True) -> DriftRun:
        """The worker has found something."""
        run = await self.queue.lease("worker", 60)
        assert run is not None
        column = ColumnDrift("label", "chisquare", 0.001, 0.01, drifted=drifted, rows=120)
        over = replace(
            run,
            state=RunState.SUCCEEDED,
            ended_at=datetime.now(UTC),
            rows=120,
            reference_rows=3,
            drifted=drifted,
            columns=(column,),
            report=await self.reports.put(HTML),
        )
        assert await self.queue.finish(over, "worker")
        return over


@pytest.fixture
async def house(start: Callable[..., Any], tmp_path: Path) -> AsyncIterator[House]:
    roles = (Role.GRADER, Role.TRAINER)
    keys = {role: add_key(tmp_path / "keys.json", role.value, role, None) for role in roles}
    running: Running = await start()
    database = Database(f"sqlite:///{tmp_path}/store.db")
    await database.start()
    yield House(running, database, tmp_path, keys)
    await database.close()


async def test_a_reference_is_kept_listed_and_forgotten(house: House) -> None:
    await noted(house.database, "spam", [AN_HOUR_AGO])
    status, kept, headers = await house.ask("POST", "/v1/drift-references", {"model": "spam"})
    assert status == 201
    assert headers["location"] == f"/v1/drift-references/{kept['id']}"
    expected = {"object": "drift_reference", "model": "spam", "created_by": "settings", "rows": 1}
    assert {name: kept[name] for name in expected} == expected
    assert kept["until"] - kept["since"] == 7 * 86_400
    assert abs(kept["created_at"] - datetime.now(UTC).timestamp()) < 30
    other = await house.kept("other")
    both = {"object": "list", "data": [other, kept], "has_more": False}
    assert (await house.ask("GET", "/v1/drift-references"))[1] == both
    page = (await house.ask("GET", "/v1/drift-references?limit=1"))[1]
    assert (page["data"], page["has_more"]) == ([other], True)
    assert (await house.ask("GET", "/v1/drift-references?model=spam"))[1]["data"] == [kept]
    status, body, _ = await house.ask("DELETE", f"/v1/drift-references/{kept['id']}")
    assert (status, body) == (204, b"")
    assert (await house.ask("DELETE", f"/v1/drift-references/{kept['id']}"))[0] == 404


async def test_the_twenty_first_reference_of_a_model_is_refused(house: House) -> None:
    await noted(house.database, "spam", [AN_HOUR_AGO])
    first, *_ = [(await house.ask("POST", "/v1/drift-references", {"model": "spam"}))[1] for _ in range(20)]
    status, body, _ = await house.ask("POST", "/v1/drift-references", {"model": "spam"})
    assert (status, body["code"]) == (409, "conflict")
    await noted(house.database, "other", [AN_HOUR_AGO])
    assert (await house.ask("POST", "/v1/drift-references", {"model": "other"}))[0] == 201
    assert (await house.ask("DELETE", f"/v1/drift-references/{first['id']}"))[0] == 204
    assert (await house.ask("POST", "/v1/drift-references", {"model": "spam"}))[0] == 201


async def test_a_window_is_told_in_iso_or_in_seconds(house: House) -> None:
    await noted(house.database, "spam", range(10))
    noon = int(NOON.timestamp())
    for since, until in (
        ("2026-03-01T12:02:00Z", "2026-03-01T12:05:00"),
        ("2026-03-01T15:02:00+03:00", noon + 300),
        (noon + 120, noon + 300.0),
    ):
        ask = {"model": "spam", "since": since, "until": until}
        _, kept, _ = await house.ask("POST", "/v1/drift-references", ask)
        assert (kept["since"], kept["until"], kept["rows"]) == (noon + 120, noon + 300, 3)


async def test_a_run_is_queued_followed_and_read(house: House) -> None:
    kept = await house.kept()
    status, run, headers = await house.ask("POST", "/v1/drift-runs", {"model": "spam", "window_hours": 2})
    assert status == 202
    assert headers["location"] == f"/v1/drift-runs/{run['id']}"
    assert run == {
        "id": run["id"], "object": "drift_run", "model": "spam", "reference_id": kept["id"],
        "since": run["until"] - 7200, "until": run["created_at"], "created_at": run["created_at"],
        "created_by": "settings", "status": "queued", "started_at": None, "ended_at": None, "rows": None,
        "reference_rows": None, "drifted": None, "columns": [], "has_report": False, "error": None,
    }  # fmt: skip
    assert (await house.asked())["id"] == run["id"]  # it waits already
    assert (await house.ask("GET", f"/v1/drift-runs/{run['id']}"))[1] == run
    status, told, _ = await house.ask("GET", f"/v1/drift-runs/{run['id']}/report")
    assert (status, told["code"]) == (404, "not_found")
    status, told, _ = await house.ask("DELETE", f"/v1/drift-references/{kept['id']}")
    assert (status, told["code"]) == (409, "conflict")
    await house.compared()
    _, over, _ = await house.ask("GET", f"/v1/drift-runs/{run['id']}")
    assert (over["status"], over["drifted"], over["has_report"], over["rows"]) == (
        "succeeded",
        True,
        True,
        120,
    )
    assert over["columns"] == [
        {"column": "label", "method": "chisquare", "score": 0.001, "threshold": 0.01, "drifted": True,
         "rows": 120}
    ]  # fmt: skip
    later = await house.asked()
    _, page, _ = await house.ask("GET", "/v1/drift-runs?limit=1")
    assert page == {"object": "list", "data": [later], "has_more": True}
    _, page, _ = await house.ask("GET", f"/v1/drift-runs?model=spam&after={later['id']}")
    assert page == {"object": "list", "data": [over], "has_more": False}


async def test_a_report_is_a_page_that_may_only_draw(house: House) -> None:
    await house.kept()
    path = f"/v1/drift-runs/{(await house.asked())['id']}/report"
    run = await house.compared()
    status, html, headers = await house.ask("GET", path)
    assert (status, html) == (200, HTML)
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"].split("; ")
    assert policy[:2] == ["sandbox allow-scripts", "default-src 'none'"]
    assert "http" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert headers["etag"] == f'"{run.report}"'
    status, html, headers = await house.ask("GET", path, **{"if-none-match": f'"{run.report}"'})
    assert (status, html, headers["etag"]) == (304, b"", f'"{run.report}"')
    assert run.report is not None
    await house.reports.delete(run.report)
    status, told, _ = await house.ask("GET", path)
    assert (status, told["message"]) == (404, "The report is not kept any more.")


async def test_models_are_listed_with_what_was_found(house: House) -> None:
    assert (await house.ask("GET", "/v1/drift"))[1] == {"object": "list", "data": []}
    kept = await house.kept()
    await noted(house.database, "chat", [AN_HOUR_AGO])
    await house.asked()
    run = await house.compared()
    _, told, _ = await house.ask("GET", "/v1/drift")
    seen, compared = told["data"]
    at = int((NOON + timedelta(minutes=AN_HOUR_AGO)).timestamp())
    nothing = {"reference": None, "last_run": None, "last_finding": None}
    assert seen == {"model": "chat", "rows": 1, "oldest": at, "newest": at, **nothing}
    assert (compared["model"], compared["rows"], compared["reference"]) == ("spam", 3, kept)
    assert compared["last_run"] == (await house.ask("GET", f"/v1/drift-runs/{run.id}"))[1]
    assert compared["last_finding"] == compared["last_run"]


async def test_what_the_worker_found_is_a_metric_soon(
    house: House,
) -> None:
    await house.kept()
    await house.asked()
    await house.compared()
    house.running.services.drifting.look()
    async with asyncio.timeout(30):
        while 'gateway_drift_alarm{model="spam"} 1.0' not in (text := await _metrics(house)):
            await asyncio.sleep(0.02)
    assert 'gateway_drift_score{column="label",model="spam"} 0.001' in text
    assert 'gateway_drift_threshold{column="label",model="spam"} 0.01' in text


async def _metrics(house: House) -> str:
    text: str = (await house.running.get("/metrics"))[1]
    return text


PATHS = [
    ("GET", "/v1/drift", None),
    ("GET", "/v1/drift-references", None),
    ("POST", "/v1/drift-references", {"model": "spam"}),
    ("POST", "/v1/drift-references", b"{broken"),
    ("DELETE", f"/v1/drift-references/{NO_REFERENCE}", None),
    ("GET", "/v1/drift-runs", None),
    ("POST", "/v1/drift-runs", {"model": "spam"}),
    ("GET", f"/v1/drift-runs/{NO_RUN}", None),
    ("GET", f"/v1/drift-runs/{NO_RUN}/report", None),
]


async def test_only_who_oversees_may_look_or_ask(house: House) -> None:
    for method, path, body in PATHS:
        status, told, _ = await house.ask(method, path, body, key=house.keys[Role.GRADER])
        assert (status, told["code"]) == (403, "forbidden"), path
        assert (await house.ask(method, path, body, key="wrong"))[0] == 401
        assert (await house.ask(method, path, body, key=house.keys[Role.TRAINER]))[0] not in (401, 403)


NOW = int(datetime.now(UTC).timestamp())


ODD_REFERENCES = [
    ({}, "model"),
    ({"model": ""}, "model"),
    ({"model": "a\0b"}, "model"),
    ({"model": "x" * 201}, "model"),
    ({"model": ["spam"]}, "model"),
    ({"model": "spam", "since": "yesterday"}, "since"),
    ({"model": "spam", "since": "10000-01-01"}, "since"),
    ({"model": "spam", "since": "0001-01-01T00:00+10:00"}, "since"),
    ({"model": "spam", "since": 1e300}, "since"),
    ({"model": "spam", "since": -(10**15)}, "since"),
    ({"model": "spam", "since": True}, "since"),
    ({"model": "spam", "since": NOW, "until": NOW - 60}, "since"),
    ({"model": "spam", "since": NOW - 60, "until": NOW - 60}, "since"),
    ({"model": "spam", "since": NOW - 367 * 86_400}, "since"),
    ({"model": "spam", "until": NOW + 3600}, "until"),
    ({"model": "spam", "until": "9999-12-31T23:59:59-10:00"}, "until"),
    ({"model": "spam", "days": 7}, "request"),
]


async def test_nonsense_of_a_reference_is_named(house: House) -> None:
    for body, field in ODD_REFERENCES:
        told = await house.refused("POST", "/v1/drift-references", body)
        assert told["details"] == [{"field": field}], body
        assert "spam" not in told["message"]


ODD_RUNS = [
    ({"window_hours": 1}, "model"),
    ({"model": "spam", "window_hours": 0}, "window_hours"),
    ({"model": "spam", "window_hours": -1}, "window_hours"),
    ({"model": "spam", "window_hours": 8785}, "window_hours"),
    ({"model": "spam", "window_hours": 1e308}, "window_hours"),
    ({"model": "spam", "window_hours": "24"}, "window_hours"),
    ({"model": "spam", "window_hours": True}, "window_hours"),
    ({"model": "spam", "hours": 1}, "request"),
]


async def test_nonsense_of_a_run_is_named(house: House) -> None:
    for body, field in ODD_RUNS:
        told = await house.refused("POST", "/v1/drift-runs", body)
        assert told["details"] == [{"field": field}], body


async def test_what_is_no_object_is_refused(house: House) -> None:
    for body in (b"", b"[]", b'{"model": "spam", "window_hours": NaN}', b"\xff"):
        for path in ("/v1/drift-runs", "/v1/drift-references"):
            await house.refused("POST", path, body)


ODD_LISTS = [
    ("/v1/drift-references?limit=0", "limit"),
    ("/v1/drift-references?limit=-1", "limit"),
    ("/v1/drift-references?model=a%00b", "model"),
    ("/v1/drift-runs?limit=201", "limit"),
    ("/v1/drift-runs?limit=many", "limit"),
    ("/v1/drift-runs?model=", "model"),
    ("/v1/drift-runs?after=x%00", "after"),
    (f"/v1/drift-runs?after={NO_RUN}", "after"),
]


async def test_nonsense_of_a_list_is_named(house: House) -> None:
    for path, field in ODD_LISTS:
        told = await house.refused("GET", path)
        assert told["details"] == [{"field": field}], path


async def test_what_is_not_there_is_404_or_409(house: House) -> None:
    for method, path in (
        ("GET", f"/v1/drift-runs/{NO_RUN}"),
        ("GET", "/v1/drift-runs/x%00"),
        ("GET", f"/v1/drift-runs/{NO_RUN}/report"),
        ("DELETE", f"/v1/drift-references/{NO_REFERENCE}"),
        ("DELETE", "/v1/drift-references/..%2f"),
    ):
        assert (await house.ask(method, path))[0] == 404
    status, told, _ = await house.ask("POST", "/v1/drift-references", {"model": "never seen"})
    assert (status, told["code"]) == (404, "not_found")
    status, told, _ = await house.ask("POST", "/v1/drift-runs", {"model": "never seen"})
    assert (status, told["code"], told["details"]) == (409, "conflict", [{"field": "model"}])
    assert "keep one first" in told["message"]


async def test_a_store_that_is_down_is_503(house: House, tmp_path: Path) -> None:
    await house.kept()
    path = f"/v1/drift-runs/{(await house.asked())['id']}/report"
    await house.compared()
    for report in (tmp_path / "reports").iterdir():
        report.unlink()
    (tmp_path / "reports").rmdir()
    (tmp_path / "reports").write_text("")
    status, told, _ = await house.ask("GET", path)
    assert (status, told["message"]) == (503, "The store of reports cannot be used.")
    (tmp_path / "store.db").rename(tmp_path / "elsewhere.db")
    for asked in ("/v1/drift", "/v1/drift-references", "/v1/drift-runs", path):
        status, told, _ = await house.ask("GET", asked)
        assert (status, told["code"]) == (503, "store_unavailable")
    (tmp_path / "elsewhere.db").rename(tmp_path / "store.db")
