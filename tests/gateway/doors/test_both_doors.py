"""Every case through REST and through gRPC: the same answers, and the same refusals with the same words."""

import hashlib
from typing import Any

import pytest

from tests.gateway.doors.clients import Client, Refused
from tests.gateway.doors.conftest import FRAUD_FILE, MOST_BYTES, MOST_OPEN, House

ASK: dict[str, Any] = {"model": "fraud-lr", "model_class": "logistic_regression", "dataset": "payments"}
NOBODYS = f"job_{'0' * 32}"
ROWS = [{"amount": 0.0, "hour": 3}, {"amount": 500.0, "hour": 3}]
TENSORS: list[dict[str, Any]] = [
    {"name": "amount", "datatype": "FP64", "shape": [2, 1], "data": [0.0, 500.0]},
    {"name": "hour", "datatype": "INT64", "shape": [2], "data": [1, 2]},
]
TABLE = b"amount,hour,fraud\n" + b"".join(b"%d.5,%d,%d\n" % (n, n % 24, n % 2) for n in range(60))


async def trained(client: Client, house: House, **fields: Any) -> dict[str, Any]:
    job = await client.start(**{**ASK, **fields})
    await house.succeed(job["id"])
    return job


# Refusals


async def test_who_has_no_key_or_a_wrong_one_is_not_let_in(client: Client) -> None:
    for key in ("", "wrong"):
        with pytest.raises(Refused) as refused:
            await client.with_key(key).classes()
        assert refused.value.code == "unauthenticated"


async def test_a_grader_predicts_and_neither_trains_nor_sees_data(client: Client, house: House) -> None:
    await trained(client, house)
    grader = client.with_key(house.keys["grader"])
    assert len(await grader.predict("fraud-lr", ROWS)) == 2
    for call in (
        grader.classes(),
        grader.start(**ASK),
        grader.retrain("fraud-lr"),
        grader.job(NOBODYS),
        grader.jobs(),
        grader.events(NOBODYS),
        grader.cancel(NOBODYS),
        grader.delete_job(NOBODYS),
        grader.upload("mine", TABLE),
        grader.datasets(),
        grader.dataset("payments"),
        grader.delete_dataset("payments"),
        grader.promote("fraud-lr", 1),
        grader.delete_model("fraud-lr"),
    ):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.code == "forbidden", call


async def test_who_may_not_train_is_told_so_whatever_is_said(client: Client, house: House) -> None:
    grader = client.with_key(house.keys["grader"])
    for call in (
        grader.start(model="No Such Name"),
        grader.retrain("fraud-lr", model_class="", seed=-1),
        grader.jobs(limit=1000),
        grader.promote("fraud-lr", 0),
        grader.delete_model("fraud-lr", 0),
    ):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.code == "forbidden", call


async def test_a_key_for_metrics_asks_nothing(client: Client, house: House) -> None:
    with pytest.raises(Refused) as refused:
        await client.with_key(house.keys["metrics"]).predict("fraud-lr", ROWS)
    assert refused.value.code == "forbidden"


async def test_a_key_that_asks_too_often_is_told_when_to_come_again(client: Client, house: House) -> None:
    hasty = client.with_key(house.keys["hasty"])
    await hasty.classes()
    with pytest.raises(Refused) as refused:
        await hasty.classes()
    assert (refused.value.code, int(refused.value.retry_after or 0) > 0) == ("rate_limited", True)


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"model_class": "neural"}, "invalid_request", "model_class"),
    ({"hyperparameters": {"C": -1.0}}, "invalid_hyperparameters", "hyperparameters.C"),
    ({"hyperparameters": {"max_iter": 10.5}}, "invalid_hyperparameters", "hyperparameters.max_iter"),
    ({"hyperparameters": {"depth": 1}}, "invalid_hyperparameters", "hyperparameters"),
    ({"dataset": "nobodys"}, "not_found", "dataset"),
    ({"dataset": "payments@9"}, "not_found", "dataset"),
    ({"dataset": "../payments"}, "invalid_request", "dataset"),
    ({"target": "colour"}, "invalid_dataset", "target"),
    ({"features": ["amount", "target"]}, "invalid_dataset", "features"),
    ({"features": ["amount", "amount"]}, "invalid_request", "features"),
    ({"test_share": 0.9}, "invalid_request", "test_share"),
    ({"seed": -1}, "invalid_request", "seed"),
    ({"model": "No Such Name"}, "invalid_request", "model"),
    ({"model": "grader-llm"}, "conflict", "model"),
]


