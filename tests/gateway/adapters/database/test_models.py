"""The shelf of models: one champion a name, and whatever is changed here the registry is told."""

import asyncio
import logging
from dataclasses import replace

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import IntegrityError

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.job_queue import DatabaseJobQueue
from gateway.adapters.database.model_mirror import DatabaseMirror
from gateway.adapters.database.models import DatabaseModels
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.adapters.database.training_tables import model_versions
from gateway.errors import Conflict, ModelNotFound
from gateway.training.facts import JobState
from gateway.training.worker_ports import RegistryTask
from tests.gateway.adapters.database.training_facts import dataset, job, model


@pytest.fixture
def models(database: Database) -> DatabaseModels:
    return DatabaseModels(database)


@pytest.fixture
def mirror(database: Database) -> DatabaseMirror:
    return DatabaseMirror(database, "me")


@pytest.fixture
def other(other_database: Database) -> Database:
    return other_database


@pytest.fixture
async def three(mirror: DatabaseMirror) -> None:
    """Three versions as the registry has them, the first of them the champion."""
    await mirrored(mirror, 1, 2, 3, champion=1)


async def mirrored(mirror: DatabaseMirror, *versions: int, champion: int | None) -> None:
    """A round in which the registry says that."""
    await mirror.tasks()
    await mirror.mirror([model(version=one, champion=one == champion) for one in versions])


async def shown(models: DatabaseModels) -> dict[int, bool]:
    """Which versions there are, and whether they are the champion."""
    return {one.version: one.champion for one in await models.versions("churn")}


async def trained(database: Database, *versions: int) -> None:
    """By jobs that have just ended."""
    jobs, queue = DatabaseJobs(database), DatabaseJobQueue(database)
    if await DatabaseDatasets(database).latest("fraud") is None:
        await DatabaseDatasets(database).add(dataset())
    for version in versions:
        asked = await jobs.add(job(), "Queued.", None, 100)
        await queue.lease("trainer", 1, 60, 3)
        assert await queue.succeed(asked.id, "trainer", model(version=version))


async def long_ago(database: Database) -> None:
    """As if what was changed here had been changed an hour ago."""
    hour = update(model_versions).values(changed_s=model_versions.c.changed_s - 3600.0)
    await database.write(lambda c: c.execute(hour).rowcount)


@pytest.mark.usefixtures("three")
async def test_without_a_version_the_champion_is_meant(models: DatabaseModels) -> None:
    champion = model(version=1, champion=True)
    assert await models.get("churn") == await models.get("churn", 1) == champion
    assert await models.champions() == [champion]
    assert await models.get("churn", 3) == model(version=3)
    for missing in (models.get("churn", 4), models.get("none"), models.versions("none")):
        with pytest.raises(ModelNotFound):
            await missing


@pytest.mark.usefixtures("three")
async def test_a_promotion_is_seen_at_once_and_the_registry_is_told_the_last_one(
    models: DatabaseModels, mirror: DatabaseMirror
) -> None:
    await models.promote("churn", 2)
    assert await models.promote("churn", 3) == model(version=3, champion=True)
    assert await shown(models) == {3: True, 2: False, 1: False}
    assert [one.version for one in await models.champions()] == [3]
    (task,) = await mirror.tasks()
    assert (task.kind, task.name, task.version) == ("promote", "churn", 3)
    with pytest.raises(ModelNotFound):
        await models.promote("churn", 4)


@pytest.mark.usefixtures("three")
async def test_of_promotions_at_once_one_version_is_the_champion(
    models: DatabaseModels, mirror: DatabaseMirror, other: Database
) -> None:
    others = DatabaseModels(other)
    for _ in range(5):
        await asyncio.gather(
            *(one.promote("churn", version) for version in (1, 2, 3) for one in (models, others))
        )
        (champion,) = await models.champions()
        (task,) = await mirror.tasks()
        assert task.version == champion.version  # who came last, here and there


@pytest.mark.usefixtures("three")
async def test_the_database_itself_refuses_a_second_champion(database: Database) -> None:
    def crowned(connection: Connection) -> None:
        with pytest.raises(IntegrityError):
            connection.execute(update(model_versions).values(champion=True))

    await database.write(crowned)


