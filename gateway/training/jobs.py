"""Where trainings are asked for and followed. The work is the worker's; the store is between them."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import fields
from datetime import UTC, datetime

from gateway.domain import Caller
from gateway.errors import Conflict, InvalidHyperparameters, InvalidRequest, NotFound
from gateway.guards import may_train
from gateway.records import Once
from gateway.training.asks import TrainingAsk
from gateway.training.classes import ModelClasses
from gateway.training.facts import (
    JobEvent,
    JobState,
    ModelClass,
    ModelVersion,
    TrainingJob,
    TrainingRequest,
    checked_name,
)
from gateway.training.learnable import chosen
from gateway.training.models import trained
from gateway.training.ports import DatasetShelf, JobShelf, ModelShelf

TakenElsewhere = Callable[
    [str], Awaitable[bool]
]  # whether a model of that name is served that is none of ours

_JOB = re.compile(r"job_[0-9a-f]{32}")
_TEST_SHARE = 0.2
_TO_LEARN_FROM = {"linear_svm": 2}  # rows of each class, where one is not enough: it learns on folds of them
_POLL_S = 0.5  # how often a watched job is looked at
_PAGE = 100  # events read at once


class TrainingDesk:
    def __init__(
        self,
        shelf: JobShelf,
        datasets: DatasetShelf,
        models: ModelShelf,
        classes: ModelClasses,
        taken: TakenElsewhere,
        most_open: int,
    ) -> None:
        """`most_open`: jobs of one key that are not over."""
        self._shelf = shelf
        self._datasets = datasets
        self._models = models
        self._classes = classes
        self._taken = taken
        self._most_open = most_open

    def classes(self, caller: Caller) -> list[ModelClass]:
        """What can be trained. Raises Forbidden."""
        may_train(caller)
        return list(self._classes.all())

    async def start(self, caller: Caller, ask: TrainingAsk, once: Once | None = None) -> TrainingJob:
        """Queues a training and returns at once. Raises Forbidden, InvalidRequest, InvalidHyperparameters,
        NotFound, InvalidDataset, Conflict, RateLimited, StoreUnavailable."""
        may_train(caller)
        return await self._made(caller, once) or await self._queued(caller, ask, once)

    async def retrain(
        self, caller: Caller, model: str, ask: TrainingAsk, once: Once | None = None
    ) -> TrainingJob:
        """A training like the one that the champion came of, but for what the ask says; without a version the
        data set's newest. Raises as start(), and ModelNotFound."""
        may_train(caller)
        if ask.model is not None:
            raise InvalidRequest("'model' has no place here: the path names it.", param="model")
        name = trained(model)
        if (made := await self._made(caller, once)) is not None:
            return made
        champion = await self._models.get(name)
        return await self._queued(caller, again(ask, champion, await self._last(champion)), once)

    async def get(self, caller: Caller, job_id: str) -> TrainingJob:
        """Raises Forbidden, NotFound."""
        may_train(caller)
        return await self._shelf.get(_checked(job_id))

    async def find(
        self,
        caller: Caller,
        *,
        model: str | None = None,
        state: JobState | None = None,
        after: str | None = None,
        limit: int = 20,
    ) -> list[TrainingJob]:
        """A page of everybody's, newest first. Raises Forbidden, InvalidRequest."""
        may_train(caller)
        if model is not None:
            checked_name(model, "model")
        if after is not None and not _JOB.fullmatch(after):
            raise InvalidRequest("'after' must be the id of a job.", param="after")
        return await self._shelf.find(model, state, after, limit)

    async def events(self, caller: Caller, job_id: str, after: int = 0, limit: int = 100) -> list[JobEvent]:
        """The job's log from behind the number `after`. Raises Forbidden, NotFound."""
        await self.get(caller, job_id)
        return await self._shelf.events(job_id, after, limit)

    async def watch(self, caller: Caller, job_id: str, after: int = 0) -> AsyncIterator[JobEvent]:
        """The job's log as it grows, until the job is over. Raises Forbidden, NotFound."""
        over = False
        while not over:
            # Looked at before its events: one that ends in between is looked at again.
            over = (await self.get(caller, job_id)).state.over
            while page := await self._shelf.events(job_id, after, _PAGE):
                for event in page:
                    yield event
                after, over = page[-1].number, over or page[-1].state.over
            if not over:
                await asyncio.sleep(_POLL_S)

    async def cancel(self, caller: Caller, job_id: str) -> TrainingJob:
        """A queued job is cancelled at once, a running one soon. Raises Forbidden, NotFound."""
        may_train(caller)
        return await self._shelf.cancel(_checked(job_id))

    async def delete(self, caller: Caller, job_id: str) -> None:
        """A job that is over, with its log; the model that came of it stays. Raises Forbidden, NotFound,
        Conflict."""
        may_train(caller)
        await self._shelf.delete(_checked(job_id))

    async def _made(self, caller: Caller, once: Once | None) -> TrainingJob | None:
        return await self._shelf.made(caller.key_id, once) if once else None

    async def _queued(self, caller: Caller, ask: TrainingAsk, once: Once | None) -> TrainingJob:
        request, note = await self._request(ask)
        job = TrainingJob(f"job_{uuid.uuid4().hex}", caller.key_id, request, datetime.now(UTC))
        return await self._shelf.add(job, note, once, self._most_open)

    async def _request(self, ask: TrainingAsk) -> tuple[TrainingRequest, str]:
        """What is asked for, checked against the class and the data, and a word for the job's log."""
        model = checked_name(_required(ask.model, "model"), "model")
        if await self._taken(model):
            raise Conflict("That name is another model's, which is not trained here.", param="model")
        model_class = self._classes.get(_required(ask.model_class, "model_class"))
        hyperparameters = dict(ask.hyperparameters or {})
        self._classes.check(model_class.name, hyperparameters)
        name = _required(ask.dataset, "dataset")
        try:
            version = await self._datasets.get(name, ask.dataset_version)
        except NotFound:
            raise NotFound("There is no such data set, or no such version of it.", param="dataset") from None
        test_share = _TEST_SHARE if ask.test_share is None else ask.test_share
        learnt = chosen(
            version, ask.target, ask.features, test_share, _TO_LEARN_FROM.get(model_class.name, 1)
        )
        target = version.table.column(learnt.target)
        if target is not None and target.distinct > 2 and hyperparameters.get("solver") == "liblinear":
            raise InvalidHyperparameters(
                "'hyperparameters.solver': liblinear tells two classes apart, no more.",
                param="hyperparameters.solver",
            )
        request = TrainingRequest(
            model=model,
            model_class=model_class.name,
            dataset=version.name,
            dataset_version=version.version,
            target=learnt.target,
            features=learnt.features,
            hyperparameters=hyperparameters,
            test_share=test_share,
            seed=ask.seed or 0,
            promote=ask.promote is not False,
        )
        return request, learnt.note

    async def _last(self, champion: ModelVersion) -> TrainingRequest | None:
        """What was asked for when the champion was trained. None: its job was deleted, or there was none."""
        if champion.lineage is None:
            return None
        try:
            return (await self._shelf.get(champion.lineage.job_id)).request
        except NotFound:
            return None


