"""kill -9: of a gateway that grades a batch, and of one of the processes that share a port."""

import asyncio
import sqlite3
from typing import Any

import orjson
import psutil  # type: ignore[import-untyped]

from chaos import asks
from chaos.board import Field, Mode
from chaos.figures import between, from_then_on, tally
from chaos.load import Load
from chaos.processes import NotThere, until
from chaos.stage import Gateway, Stage
from chaos.verdict import Row

_AT_ONCE = 4  # items of a batch in each process
_OVER_S = 120.0


async def posted(gateway: Gateway, items: int) -> str:
    """A batch's id."""
    requests = [
        {
            "id": f"item-{number}",
            "submission": f"Plants need light, water and air, as we saw in lesson number {number}.",
            "question": "What do plants need to grow?",
            "reference_answers": ["Plants need light, water and carbon dioxide to grow."],
        }
        for number in range(items)
    ]
    body = {"requests": requests, "grader": "llm"}
    status, answer = await gateway.client.body(asks.ask("batch", "POST", "/v1/batches", body))
    if status != 202:
        raise NotThere(f"the batch was taken: {status} {answer[:200]!r}")
    return str(orjson.loads(answer)["id"])


async def counts(gateway: Gateway, batch: str) -> dict[str, int]:
    found = await gateway.json(f"/v1/batches/{batch}")
    return dict(found.get("request_counts", {}))


async def batch_is_over(gateway: Gateway, batch: str) -> None:
    async def holds() -> bool:
        return bool((await gateway.json(f"/v1/batches/{batch}")).get("ended_at"))

    await until(holds, _OVER_S, "the batch is over")


async def results(gateway: Gateway, batch: str) -> list[dict[str, Any]]:
    _, body = await gateway.client.body(asks.get(f"/v1/batches/{batch}/results"))
    return [orjson.loads(line) for line in body.splitlines() if line]


async def gateway_killed(stage: Stage, row: Row) -> None:
    items = stage.scale.batch_items
    upstream = await stage.upstream()
    shared = {
        "DATABASE_URL": f"sqlite:///{stage.folder}/shared.db",
        "GRADE_LEASE_S": "3",
        "BATCH_CONCURRENCY": str(_AT_ONCE),
    }
    dies, lives = [await stage.running_gateway(upstream, name, **shared) for name in ("dies", "lives")]
    await dies.client.ask(asks.grade("Plants need light and water, I think."))
    calls = upstream.board[Field.GRADINGS]  # of one grade
    await upstream.break_by(Mode.SLOW)  # 0.6 s an answer: there is a middle to be killed in
    batch = await posted(dies, items)

    async def third() -> bool:
        return (await counts(lives, batch)).get("completed", 0) >= items // 3

    await until(third, _OVER_S, "a third of the batch is graded")
    dies.process.kill()
    row.at_most(
        "items graded when it was killed", (await counts(lives, batch))["completed"], items - _AT_ONCE
    )
    await upstream.heal()
    await batch_is_over(lives, batch)
    found = await results(lives, batch)
    row.equal("items with a grade", sum("grade_id" in one for one in found), items)
    row.equal("items told twice", len(found) - len({one["id"] for one in found}), 0)
    row.equal("grades in the store beside the first", _rows(stage, "grades") - 1, items)
    asked = upstream.board[Field.GRADINGS] - calls
    row.at_most("calls of the model, at most those under way again", asked, (items + _AT_ONCE) * calls)
    row.at_least("calls of the model", asked, items * calls)
    row.equal("the other one's store", await lives.service("store"), "up")


def _rows(stage: Stage, table: str) -> int:
    with sqlite3.connect(f"file:{stage.folder}/shared.db?mode=ro", uri=True) as store:
        return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def process_killed(stage: Stage, row: Row) -> None:
    """One of WORKERS=2."""
    loop = asyncio.get_running_loop()
    upstream = await stage.upstream()
    gateway = await stage.running_gateway(upstream, WORKERS="2", BATCH_CONCURRENCY="0")
    listening = _listening(gateway)
    row.equal("processes that listen", len(listening), 2)
    load = Load(asks.chat, 60.0, stage.client(gateway))
    running = asyncio.create_task(load.run(3600.0))
    await asyncio.sleep(2.0)
    killed = loop.time()
    listening[0].kill()

    async def again() -> bool:
        return len(_listening(gateway)) == 2

    took = await until(again, _OVER_S, "two processes listen again")
    await asyncio.sleep(2.0)
    load.stop()
    await running
    row.at_most("two processes listen again after", took, stage.scale.restarted_s, "s")
    found = between(load.outcomes, killed, loop.time())
    failed = [one for one in load.outcomes if not one.is_good]
    well = from_then_on(found, lambda one: one.is_good, 1.0)
    row.at_most("all good after", None if well is None else well - killed, 1.0, "s")
    row.holds(
        "only answers under way were lost",
        holds=all(one.due < killed + 1.0 for one in failed) and len(failed) <= 10,
        otherwise=tally(failed),
    )
    row.note(tally(load.outcomes))
    gateway.process.ask_to_stop()
    row.equal("exit code at the end", await gateway.process.ended(), 0)


def _listening(gateway: Gateway) -> list[psutil.Process]:
    """The processes that serve its port."""
    found = []
    for process in gateway.process.family():
        try:
            sockets = process.net_connections("tcp")
        except psutil.NoSuchProcess:
            continue  # it ended while we looked
        if any(one.status == psutil.CONN_LISTEN and one.laddr.port == gateway.port for one in sockets):
            found.append(process)
    return found