@pytest.mark.usefixtures("three")
async def test_what_is_deleted_is_gone_at_once_and_the_newest_that_is_left_is_champion(
    models: DatabaseModels, mirror: DatabaseMirror
) -> None:
    await models.delete("churn", 1)
    assert await shown(models) == {3: True, 2: False}
    await models.delete("churn", 2)
    assert await shown(models) == {3: True}
    tasks = await mirror.tasks()
    assert [(one.kind, one.version) for one in tasks] == [("delete", 1), ("promote", 3), ("delete", 2)]
    assert [one.sha256 for one in tasks] == [f"{one.version:064x}" for one in tasks]
    await models.delete("churn", None)
    with pytest.raises(ModelNotFound):
        await models.versions("churn")
    assert await models.champions() == []
    # That version 3 be promoted need not be told any more.
    assert [(one.kind, one.version) for one in await mirror.tasks()] == [
        ("delete", 1), ("delete", 2), ("delete", 3)
    ]  # fmt: skip
    for missing in (models.delete("churn", None), models.delete("churn", 3)):
        with pytest.raises(ModelNotFound):
            await missing


async def test_a_model_that_is_being_trained_is_not_deleted(
    models: DatabaseModels, database: Database
) -> None:
    await trained(database, 1)
    asked = await DatabaseJobs(database).add(job(), "Queued.", None, 100)
    for version in (1, None):
        with pytest.raises(Conflict):
            await models.delete("churn", version)
    await DatabaseJobs(database).cancel(asked.id)
    await models.delete("churn", None)


async def test_weights_are_needed_while_a_version_has_them_and_while_a_job_may_register_one(
    models: DatabaseModels, mirror: DatabaseMirror, database: Database
) -> None:
    sha256 = "f" * 64
    await mirror.tasks()
    await mirror.mirror([model(name, sha256=sha256) for name in ("a", "b")])
    await models.delete("a", 1)
    assert await mirror.needed(sha256) is True
    await models.delete("b", 1)
    assert await mirror.needed(sha256) is False
    await DatabaseDatasets(database).add(dataset())
    registering = await DatabaseJobs(database).add(job(), "Queued.", None, 100)
    queue = DatabaseJobQueue(database)
    await queue.lease("trainer", 1, 60, 3)
    await queue.report(registering.id, "trainer", "registering", 0.97, "The model is being registered.")
    assert await mirror.needed(sha256) is None
    await queue.end(registering.id, "trainer", JobState.FAILED, "unavailable", "The registry is down.")
    assert await mirror.needed(sha256) is False


@pytest.mark.usefixtures("three")
async def test_what_was_told_is_not_told_again(models: DatabaseModels, mirror: DatabaseMirror) -> None:
    await models.promote("churn", 2)
    (task,) = await mirror.tasks()
    await mirror.told(task)
    assert await mirror.tasks() == []
    await models.promote("churn", 3)
    await mirror.told(task)  # late, a second time
    (last,) = await mirror.tasks()
    assert last == RegistryTask(last.number, "promote", "churn", 3, f"{3:064x}")


async def test_the_shelf_becomes_what_the_registry_has(
    models: DatabaseModels, mirror: DatabaseMirror
) -> None:
    await mirrored(mirror, 1, 2, champion=2)
    assert await shown(models) == {2: True, 1: False}
    await mirrored(mirror, 2, 3, champion=3)  # 1 was deleted there, 3 promoted
    assert await shown(models) == {3: True, 2: False}
    await mirror.tasks()
    told = replace(model(version=3, champion=True), metrics={"roc_auc": 0.5}, run_url=None)
    await mirror.mirror([told, model(version=2, champion=True), model("other", 1)])
    assert await models.get("churn") == told  # of two champions the newer one
    assert [one.name for one in await models.champions()] == ["churn"]
    assert [one.version for one in await models.versions("other")] == [1]
    await mirrored(mirror, champion=None)
    assert await models.champions() == []


@pytest.mark.usefixtures("three")
async def test_what_the_registry_has_not_been_told_is_not_undone(
    models: DatabaseModels, mirror: DatabaseMirror
) -> None:
    await models.delete("churn", 1)
    await models.promote("churn", 2)
    await mirrored(mirror, 1, 2, 3, champion=1)
    assert await shown(models) == {3: False, 2: True}
    for task in await mirror.tasks():
        await mirror.told(task)
    await mirrored(mirror, 2, 3, champion=2)
    assert await shown(models) == {3: False, 2: True}


