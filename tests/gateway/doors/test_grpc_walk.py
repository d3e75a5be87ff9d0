"""The client script's whole walk, with a worker that is quick."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.training.facts import JobState
from scripts.grpc_client import main
from tests.gateway.conftest import KEY
from tests.gateway.doors.conftest import House


@asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """Ends every job that is queued."""

    async def work() -> None:
        while True:
            for job in await house.jobs.find(None, JobState.QUEUED, None, 10):
                await house.succeed(job.id)
            await asyncio.sleep(0.05)

    worker = asyncio.create_task(work())
    yield
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker


async def test_the_client_script_walks_through_every_call(
    house: House, rpc_target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with working(house):
        code = await asyncio.to_thread(main, ["--target", rpc_target, "--key", KEY])
    told = capsys.readouterr().out
    assert code == 0, told
    for words in (
        "health  SERVING",
        "class  logistic_regression: C,",
        "upload  grpc-walk@1, 300 rows, new: True",
        "column  amount COLUMN_TYPE_NUMBER",
        "job  JOB_STATE_SUCCEEDED",
        "predict  1 with 1.000 by 1",
        "infer  label INT64 [2]",
        "version  1 (champion): accuracy 0.900",
        "promote  2",
        "service, services, slo, training",
        "delete  the model and the data set",
    ):
        assert words in told
    assert await asyncio.to_thread(main, ["--target", rpc_target, "--key", "wrong"]) == 1
    assert "UNAUTHENTICATED unauthenticated" in capsys.readouterr().out
