"""What one door tells is what the other tells, field by field."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes import serving
from tests.gateway.doors.clients import RestClient, RpcClient
from tests.gateway.doors.conftest import House
from tests.gateway.doors.test_both_doors import ASK, ROWS, TABLE, trained


@pytest.fixture
async def both(house: House) -> AsyncIterator[tuple[RestClient, RpcClient]]:
    server = house.rpc()
    port = await server.start(0)
    async with (
        serving(house.app) as url,
        RestClient.at(url, "admin-key") as rest,
        RpcClient.at(f"127.0.0.1:{port}", "admin-key") as rpc,
    ):
        yield rest, rpc
    await server.close(1.0)


async def test_the_doors_tell_the_same_of_everything(
    both: tuple[RestClient, RpcClient], house: House
) -> None:
    rest, rpc = both
    assert await rest.classes() == await rpc.classes()
    await rpc.upload("mine", TABLE, target="fraud")
    assert await rest.dataset("mine") == await rpc.dataset("mine")
    job = await trained(rest, house, hyperparameters={"C": 0.5})
    await rest.start(**ASK)
    assert await rest.job(job["id"]) == await rpc.job(job["id"])
    assert await rest.jobs(limit=1) == await rpc.jobs(limit=1)
    assert await rest.events(job["id"]) == await rpc.events(job["id"])
    assert await rest.versions("fraud-lr") == [
        {**one, "lineage": {**one["lineage"]}} for one in await rpc.versions("fraud-lr")
    ]
    assert await rest.predict("fraud-lr", ROWS) == await rpc.predict("fraud-lr", ROWS)
    assert await rest.fraud(ROWS) == await rpc.fraud(ROWS)