async def test_what_a_job_made_since_the_registry_was_asked_stays(
    models: DatabaseModels, mirror: DatabaseMirror, database: Database
) -> None:
    await mirrored(mirror, 1, champion=1)
    await mirror.tasks()
    await trained(database, 2)
    await mirror.mirror([model(version=1, champion=True)])
    assert await shown(models) == {2: True, 1: False}
    await mirror.tasks()
    await trained(database, 3)
    # Asked between the version and its mark as the champion.
    await mirror.mirror([model(version=1), model(version=2, champion=True), model(version=3)])
    assert await shown(models) == {3: True, 2: False, 1: False}


async def test_a_new_version_that_the_registry_does_not_list_yet_stays_for_minutes(
    models: DatabaseModels, mirror: DatabaseMirror, database: Database
) -> None:
    await trained(database, 1, 2)
    await mirrored(mirror, 1, champion=1)
    assert await shown(models) == {2: True, 1: False}
    await long_ago(database)
    await mirrored(mirror, 1, champion=1)
    assert await shown(models) == {1: True}


async def test_a_version_that_was_mirrored_before_its_job_ended_is_not_doubled(
    models: DatabaseModels, mirror: DatabaseMirror, database: Database
) -> None:
    await trained(database, 1)
    await long_ago(database)
    await mirrored(mirror, 1, 2, champion=2)
    await trained(database, 2)
    assert await shown(models) == {2: True, 1: False}


async def test_a_choice_that_was_made_while_a_model_was_registered_is_kept(
    models: DatabaseModels, mirror: DatabaseMirror, database: Database
) -> None:
    await trained(database, 1, 2)
    await models.promote("churn", 1)
    await trained(database, 3)
    assert [one.version for one in await models.champions()] == [1]
    assert [(one.kind, one.version) for one in await mirror.tasks()] == [("promote", 1)]


@pytest.mark.usefixtures("three")
async def test_one_worker_at_a_time_speaks_with_the_registry(
    models: DatabaseModels, mirror: DatabaseMirror, other: Database
) -> None:
    second = DatabaseMirror(other, "second")
    await mirror.tasks()
    await models.promote("churn", 2)
    assert await second.tasks() == []
    await second.mirror([model("other")])
    with pytest.raises(ModelNotFound):
        await models.versions("other")
    await mirror.mirror([model("other")])  # ends the round
    assert len(await models.versions("other")) == 1
    assert [one.version for one in await second.tasks()] == [2]
    assert await mirror.tasks() == []


@pytest.mark.usefixtures("three")
async def test_a_worker_that_died_or_cannot_reach_the_registry_does_not_shut_the_others_out(
    models: DatabaseModels, database: Database, other: Database
) -> None:
    luckless, second = DatabaseMirror(database, "luckless", 0.0), DatabaseMirror(other, "second")
    await luckless.tasks()
    await models.promote("churn", 2)
    assert len(await second.tasks()) == 1
    assert await luckless.tasks() == []
    await luckless.mirror([model("other")])
    with pytest.raises(ModelNotFound):
        await models.versions("other")
    await luckless.leave()  # no round of its own
    assert await luckless.tasks() == []
    await second.leave()
    assert len(await luckless.tasks()) == 1


async def test_a_round_that_took_too_long_counts_while_no_other_worker_has_begun_one(
    models: DatabaseModels, database: Database, other: Database, caplog: pytest.LogCaptureFixture
) -> None:
    slow, second = DatabaseMirror(database, "slow", 0.0), DatabaseMirror(other, "second")
    await mirrored(slow, 1, champion=1)
    assert await shown(models) == {1: True}
    await slow.tasks()
    await second.tasks()
    with caplog.at_level(logging.WARNING):
        await slow.mirror([])
    assert await shown(models) == {1: True}
    assert "another worker" in caplog.text
    caplog.clear()
    await slow.tasks()
    await slow.mirror([])  # it had no turn: nothing is lost
    assert caplog.text == ""


async def test_a_champion_is_read_anew_when_it_has_changed(
    models: DatabaseModels, mirror: DatabaseMirror
) -> None:
    await mirrored(mirror, 1, champion=1)
    (first,) = await models.champions()
    (again,) = await models.champions()
    assert again is first
    await mirror.tasks()
    await mirror.mirror([model(version=1, champion=True, metrics={"roc_auc": 0.5})])
    (changed,) = await models.champions()
    assert changed.metrics == {"roc_auc": 0.5}