def again(ask: TrainingAsk, champion: ModelVersion, last: TrainingRequest | None) -> TrainingAsk:
    """The ask, completed by what is known of how the champion was trained."""
    lineage = champion.lineage
    known = TrainingAsk(
        model=champion.name,
        model_class=lineage.model_class if lineage else None,
        dataset=lineage.dataset.partition("@")[0] if lineage else None,
        target=champion.signature.target,
        features=tuple(feature.name for feature in champion.signature.features),
        test_share=last.test_share if last else None,
        seed=last.seed if last else None,
        promote=last.promote if last else None,
    )
    said = {one.name: getattr(ask, one.name) for one in fields(TrainingAsk)}
    kept = {name: getattr(known, name) if value is None else value for name, value in said.items()}
    if ask.hyperparameters is None and kept["model_class"] == known.model_class:
        # Another class has other parameters: then its defaults are meant.
        kept["hyperparameters"] = last.hyperparameters if last else lineage and lineage.hyperparameters
    return TrainingAsk(**kept)


def _required(value: str | None, name: str) -> str:
    if value is None:
        raise InvalidRequest(f"'{name}' is required.", param=name)
    return value


def _checked(job_id: str) -> str:
    if not _JOB.fullmatch(job_id):
        raise NotFound("There is no training job of that id.", param="id")
    return job_id
