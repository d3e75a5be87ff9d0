"""Trainings anew: what is said, and what is taken from the training before."""

import asyncio
from dataclasses import replace

import pytest

from gateway.errors import InvalidDataset, InvalidRequest, ModelNotFound
from gateway.training.asks import TrainingAsk, read_training_ask
from tests.gateway.training.conftest import TRAINER, Room
from tests.gateway.training.facts import column, dataset, target


async def test_a_retraining_is_the_champions_training_on_the_newest_data(room: Room) -> None:
    first = await room.trained(
        dataset="payments@1",
        features=["amount"],
        hyperparameters={"C": 0.5},
        test_share=0.3,
        seed=9,
    )
    job = await room.desk.retrain(TRAINER, "fraud-lr", TrainingAsk())
    before = (await room.desk.get(TRAINER, first.lineage.job_id)).request  # type: ignore[union-attr]
    assert job.request == replace(before, dataset_version=2)


async def test_a_retraining_takes_what_is_said_and_keeps_the_rest(room: Room) -> None:
    await room.trained(hyperparameters={"C": 0.5}, seed=9)
    await room.datasets.add(
        dataset(column("amount"), column("country", "text", distinct=3), target(), name="later")
    )
    said = read_training_ask({"dataset": "later", "promote": False, "test_share": 0.4})
    request = (await room.desk.retrain(TRAINER, "fraud-lr", said)).request
    assert (request.dataset, request.dataset_version, request.promote) == ("later", 1, False)
    assert (request.test_share, request.seed, request.hyperparameters) == (0.4, 9, {"C": 0.5})
    said = read_training_ask({"dataset": "payments@1", "hyperparameters": {}, "seed": 0})
    request = (await room.desk.retrain(TRAINER, "fraud-lr", said)).request
    assert (request.dataset_version, request.seed, request.hyperparameters) == (1, 0, {})


async def test_another_class_is_trained_with_its_own_defaults(room: Room) -> None:
    await room.trained(hyperparameters={"C": 0.5})
    said = read_training_ask({"model_class": "random_forest"})
    request = (await room.desk.retrain(TRAINER, "fraud-lr", said)).request
    assert (request.model_class, request.hyperparameters) == ("random_forest", {})


async def test_new_data_must_have_the_old_features(room: Room) -> None:
    await room.trained()
    await room.datasets.add(dataset(column("amount"), target(), version=3))
    with pytest.raises(InvalidDataset) as refusal:
        await room.desk.retrain(TRAINER, "fraud-lr", TrainingAsk())
    assert (refusal.value.param, refusal.value.detail) == ("features", "Columns: 'country'.")
    said = read_training_ask({"features": ["amount"]})
    assert (await room.desk.retrain(TRAINER, "fraud-lr", said)).request.features == ("amount",)


async def test_two_retrainings_at_once_are_two_versions(room: Room) -> None:
    await room.trained()
    jobs = await asyncio.gather(*(room.desk.retrain(TRAINER, "fraud-lr", TrainingAsk()) for _ in range(2)))
    assert len({job.id for job in jobs}) == 2
    for job in jobs:
        await room.worked(job)
    versions = await room.model_desk.versions(TRAINER, "fraud-lr")
    assert [(one.version, one.champion) for one in versions] == [(3, True), (2, False), (1, False)]


async def test_a_champion_whose_job_was_deleted_is_retrained_by_its_lineage(room: Room) -> None:
    first = await room.trained(hyperparameters={"C": 0.5}, seed=9)
    assert first.lineage is not None
    await room.desk.delete(TRAINER, first.lineage.job_id)
    request = (await room.desk.retrain(TRAINER, "fraud-lr", TrainingAsk())).request
    assert (request.model_class, request.hyperparameters) == ("logistic_regression", {"C": 0.5})
    assert (request.features, request.seed, request.promote) == (("amount", "country"), 0, True)


async def test_only_a_trained_model_can_be_retrained_and_under_its_own_name(room: Room) -> None:
    for name in ("nobody", "..", "Upper", "a\0", "grader-llm"):
        with pytest.raises(ModelNotFound):
            await room.desk.retrain(TRAINER, name, TrainingAsk())
    await room.trained()
    with pytest.raises(InvalidRequest) as refusal:
        await room.desk.retrain(TRAINER, "fraud-lr", TrainingAsk(model="fraud-lr"))
    assert refusal.value.param == "model"
