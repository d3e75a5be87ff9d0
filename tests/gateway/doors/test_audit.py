"""Whichever door a change comes by, the audit tells the same of it."""

from typing import Any

import pytest

from gateway.audit import Action
from gateway.rest.audit import ACTIONS, THEIR_OWN, Recorded
from gateway.rest.routes import template
from gateway.rpc import audit as rpc_audit
from gateway.rpc.gen import datasets_pb2, models_pb2, operations_pb2, training_pb2
from tests.gateway.conftest import KEY
from tests.gateway.doors.clients import Client, Refused
from tests.gateway.doors.conftest import House
from tests.gateway.doors.test_both_doors import ASK, TABLE, trained

_READING = ("Get", "List", "Watch", "Predict")


async def entries(house: House, query: str = "", key: str = KEY) -> list[dict[str, Any]]:
    """Oldest first."""
    status, told, _ = await house.running.get(f"/v1/audit{query}", key)
    assert status == 200, told
    found: list[dict[str, Any]] = told["data"]
    return found[::-1]


async def test_every_change_is_written_down_with_who_what_and_how_it_ended(
    client: Client, house: House
) -> None:
    job = await trained(client, house)
    await trained(client, house)
    await client.promote("fraud-lr", 2)
    again = await client.retrain("fraud-lr")
    await client.cancel(again["id"])
    await client.delete_job(again["id"])
    await client.delete_model("fraud-lr", 1)
    await client.delete_model("fraud-lr")
    await client.upload("mine", TABLE, target="fraud")
    await client.delete_dataset("mine", 1)
    with pytest.raises(Refused):
        await client.delete_dataset("mine")
    found = await entries(house)
    assert [(one["action"], one["object"], one["outcome"]) for one in found] == [
        ("training.start", job["id"], "done"),
        ("training.start", found[1]["object"], "done"),
        ("model.promote", "fraud-lr@2", "done"),
        ("model.retrain", "fraud-lr", "done"),
        ("training.cancel", again["id"], "done"),
        ("training.delete", again["id"], "done"),
        ("model.delete", "fraud-lr@1", "done"),
        ("model.delete", "fraud-lr", "done"),
        ("dataset.upload", "mine@1", "done"),
        ("dataset.delete", "mine@1", "done"),
        ("dataset.delete", "mine", "not_found"),
    ]
    assert {one["key_id"] for one in found} == {"settings"}
    assert all(len(one["request_id"]) == 32 and one["ended_at"] >= one["created_at"] for one in found)


async def test_looking_asking_and_what_is_refused_to_a_grader_leaves_no_entry(
    client: Client, house: House
) -> None:
    await trained(client, house)
    before = await entries(house)
    await client.jobs()
    await client.predict("fraud-lr", [{"amount": 1.0, "hour": 3}])
    grader = client.with_key(house.keys["grader"])
    for call in (grader.start(**ASK), grader.delete_model("fraud-lr"), grader.upload("mine", TABLE)):
        with pytest.raises(Refused):
            await call
    assert await entries(house) == before


def test_every_procedure_that_writes_is_an_action() -> None:
    files = (datasets_pb2, training_pb2, models_pb2, operations_pb2)
    paths = [
        f"/{service.full_name}/{method.name}"
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    assert set(rpc_audit.ACTIONS) <= set(paths)
    rest = {path for path in paths if path not in rpc_audit.ACTIONS}
    assert all(path.rpartition("/")[2].startswith(_READING) for path in rest), rest


async def test_every_route_that_writes_is_an_action_or_the_callers_own(house: House) -> None:
    recorded = house.running.services.app._pages  # type: ignore[attr-defined]
    assert isinstance(recorded, Recorded)
    paths: dict[str, dict[str, Any]] = recorded._pages.openapi()["paths"]  # type: ignore[attr-defined]
    told = {(method.upper(), template(path)) for path, methods in paths.items() for method in methods}
    writing = {(method, route) for method, route in told if method != "GET"}
    assert len(writing) > 20
    assert writing == set(ACTIONS) | THEIR_OWN
    assert not set(ACTIONS) & THEIR_OWN
    by_command = {action for action in Action if action.value.partition(".")[0] in ("key", "store")}
    assert set(ACTIONS.values()) == set(Action) - by_command


async def test_where_nothing_can_be_written_down_nothing_is_changed(client: Client, house: House) -> None:
    async def down(*_: object) -> None:
        from gateway.errors import StoreUnavailable

        raise StoreUnavailable("The store is not available.")

    house.running.services.audit._trail.begin = down  # type: ignore[method-assign]
    for call in (client.upload("mine", TABLE), client.delete_dataset("payments")):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.code == "store_unavailable"
    assert [one["name"] for one in await client.datasets()] == ["payments"]
