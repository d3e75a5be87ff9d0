"""Where the gateway keeps things goes away: disk, SQLite, PostgreSQL. Each with the behaviour that its page
describes, nothing lost, and a health page that tells the truth."""

import asyncio
import os
import resource
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from chaos import asks
from chaos.board import Mode
from chaos.load import Load
from chaos.processes import NotThere, until
from chaos.rows.deaths import batch_is_over, counts, posted, results
from chaos.stage import Gateway, Stage
from chaos.verdict import Row

_SEEN_S = 25.0  # status looks every 15 s, each within 2 s
_BACK_S = 30.0
_FULL_BYTES = 4096
_KEPT = 5


async def _graded(gateway: Gateway, text: str) -> tuple[int, str]:
    """Status, and the error's code."""
    status, body = await gateway.client.body(asks.grade(text))
    return status, str(orjson.loads(body).get("code", "")) if body else ""


async def _kept(gateway: Gateway) -> list[str]:
    """Gives some grades; their ids."""
    for number in range(_KEPT):
        await _graded(gateway, f"Plants need light, {number} times.")
    return await _listed(gateway)


async def _listed(gateway: Gateway) -> list[str]:
    """Ids of all grades that can be read."""
    return [one["id"] for one in (await gateway.json("/v1/grades?limit=100")).get("data", ())]


async def _store_seen(gateway: Gateway, state: str) -> bool:
    async def holds() -> bool:
        return await gateway.service("store") == state

    try:
        await until(holds, _SEEN_S, f"the store is {state}")
    except NotThere:
        return False
    return True


async def _store_down(
    row: Row, gateway: Gateway, name: str, back: Callable[[], Awaitable[None]], kept: list[str]
) -> None:
    """The store is gone already; `back` brings it back."""
    status, code = await _graded(gateway, f"Water and light, said while {name}.")
    row.equal(f"{name}: grading", f"{status} {code}", "503 store_unavailable")
    chats = await Load(asks.chat, 20.0, lambda: gateway.client).run(3.0)
    row.equal(f"{name}: chats that failed", sum(not one.is_good for one in chats), 0)
    row.holds(f"{name}: the status page says so", holds=await _store_seen(gateway, "down"))
    row.equal(f"{name}: alive", await gateway.status_of("/-/healthz"), 200)
    await back()

    async def grades_again() -> bool:
        return (await _graded(gateway, f"Water and light, said while {name}."))[0] == 200

    took = await until(grades_again, _BACK_S, f"{name}: grading goes on")
    row.at_most(f"{name}: grades again after", took, _BACK_S, "s")
    row.holds(f"{name}: the status page says so at the end", holds=await _store_seen(gateway, "up"))
    row.equal(f"{name}: grades given before", len(kept), _KEPT)
    row.equal(f"{name}: of them gone", len(set(kept) - set(await _listed(gateway))), 0)


async def disk(stage: Stage, row: Row) -> None:
    """By RLIMIT_FSIZE of 4 KiB, set from outside: no file can be written beyond that, logs neither. Stricter
    than a full disk, where what is there can be overwritten; and it needs no root."""
    upstream = await stage.upstream()
    gateway = await stage.running_gateway(upstream)
    kept = await _kept(gateway)
    free = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (_FULL_BYTES, free[1]))

    async def back() -> None:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, free)

    await _store_down(row, gateway, "disk full", back, kept)


async def locked(stage: Stage, row: Row) -> None:
    """Another process holds SQLite's lock."""
    upstream = await stage.upstream()
    gateway = await stage.running_gateway(upstream, DATABASE_TIMEOUT_S="2")
    kept = await _kept(gateway)
    store = sqlite3.connect(stage.folder / "gateway" / "store.db", isolation_level=None)
    store.execute("BEGIN IMMEDIATE")

    async def back() -> None:
        store.execute("ROLLBACK")
        store.close()

    await _store_down(row, gateway, "SQLite locked", back, kept)


async def database(stage: Stage, row: Row) -> None:
    """PostgreSQL stops at once, in the middle of a batch, and comes back."""
    postgres = await asyncio.to_thread(_Postgres, stage)
    try:
        upstream = await stage.upstream()
        changes = {"DATABASE_URL": postgres.url, "GRADE_LEASE_S": "3", "DATABASE_TIMEOUT_S": "2"}
        gateway = await stage.running_gateway(upstream, **changes)
        kept = await _kept(gateway)
        items = stage.scale.batch_items
        await upstream.break_by(Mode.SLOW)
        batch = await posted(gateway, items)
        await asyncio.sleep(1.0)
        done = (await counts(gateway, batch))["completed"]
        await asyncio.to_thread(postgres.stop)
        row.at_most("items of the batch graded when it stopped", done, items - 1)
        await upstream.heal()

        async def back() -> None:
            await asyncio.to_thread(postgres.start)

        await _store_down(row, gateway, "PostgreSQL stopped", back, kept)
        await batch_is_over(gateway, batch)
        found = await results(gateway, batch)
        row.equal("items of the batch with a grade", sum("grade_id" in one for one in found), items)
        grades = {one["grade_id"] for one in found if "grade_id" in one}
        row.equal("their grades, each one's own", len(grades), items)
    finally:
        await asyncio.to_thread(postgres.close)


class _Postgres:
    """A server on a socket in a folder, from pgserver's wheel."""

    def __init__(self, stage: Stage) -> None:
        folder = stage.folder / "runtime"
        folder.mkdir(mode=0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # its import warns without one
        import pgserver  # no part of a typed library; makes folders when it is imported

        library: Any = pgserver
        self._server = library.get_server(stage.folder / "pg", cleanup_mode="stop")
        self._control = library.pg_ctl
        self.url = self._server.get_uri()

    def stop(self) -> None:
        self._control(
            ["-m", "immediate", "-w", "stop"], pgdata=self._server.pgdata, user=self._server.system_user
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()
