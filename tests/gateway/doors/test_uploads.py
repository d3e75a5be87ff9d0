"""Uploads through REST and through gRPC: the same refusals, and one bound for both doors."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.conftest import KEY
from tests.gateway.doors.clients import Client, Refused
from tests.gateway.doors.conftest import House
from tests.gateway.doors.test_both_doors import TABLE


def under_way(folder: Path) -> int:
    return len(list(folder.glob("datasets/.incoming/*.part")))


async def test_a_wrong_target_is_named(client: Client) -> None:
    with pytest.raises(Refused) as refused:
        await client.upload("mine", TABLE, target="amuont")
    assert (refused.value.code, refused.value.field) == ("invalid_dataset", "target")
    with pytest.raises(Refused) as refused:
        await client.upload("mine", TABLE + b"1\n", target="fraud")
    assert (refused.value.code, refused.value.field) == ("invalid_dataset", None)


async def test_a_key_that_stalls_stops_its_own_uploads_alone(
    client: Client, house: House, tmp_path: Path
) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield TABLE
        await asyncio.Event().wait()

    async def stall() -> None:
        url = f"{house.running.url}/v1/datasets?name=mine&format=csv"
        headers = {"authorization": f"Bearer {KEY}"}
        async with house.running.http.post(url, data=stalled(), headers=headers):
            raise AssertionError

    stalls = [asyncio.create_task(stall()) for _ in range(2)]
    async with asyncio.timeout(30):
        while under_way(tmp_path) < 2:
            await asyncio.sleep(0.01)
    with pytest.raises(Refused) as refused:
        await client.upload("mine", TABLE)
    assert (refused.value.code, refused.value.retry_after) == ("rate_limited", "5")
    assert (await client.with_key(house.keys["hasty"]).upload("other", TABLE))["id"] == "other@1"
    for one in stalls:
        one.cancel()
    await asyncio.wait(stalls)
