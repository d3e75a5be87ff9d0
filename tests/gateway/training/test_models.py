"""Versions of trained models, as their owners handle them."""

import pytest

from gateway.domain import Caller, Role
from gateway.errors import Conflict, Forbidden, ModelNotFound
from tests.gateway.training.conftest import TRAINER, Room

GRADER = Caller("bob", Role.GRADER, 1000)


async def test_the_newest_version_that_was_promoted_is_the_champion(room: Room) -> None:
    await room.trained()
    await room.trained(promote=False)
    versions = await room.model_desk.versions(GRADER, "fraud-lr")
    assert [(one.version, one.champion) for one in versions] == [(2, False), (1, True)]
    promoted = await room.model_desk.promote(TRAINER, "fraud-lr", 2)
    assert (promoted.version, promoted.champion) == (2, True)
    versions = await room.model_desk.versions(GRADER, "fraud-lr")
    assert [(one.version, one.champion) for one in versions] == [(2, True), (1, False)]


async def test_when_the_champion_goes_the_newest_that_is_left_takes_its_place(room: Room) -> None:
    for _ in range(3):
        await room.trained()
    await room.model_desk.delete(TRAINER, "fraud-lr", 3)
    versions = await room.model_desk.versions(TRAINER, "fraud-lr")
    assert [(one.version, one.champion) for one in versions] == [(2, True), (1, False)]
    await room.model_desk.delete(TRAINER, "fraud-lr")
    with pytest.raises(ModelNotFound):
        await room.model_desk.versions(TRAINER, "fraud-lr")
    # The jobs stay: history.
    assert len(await room.desk.find(TRAINER, model="fraud-lr")) == 3


async def test_a_model_in_training_is_not_deleted(room: Room) -> None:
    await room.trained()
    job = await room.start()
    with pytest.raises(Conflict):
        await room.model_desk.delete(TRAINER, "fraud-lr")
    await room.desk.cancel(TRAINER, job.id)
    await room.model_desk.delete(TRAINER, "fraud-lr")


@pytest.mark.parametrize("name", ["nobody", "", "..", "a/b", "a%2fb", "a\0", "Upper", "\u0430"])
async def test_what_is_no_trained_model_is_not_found(room: Room, name: str) -> None:
    for asked in (
        room.model_desk.versions(TRAINER, name),
        room.model_desk.promote(TRAINER, name, 1),
        room.model_desk.delete(TRAINER, name),
        room.model_desk.delete(TRAINER, name, 1),
    ):
        with pytest.raises(ModelNotFound):
            await asked


async def test_a_version_that_is_not_there_changes_nothing(room: Room) -> None:
    await room.trained()
    for asked in (
        room.model_desk.promote(TRAINER, "fraud-lr", 7),
        room.model_desk.delete(TRAINER, "fraud-lr", 7),
    ):
        with pytest.raises(ModelNotFound):
            await asked
    (kept,) = await room.model_desk.versions(TRAINER, "fraud-lr")
    assert kept.champion


async def test_a_key_for_metrics_sees_no_model(room: Room) -> None:
    await room.trained()
    with pytest.raises(Forbidden):
        await room.model_desk.versions(Caller("prometheus", Role.METRICS, 60), "fraud-lr")
