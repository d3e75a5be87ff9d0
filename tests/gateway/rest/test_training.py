"""Trainings and trained models over REST.

Over 250 lines: jobs and what comes of them share their room and their way of asking.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from gateway.adapters.database.database import Database
from gateway.adapters.keyring import add_key
from gateway.domain import Role
from gateway.training.facts import JobState
from tests.gateway.conftest import KEY, Running
from tests.gateway.training.conftest import ASK, Room
from tests.gateway.training.facts import NOW, dataset

JOBS = "/v1/training-jobs"
MODEL = "/v1/models/fraud-lr"
NOBODYS = f"job_{'0' * 32}"


@pytest.fixture
async def room(running: Running, tmp_path: Path) -> AsyncIterator[Room]:
    """What lies behind the door, with the data set `payments`."""
    database = Database(f"sqlite:///{tmp_path}/store.db")
    await database.start()
    place = Room(database)
    await place.datasets.add(dataset())
    yield place
    await database.close()


async def send(
    running: Running, method: str, path: str, json: Any = None, key: str = KEY, **more: Any
) -> tuple[int, Any, Any]:
    """Status, parsed body, headers."""
    headers = {"authorization": f"Bearer {key}", **more.pop("headers", {})}
    url = URL(running.url + path, encoded=True)  # as it is written: a client would tidy up `..`
    async with running.http.request(method, url, json=json, headers=headers, **more) as answer:
        return answer.status, await answer.json() if answer.status != 204 else None, answer.headers


async def started(running: Running, **fields: Any) -> dict[str, Any]:
    status, job, _ = await send(running, "POST", JOBS, {**ASK, **fields})
    assert status == 202, job
    return dict(job)


async def trained(running: Running, room: Room, **fields: Any) -> dict[str, Any]:
    """A job that has succeeded."""
    job = await started(running, **fields)
    await room.worked(await room.jobs.get(job["id"]))
    _, ended, _ = await send(running, "GET", f"{JOBS}/{job['id']}")
    return dict(ended)


async def test_a_training_is_queued_and_answered_at_once(running: Running, room: Room) -> None:
    asked = {**ASK, "hyperparameters": {"C": 0.5}, "seed": 3, "promote": False}
    status, job, headers = await send(running, "POST", JOBS, asked)
    assert (status, headers["location"]) == (202, f"{JOBS}/{job['id']}")
    created_at = job.pop("created_at")
    assert created_at > NOW.timestamp() - 365 * 86_400
    assert isinstance(created_at, int)
    assert job == {
        "id": job["id"],
        "object": "training_job",
        "status": "queued",
        "stage": "queued",
        "progress": 0.0,
        "model": "fraud-lr",
        "model_class": "logistic_regression",
        "dataset": "payments@1",
        "target": "fraud",
        "features": ["amount", "country"],
        "feature_count": 2,
        "hyperparameters": {"C": 0.5},
        "test_share": 0.2,
        "seed": 3,
        "promote": False,
        "started_at": None,
        "ended_at": None,
        "attempts": 0,
        "cancelling": False,
        "model_version": None,
        "metrics": {},
        "error": None,
    }
    _, again, _ = await send(running, "GET", headers["location"])
    assert again == {**job, "created_at": created_at}


async def test_a_job_is_followed_to_its_end_and_deleted(running: Running, room: Room) -> None:
    job = await started(running)
    path = f"{JOBS}/{job['id']}"
    assert (await send(running, "DELETE", path))[0] == 409
    await room.queue.lease("worker", 1, 30.0, 3)
    for number in range(5):
        await room.queue.report(job["id"], "worker", "fitting", number / 5, f"step {number}")
    await room.queue.end(job["id"], "worker", JobState.FAILED, "unlearnable", "The target has one class.")
    _, ended, _ = await send(running, "GET", path)
    assert (ended["status"], ended["attempts"], ended["ended_at"] >= ended["started_at"]) == (
        "failed",
        1,
        True,
    )
    assert ended["error"] == {"code": "unlearnable", "message": "The target has one class."}
    numbers, more, after = [], True, 0
    while more:
        _, page, _ = await send(running, "GET", f"{path}/events?after={after}&limit=3")
        numbers += [event["number"] for event in page["data"]]
        after, more = numbers[-1], page["has_more"]
        assert len(page["data"]) <= 3
    assert numbers == list(range(1, len(numbers) + 1))
    last = page["data"][-1]
    assert (last["status"], type(last["at"])) == ("failed", int)
    assert last.keys() == {"number", "at", "status", "stage", "progress", "message"}
    assert (await send(running, "DELETE", path))[0] == 204
    for gone in (path, f"{path}/events"):
        assert (await send(running, "GET", gone))[0] == 404


async def test_a_queued_job_is_cancelled_at_once(running: Running, room: Room) -> None:
    job = await started(running)
    status, cancelled, _ = await send(running, "POST", f"{JOBS}/{job['id']}:cancel")
    assert (status, cancelled["status"]) == (200, "cancelled")
    assert (await send(running, "POST", f"{JOBS}/{job['id']}:cancel"))[1] == cancelled


async def test_jobs_are_listed_by_pages(running: Running, room: Room) -> None:
    ids = [(await started(running, model=name))["id"] for name in ("a", "b", "c")][::-1]
    _, first, _ = await send(running, "GET", f"{JOBS}?limit=2")
    assert ([job["id"] for job in first["data"]], first["has_more"]) == (ids[:2], True)
    _, second, _ = await send(running, "GET", f"{JOBS}?limit=2&after={ids[1]}")
    assert ([job["id"] for job in second["data"]], second["has_more"]) == (ids[2:], False)
    _, named, _ = await send(running, "GET", f"{JOBS}?model=b&status=queued")
    assert [job["id"] for job in named["data"]] == [ids[1]]


async def test_a_query_that_cannot_be_meant_is_refused(running: Running, room: Room) -> None:
    for query in (
        "status=done", "model=..", "model=a%2fb", "model=a%00", "model=%d0%b0", "after=batch_1", "after=%00",
        f"after={NOBODYS}", "limit=0", "limit=201", "limit=x", "limit=1e400",
    ):  # fmt: skip
        status, refusal, _ = await send(running, "GET", f"{JOBS}?{query}")
        assert (status, refusal["code"]) == (400, "invalid_request"), query
        assert refusal["details"] == [{"field": query.partition("=")[0]}]


async def test_a_body_that_cannot_be_meant_is_refused(running: Running, room: Room) -> None:
    for body, field in (
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"null", None),
        (b'{"seed": 1e400}', None),
        (b'{"seed": NaN}', None),
        (b'{"seed": ' + b"9" * 400 + b"}", None),
        (b'{"hyperparameters": ' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}", None),
        (b'{"model": "a", "colour": "red"}', "request"),
        (b'{"model": "../../etc/passwd"}', "model"),
        (b'{"model": "a\\u0000"}', "model"),
        (b'{"model": "\\u0430bc"}', "model"),
        (b'{"model": {"name": "a"}}', "model"),
        (b'{"model": "a", "model_class": 5}', "model_class"),
        (b'{"model": "a", "seed": 1e300}', "seed"),
        (b'{"model": "a", "test_share": 1e-300}', "test_share"),
        (b'{"model": "a", "features": [["amount"]]}', "features"),
        (b'{"model": "a", "features": ["' + b'","'.join(b"%d" % n for n in range(2000)) + b'"]}', "features"),
        (b'{"model": "a", "dataset": "payments@99999999999999999999"}', "dataset"),
        (b'{"model": "a", "promote": "yes"}', "promote"),
    ):
        status, refusal, _ = await send(running, "POST", JOBS, data=body)
        assert (status, refusal["code"]) == (400, "invalid_request"), body
        assert refusal["details"] == ([{"field": field}] if field else []), body


async def test_what_cannot_be_trained_is_told_with_its_field(running: Running, room: Room) -> None:
    for fields, *told in (
        ({"model": "grader-llm"}, 409, "conflict", "model"),
        ({"model_class": "astrology"}, 400, "invalid_request", "model_class"),
        ({"dataset": "nowhere"}, 404, "not_found", "dataset"),
        ({"dataset": "payments@2"}, 404, "not_found", "dataset"),
        ({"hyperparameters": {"C": 0}}, 422, "invalid_hyperparameters", "hyperparameters.C"),
        ({"hyperparameters": {"C": 1e308 * 1.5}}, 422, "invalid_hyperparameters", "hyperparameters.C"),
        ({"target": "secret"}, 422, "invalid_dataset", "target"),
        ({"features": ["amount", "secret"]}, 422, "invalid_dataset", "features"),
    ):
        status, refusal, _ = await send(running, "POST", JOBS, {**ASK, **fields})
        assert [status, refusal["code"], refusal["details"][0]["field"]] == told
    assert (await send(running, "GET", JOBS))[1]["data"] == []


async def test_the_same_idempotency_key_begins_one_training(running: Running, room: Room) -> None:
    headers = {"idempotency-key": "monday"}
    answers = [await send(running, "POST", JOBS, ASK, headers=headers) for _ in range(2)]
    assert [status for status, _, _ in answers] == [202, 202]
    assert answers[0][1] == answers[1][1]
    status, refusal, _ = await send(running, "POST", JOBS, {**ASK, "seed": 1}, headers=headers)
    assert (status, refusal["code"]) == (409, "conflict")


async def test_a_key_has_a_bounded_number_of_open_jobs(start: Callable[..., Any], tmp_path: Path) -> None:
    running = await start(training_most_open=1)
    database = Database(f"sqlite:///{tmp_path}/store.db")
    await database.start()
    await Room(database).datasets.add(dataset())
    await database.close()
    await started(running)
    status, refusal, headers = await send(running, "POST", JOBS, ASK)
    assert (status, refusal["code"], "retry-after" in headers) == (429, "rate_limited", True)


async def test_a_model_is_retrained_promoted_and_deleted(running: Running, room: Room) -> None:
    first = await trained(running, room, hyperparameters={"C": 0.5})
    assert (first["status"], first["model_version"], first["metrics"]) == ("succeeded", 1, {"accuracy": 0.9})
    status, again, headers = await send(running, "POST", f"{MODEL}:retrain", {"seed": 4, "promote": False})
    assert (status, headers["location"]) == (202, f"{JOBS}/{again['id']}")
    assert (again["hyperparameters"], again["seed"]) == ({"C": 0.5}, 4)
    await room.worked(await room.jobs.get(again["id"]))
    _, versions, _ = await send(running, "GET", f"{MODEL}/versions")
    assert [(one["version"], one["champion"]) for one in versions["data"]] == [(2, False), (1, True)]
    told = versions["data"][0]
    assert told["signature"] == {
        "features": [{"name": "amount", "type": "number"}, {"name": "country", "type": "text"}],
        "target": "fraud",
        "labels": [0, 1],
    }
    assert told["lineage"] == {
        "job_id": again["id"],
        "dataset": "payments@1",
        "dvc_hash": "cd" * 16,
        "git_commit": "",
        "hyperparameters": {"C": 0.5},
    }
    status, promoted, _ = await send(running, "POST", f"{MODEL}:promote", {"version": 2})
    assert (status, promoted) == (200, {**told, "champion": True})
    assert (await send(running, "DELETE", f"{MODEL}?version=2"))[0] == 204
    _, versions, _ = await send(running, "GET", f"{MODEL}/versions")
    assert [(one["version"], one["champion"]) for one in versions["data"]] == [(1, True)]
    assert (await send(running, "DELETE", MODEL))[0] == 204
    assert (await send(running, "GET", f"{MODEL}/versions"))[0] == 404
    assert len((await send(running, "GET", JOBS))[1]["data"]) == 2


async def test_a_retraining_may_say_nothing_at_all(running: Running, room: Room) -> None:
    await trained(running, room)
    status, job, _ = await send(running, "POST", f"{MODEL}:retrain")
    assert (status, job["dataset"]) == (202, "payments@1")


async def test_what_is_promoted_is_the_number_of_a_version(running: Running, room: Room) -> None:
    await trained(running, room)
    numbers: tuple[Any, ...] = (0, -1, True, "1", 1.0, 2**31, None, [1])
    for body in ({}, {"version": 1, "force": True}, *({"version": number} for number in numbers)):
        status, refusal, _ = await send(running, "POST", f"{MODEL}:promote", body)
        assert (status, refusal["details"]) == (400, [{"field": "version"}]), body


async def test_a_mistyped_deletion_deletes_nothing(running: Running, room: Room) -> None:
    await trained(running, room)
    for query in ("versoin=1", "version=0", "version=x", "version=", "version=1e400", f"version={2**63}"):
        assert (await send(running, "DELETE", f"{MODEL}?{query}"))[0] == 400, query
    assert len((await send(running, "GET", f"{MODEL}/versions"))[1]["data"]) == 1


async def test_a_name_of_no_trained_model_is_not_found(running: Running, room: Room) -> None:
    for name in ("nobody", "..", "%2e%2e", "a%00b", "Upper", "%d0%b0", "a:predict", "grader-llm", "x" * 999):
        for method, path, body in (
            ("POST", f"/v1/models/{name}:retrain", {}),
            ("POST", f"/v1/models/{name}:promote", {"version": 1}),
            ("GET", f"/v1/models/{name}/versions", None),
            ("DELETE", f"/v1/models/{name}", None),
        ):
            status, refusal, _ = await send(running, method, path, body)
            assert (status, refusal["code"]) == (404, "model_not_found"), path
    for method, path in (("POST", "/v1/models/a%2fb:retrain"), ("DELETE", "/v1/models/..%2f..%2fetc")):
        assert (await send(running, method, path, {}))[0] == 405, path  # no path of that form takes it


async def test_an_id_of_no_job_is_not_found(running: Running, room: Room) -> None:
    for job_id in (NOBODYS, "job_1", "..", "a%00b", "%d0%b0", "%2e%2e"):
        for method, path in (
            ("GET", f"{JOBS}/{job_id}"),
            ("GET", f"{JOBS}/{job_id}/events"),
            ("POST", f"{JOBS}/{job_id}:cancel"),
            ("DELETE", f"{JOBS}/{job_id}"),
        ):
            status, refusal, _ = await send(running, method, path)
            assert (status, refusal["code"]) == (404, "not_found"), path


async def test_training_is_for_trainers_and_looking_at_versions_for_everybody(
    running: Running, room: Room, tmp_path: Path
) -> None:
    keys = {
        role: add_key(tmp_path / "keys.json", role.value, role, None) for role in (Role.GRADER, Role.TRAINER)
    }
    job = await trained(running, room)
    path = f"{JOBS}/{job['id']}"
    for method, target, body in (
        ("GET", "/v1/model-classes", None),
        ("POST", JOBS, ASK),
        ("GET", JOBS, None),
        ("GET", path, None),
        ("GET", f"{path}/events", None),
        ("POST", f"{path}:cancel", None),
        ("POST", f"{MODEL}:retrain", {}),
        ("POST", f"{MODEL}:promote", {"version": 1}),
        ("DELETE", path, None),
        ("DELETE", MODEL, None),
    ):
        assert (await send(running, method, target, body, key="wrong"))[0] == 401, target
        assert (await send(running, method, target, body, key=keys[Role.GRADER]))[0] == 403, target
    # Before anything that they sent is looked at.
    for target in (JOBS, f"{MODEL}:retrain", f"{MODEL}:promote"):
        for body in (b"", b"{", b'{"seed": -1}'):
            assert (await send(running, "POST", target, data=body, key=keys[Role.GRADER]))[0] == 403, target
    assert (await send(running, "DELETE", f"{MODEL}?versoin=1", key=keys[Role.GRADER]))[0] == 403
    assert (await send(running, "GET", f"{MODEL}/versions", key=keys[Role.GRADER]))[0] == 200
    # Trainers share what they train.
    assert (await send(running, "GET", path, key=keys[Role.TRAINER]))[0] == 200


async def test_the_classes_are_listed_with_their_schemas(running: Running) -> None:
    _, listed, _ = await send(running, "GET", "/v1/model-classes")
    classes = {one["name"]: one for one in listed["data"]}
    assert len(classes) >= 4
    schema = classes["logistic_regression"]["schema"]
    assert schema["properties"]["C"]["default"] == 1.0
    assert len({str(one["schema"]) for one in classes.values()}) == len(classes)


async def test_what_a_caller_named_is_in_no_metric(running: Running, room: Room) -> None:
    await send(running, "POST", "/v1/models/secret:retrain", {})
    await send(running, "POST", "/v1/models/secret:promote", {})
    await send(running, "GET", "/v1/models/secret/versions")
    await send(running, "DELETE", "/v1/models/secret")
    await send(running, "GET", f"{JOBS}/secret/events")
    await send(running, "POST", f"{JOBS}/secret:cancel")
    _, metrics, _ = await running.get("/metrics")
    assert "secret" not in metrics
    for route in (
        "/v1/models/{name}:retrain",
        "/v1/models/{name}:promote",
        "/v1/models/{name}/versions",
        "/v1/models/{name}",
        "/v1/training-jobs/{id}/events",
        "/v1/training-jobs/{id}:cancel",
    ):
        assert f'route="{route}"' in metrics


async def test_the_other_paths_of_models_are_as_they_were(running: Running) -> None:
    assert (await running.get("/v1/models/tiny"))[1]["ready"] is True
    status, refusal, _ = await running.post("/v1/models/nobody:predict", {"text": "x"})
    assert (status, refusal["code"]) == (404, "model_not_found")