async def test_a_training_that_cannot_be_is_refused_by_name(client: Client) -> None:
    for fields, code, field in REFUSED:
        with pytest.raises(Refused) as refused:
            await client.start(**{**ASK, **fields})
        assert (refused.value.code, refused.value.field) == (code, field), fields


async def test_what_is_not_there_is_not_found(client: Client) -> None:
    for call, code in (
        (client.job(NOBODYS), "not_found"),
        (client.events(NOBODYS), "not_found"),
        (client.cancel(NOBODYS), "not_found"),
        (client.delete_job(NOBODYS), "not_found"),
        (client.dataset("nobodys"), "not_found"),
        (client.dataset("payments", 7), "not_found"),
        (client.delete_dataset("nobodys"), "not_found"),
        (client.versions("nobodys"), "model_not_found"),
        (client.promote("nobodys", 1), "model_not_found"),
        (client.delete_model("nobodys"), "model_not_found"),
        (client.retrain("nobodys"), "model_not_found"),
        (client.predict("nobodys", ROWS), "model_not_found"),
        (client.scenario(ROWS), "model_not_found"),
        (client.infer("nobodys", TENSORS), "model_not_found"),
    ):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.code == code, call


async def test_a_key_has_only_so_many_jobs_that_are_not_over(client: Client) -> None:
    for _ in range(MOST_OPEN):
        await client.start(**ASK)
    with pytest.raises(Refused) as refused:
        await client.start(**ASK)
    assert refused.value.code == "rate_limited"


async def test_what_is_needed_is_not_deleted(client: Client) -> None:
    job = await client.start(**ASK)
    for call in (client.delete_dataset("payments"), client.delete_job(job["id"])):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.code == "conflict", call


async def test_an_upload_that_is_too_large_or_no_table_is_refused(client: Client) -> None:
    for content, code in (
        (b"x" * (MOST_BYTES + 1), "payload_too_large"),
        (b'a,b\n"1,2\n', "invalid_dataset"),
    ):
        with pytest.raises(Refused) as refused:
            await client.upload("mine", content)
        assert refused.value.code == code
    assert [one["name"] for one in await client.datasets()] == ["payments"]


async def test_an_instance_that_is_none_of_the_model_is_refused(client: Client, house: House) -> None:
    await trained(client, house)
    for instance in ({"amount": "dear"}, {"colour": 1}, {"hour": 1.5}, {}):
        for call in (client.predict("fraud-lr", [instance]), client.fraud([instance])):
            with pytest.raises(Refused) as refused:
                await call
            assert (refused.value.code, refused.value.field) == ("invalid_request", "instances.0"), instance
            assert "colour" not in (refused.value.field or "")


# What is answered


async def test_a_job_goes_from_its_start_to_its_end(client: Client, house: House) -> None:
    job = await client.start(**ASK, hyperparameters={"C": 0.5, "max_iter": 200}, seed=7, test_share=0.25)
    assert (job["status"], job["dataset"], job["features"]) == ("queued", "payments@1", ["amount", "hour"])
    # A Struct has doubles only, and the class takes an integer.
    kept = (await house.jobs.get(job["id"])).request
    assert kept.hyperparameters == {"C": 0.5, "max_iter": 200}
    assert type(kept.hyperparameters["max_iter"]) is int
    assert (kept.seed, kept.test_share) == (7, 0.25)
    await house.succeed(job["id"])
    over = await client.job(job["id"])
    assert (over["status"], over["model_version"], over["attempts"]) == ("succeeded", 1, 1)
    events = await client.events(job["id"])
    assert [one["number"] for one in events] == list(range(1, len(events) + 1))
    assert (events[0]["status"], events[-1]["status"]) == ("queued", "succeeded")
    await client.delete_job(job["id"])
    assert await client.jobs() == ([], False)


async def test_a_retraining_takes_what_is_not_said_from_the_champion(client: Client, house: House) -> None:
    await trained(client, house, hyperparameters={"C": 0.5})
    same = await client.retrain("fraud-lr")
    assert (same["model_class"], same["hyperparameters"]) == ("logistic_regression", {"C": 0.5})
    await client.retrain("fraud-lr", hyperparameters={"max_iter": 50}, promote=False)
    (newest, *_), _ = await client.jobs()
    kept = (await house.jobs.get(newest["id"])).request
    assert (kept.hyperparameters, kept.promote) == ({"max_iter": 50}, False)
    assert type(kept.hyperparameters["max_iter"]) is int


