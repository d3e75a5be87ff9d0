"""Redis or S3 goes away: everybody is let in, and what is loaded goes on."""

import asyncio
import shutil

import orjson

from chaos import asks
from chaos.figures import p, tally
from chaos.load import Load
from chaos.processes import ROOT, NotThere, Process, free_port, python, until
from chaos.stage import Gateway, Stage
from chaos.verdict import Row

_BACK_S = 30.0


async def redis(stage: Stage, row: Row) -> None:
    """Limits that processes share: without Redis everybody is let in, and that is told."""
    program = shutil.which("redis-server")
    if program is None:
        raise NotThere("redis-server is not installed")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = Process("redis", [*command, "--dir", str(stage.folder)], stage.folder / "redis.log")
    stage.closes(server)
    server.start()
    upstream = await stage.upstream()
    changes = {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "REQUESTS_PER_MINUTE": "60"}
    both = [await stage.running_gateway(upstream, name, **changes) for name in ("left", "right")]
    statuses = [await both[n % 2].status_of("/v1/models") for n in range(80)]
    row.holds(
        "one limit for both",
        holds=statuses.count(429) >= 15 and statuses.count(200) <= 65,
        otherwise=f"{statuses.count(200)} let in, {statuses.count(429)} refused",
    )
    server.kill()
    await asyncio.sleep(1.2)
    turn = iter(range(1 << 30))
    load = Load(lambda _: asks.get("/v1/models"), 50.0, lambda: both[next(turn) % 2].client)
    found = await load.run(4.0)
    row.equal("without Redis: requests that failed", sum(not one.is_good for one in found), 0)
    row.at_most("without Redis: p99", p(0.99, found), 0.35, "s")
    row.note(f"without Redis: {tally(found)}, p50 {p(0.5, found) * 1000:.1f} ms")
    told = await both[0].metric("gateway_limits_unavailable_total")
    row.at_least("without Redis: told by its metric", told, 1)
    server.start()

    async def counts_again() -> bool:
        return await both[0].status_of("/v1/models") == 429

    row.at_most(
        "with Redis again: counts after", await until(counts_again, _BACK_S, "it counts"), _BACK_S, "s"
    )


async def s3(stage: Stage, row: Row) -> None:
    """Models that are loaded go on; others are there again when S3 is."""
    port = free_port()
    server = Process(
        "s3", python("-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)), stage.folder / "s3.log"
    )
    stage.closes(server)
    server.start()
    await asyncio.to_thread(_filled, port)
    upstream = await stage.upstream()
    changes = {
        "FRAUD_MODEL_URL": "s3://models/fraud.onnx",
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "S3_ACCESS_KEY_ID": "key",
        "S3_SECRET_ACCESS_KEY": "secret",
    }
    early = await stage.running_gateway(upstream, "early", **changes)

    async def predicts(gateway: Gateway) -> bool:
        return (await Load(asks.predict, 50.0, lambda: gateway.client).run(0.1)) != [] and (
            await gateway.client.body(_PREDICT)
        )[0] == 200

    await until(lambda: predicts(early), _BACK_S, "the model has come from S3")
    server.kill()
    found = await Load(asks.predict, 50.0, lambda: early.client).run(5.0)
    row.equal(
        "without S3: predictions of a loaded model that failed", sum(not one.is_good for one in found), 0
    )
    late = await stage.running_gateway(upstream, "late", **changes)
    status, body = await late.client.body(_PREDICT)
    row.equal(
        "begun without S3: predictions", f"{status} {orjson.loads(body)['code']}", "503 model_unavailable"
    )
    chats = await Load(asks.chat, 20.0, lambda: late.client).run(2.0)
    row.equal("begun without S3: chats that failed", sum(not one.is_good for one in chats), 0)
    server.start()
    await asyncio.to_thread(_filled, port)
    took = await until(lambda: predicts(late), _BACK_S, "the model has come from S3 at last")
    row.at_most("with S3 again: predicts after", took, _BACK_S, "s")


_PREDICT = asks.ask("predict", "POST", "/predict", {"TX_AMOUNT": 12.5})


def _filled(port: int) -> None:
    """Moto keeps nothing: the file is put there at every start."""
    import boto3  # type: ignore[import-untyped]  # of the tests' set, and slow to load
    from botocore.config import Config  # type: ignore[import-untyped]

    patient = Config(retries={"max_attempts": 20, "mode": "standard"}, connect_timeout=2)
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
        config=patient,
    )
    client.create_bucket(Bucket="models")
    client.upload_file(str(ROOT / "fraud" / "models" / "fraud.onnx"), "models", "fraud.onnx")
    client.close()
