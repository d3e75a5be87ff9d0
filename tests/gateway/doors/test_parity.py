"""What one door tells is what the other tells, field by field."""

from tests.gateway.doors.clients import RestClient, RpcClient
from tests.gateway.doors.conftest import House
from tests.gateway.doors.test_both_doors import ASK, ROWS, TABLE, trained


async def test_the_doors_tell_the_same_of_everything(
    rest_client: RestClient, rpc_client: RpcClient, house: House
) -> None:
    rest, rpc = rest_client, rpc_client
    assert await rest.classes() == await rpc.classes()
    await rpc.upload("mine", TABLE, target="fraud")
    assert await rest.dataset("mine") == await rpc.dataset("mine")
    job = await trained(rest, house, hyperparameters={"C": 0.5})
    await rest.start(**ASK)
    assert await rest.job(job["id"]) == await rpc.job(job["id"])
    assert await rest.jobs(limit=1) == await rpc.jobs(limit=1)
    assert await rest.events(job["id"]) == await rpc.events(job["id"])
    (over_http,), (over_grpc,) = await rest.versions("fraud-lr"), await rpc.versions("fraud-lr")
    assert over_http == over_grpc
    assert over_http["lineage"]["job_id"] == job["id"]
    assert await rest.predict("fraud-lr", ROWS) == await rpc.predict("fraud-lr", ROWS)