async def test_the_same_request_under_one_key_is_one_job(client: Client) -> None:
    ask = {**ASK, "hyperparameters": {"C": 0.5, "tol": 0.001, "max_iter": 10}}
    first = await client.start("once-1", **ask)
    again = await client.start("once-1", **ask)
    assert first["id"] == again["id"]
    with pytest.raises(Refused) as refused:
        await client.start("once-1", **{**ask, "seed": 1})
    assert refused.value.code == "conflict"


async def test_jobs_are_listed_by_pages(client: Client) -> None:
    ids = [(await client.start(**ASK))["id"] for _ in range(3)]
    page, more = await client.jobs(limit=2, status="queued", model="fraud-lr")
    assert ([one["id"] for one in page], more) == (ids[:0:-1], True)
    # The names of a thousand features in each would make a page of megabytes.
    assert [(one.get("features"), one["feature_count"]) for one in page] == [(None, 2)] * 2
    assert (await client.job(ids[0]))["feature_count"] == 2
    page, more = await client.jobs(limit=2, after=ids[1])
    assert ([one["id"] for one in page], more) == (ids[:1], False)
    assert await client.jobs(status="failed") == ([], False)


async def test_a_data_set_is_uploaded_looked_at_and_deleted(client: Client) -> None:
    made = await client.upload("mine", TABLE, target="fraud")
    assert (made["id"], made["rows"], made["target"], made["bytes"]) == ("mine@1", 60, "fraud", len(TABLE))
    assert made["dvc"] == {"state": "accepted", "hash": None, "attempts": 0, "error": None}
    again = await client.upload("mine", TABLE, target="fraud")
    assert again["version"] == 1  # the same content and target
    seen = await client.dataset("mine")
    assert [one["type"] for one in seen["columns"]] == ["number", "integer", "integer"]
    assert seen["columns"][0]["maximum"] == 59.5
    assert seen["preview"][0] == [0.5, 0, 0]
    assert [one["version"] for one in seen["versions"]] == [1]
    assert [one["name"] for one in await client.datasets()] == ["mine", "payments"]
    await client.delete_dataset("mine", 1)
    assert [one["name"] for one in await client.datasets()] == ["payments"]


async def test_a_model_predicts_is_promoted_and_deleted(client: Client, house: House) -> None:
    await trained(client, house)
    await trained(client, house, promote=False)
    assert [(one["version"], one["champion"]) for one in await client.versions("fraud-lr")] == [
        (2, False),
        (1, True),
    ]
    cheap, dear = await client.predict("fraud-lr", ROWS)
    assert (cheap["label"], dear["label"], type(dear["label"])) == (0, 1, int)
    assert dear["probabilities"]["1"] == pytest.approx(0.9933, abs=1e-4)
    assert await client.predict("fraud-lr", ROWS[:1], 2) == [cheap]
    assert (await client.promote("fraud-lr", 2))["champion"]
    await client.delete_model("fraud-lr", 1)
    assert [one["version"] for one in await client.versions("fraud-lr")] == [2]
    await client.delete_model("fraud-lr")
    with pytest.raises(Refused):
        await client.versions("fraud-lr")


async def test_the_fraud_model_answers(client: Client) -> None:
    cheap, dear = await client.fraud(ROWS)
    assert (cheap["fraud"], dear["fraud"]) == (0, 1)
    assert dear["probability"] == pytest.approx(0.9933, abs=1e-4)
    assert dear["model_version"] == hashlib.sha256(FRAUD_FILE.read_bytes()).hexdigest()[:12]


async def test_a_trained_model_takes_tensors(client: Client, house: House) -> None:
    await trained(client, house)
    label, probabilities = await client.infer("fraud-lr", TENSORS)
    assert label == {"name": "label", "datatype": "INT64", "shape": [2], "data": [0, 1]}
    assert (probabilities["datatype"], probabilities["shape"]) == ("FP64", [2, 2])
    assert probabilities["data"][3] == pytest.approx(0.9933, abs=1e-4)
    with pytest.raises(Refused) as refused:
        await client.infer("fraud-lr", [{**TENSORS[0], "shape": [3]}])
    assert (refused.value.code, refused.value.field) == ("invalid_request", "inputs")
