"""The training worker dies in the middle, and its tracker is not there: each job ends once, by whoever lives.

Needs the worker's environment (`python3 -m scripts.bootstrap worker`) beside this one.
"""

import asyncio
import random

import orjson
import psutil  # type: ignore[import-untyped]

from chaos import asks
from chaos.load import Load
from chaos.processes import ROOT, NotThere, Process, free_port, until
from chaos.stage import Gateway, Stage, Upstream
from chaos.verdict import Row

_PYTHON = ROOT / ".venv-worker" / "bin" / "python"
_OVER_S = 600.0  # a fit is nice to others: on a busy machine its process takes minutes to start


async def worker_killed(stage: Stage, row: Row) -> None:
    upstream = await stage.upstream()
    gateway = await stage.running_gateway(upstream, MODEL_POLL_S="0.5")
    tracker = f"sqlite:///{stage.folder}/mlflow.db"
    first = _worker(stage, upstream, "first", tracker)
    first.start()
    job = await _trained(gateway, 40_000, {"n_estimators": 200, "max_depth": 10}, "random_forest")
    await _until_stage(gateway, job, "fitting")
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    row.equal("predictions meanwhile", (await gateway.client.body(_PREDICT))[0], 200)
    second = _worker(stage, upstream, "second", tracker)
    second.start()
    ended = await _over(gateway, job)
    row.equal("the job", ended["status"], "succeeded")
    row.equal("its attempts", ended["attempts"], 2)
    versions = await gateway.json("/v1/models/chaos/versions")
    row.equal("versions that it made", len(versions.get("data", ())), 1)
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, 10)
    row.equal("processes of the first one that are left", len(alive), 0)


async def tracker_down(stage: Stage, row: Row) -> None:
    upstream = await stage.upstream()
    gateway = await stage.running_gateway(upstream, MODEL_POLL_S="0.5")
    port = free_port()
    worker = _worker(stage, upstream, "worker", f"http://127.0.0.1:{port}")
    worker.start()
    job = await _trained(gateway, 500, {}, "logistic_regression")
    await _until_stage(gateway, job, "registering")
    await asyncio.sleep(5.0)
    waiting = await gateway.json(f"/v1/training-jobs/{job}")
    row.equal("without the tracker: the job", waiting["status"], "running")
    row.equal("without the tracker: predictions", (await gateway.client.body(_PREDICT))[0], 200)
    row.equal("without the tracker: the worker", await gateway.service("worker"), "up")
    chats = await Load(asks.chat, 20.0, lambda: gateway.client).run(2.0)
    row.equal("without the tracker: chats that failed", sum(not one.is_good for one in chats), 0)
    mlflow = [str(_PYTHON), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    places = ["--backend-store-uri", f"sqlite:///{stage.folder}/mlflow.db", "--workers", "1"]
    artifacts = ["--artifacts-destination", str(stage.folder / "artifacts")]
    tracker = Process("mlflow", [*mlflow, *places, *artifacts], stage.folder / "mlflow.log")
    stage.closes(tracker)
    tracker.start()
    ended = await _over(gateway, job)
    row.equal("with the tracker: the job", ended["status"], "succeeded")
    row.equal("with the tracker: its attempts", ended["attempts"], 1)
    versions = await gateway.json("/v1/models/chaos/versions")
    row.equal("versions that it made", len(versions.get("data", ())), 1)


_PREDICT = asks.ask("predict", "POST", "/predict", {"TX_AMOUNT": 12.5})


def _worker(stage: Stage, upstream: Upstream, name: str, tracker: str) -> Process:
    if not _PYTHON.exists():
        raise NotThere("the worker's environment is not installed: python3 -m scripts.bootstrap worker")
    settings = {
        **stage.settings(upstream, "gateway"),
        "TRAINING_DIR": str(stage.folder / f"scratch-{name}"),
        "TRAINING_LEASE_S": "5",
        "MLFLOW_TRACKING_URI": tracker,
        "MLFLOW_ARTIFACTS": str(stage.folder / "mlruns"),
        "REGISTRY_SYNC_S": "2",
        "REGISTRY_TIMEOUT_S": "60",
    }
    made = Process(name, [str(_PYTHON), "-m", "gateway", "worker"], stage.folder / f"{name}.log", settings)
    stage.closes(made)
    return made


async def _trained(gateway: Gateway, rows: int, hyperparameters: dict[str, int], model_class: str) -> str:
    """A job's id."""
    draw = random.Random(rows)
    xs = [draw.gauss(0, 1) for _ in range(rows)]
    lines = [f"{x:.4f},{draw.randrange(3)},{'pass' if x > 0 else 'fail'}" for x in xs]
    table = "\n".join(["x,y,label", *lines, ""]).encode()
    upload = asks.ask(
        "upload", "POST", "/v1/datasets?name=chaos&target=label", table, headers={"content-type": "text/csv"}
    )
    status, told = await gateway.client.body(upload)
    if status != 201:
        raise NotThere(f"the table was taken: {status} {told[:200]!r}")
    body = {
        "model": "chaos",
        "model_class": model_class,
        "dataset": "chaos",
        "hyperparameters": hyperparameters,
    }
    status, told = await gateway.client.body(asks.ask("train", "POST", "/v1/training-jobs", body))
    if status != 202:
        raise NotThere(f"the job was taken: {status} {told[:200]!r}")
    return str(orjson.loads(told)["id"])


async def _until_stage(gateway: Gateway, job: str, wanted: str) -> None:
    async def holds() -> bool:
        return bool((await gateway.json(f"/v1/training-jobs/{job}")).get("stage") == wanted)

    await until(holds, _OVER_S, f"the job is {wanted}")


async def _over(gateway: Gateway, job: str) -> dict[str, object]:
    found: dict[str, object] = {}

    async def holds() -> bool:
        found.update(await gateway.json(f"/v1/training-jobs/{job}"))
        return bool(found.get("ended_at"))

    await until(holds, _OVER_S, "the job is over")
    return found
