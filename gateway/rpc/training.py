"""Model classes and training jobs over gRPC."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, cast

from gateway.domain import Caller
from gateway.errors import InvalidRequest, ModelNotFound
from gateway.guards import may_train
from gateway.rpc.calls import Call
from gateway.rpc.convert import page_size, struct, timestamp, unpacked, whole_where_due
from gateway.rpc.gen import training_pb2 as pb
from gateway.training.asks import TrainingAsk, read_training_ask
from gateway.training.facts import JobEvent, JobState, TrainingJob
from gateway.training.jobs import TrainingDesk
from gateway.training.models import ModelDesk

_STATES: Mapping[JobState, pb.JobState] = {
    JobState.QUEUED: pb.JOB_STATE_QUEUED,
    JobState.RUNNING: pb.JOB_STATE_RUNNING,
    JobState.SUCCEEDED: pb.JOB_STATE_SUCCEEDED,
    JobState.FAILED: pb.JOB_STATE_FAILED,
    JobState.CANCELLED: pb.JOB_STATE_CANCELLED,
}
_STATES_BY_NUMBER = {int(told): state for state, told in _STATES.items()}
_MOST_NUMBER = 2**31 - 1  # of an event


class Training:
    """The procedures of grading_gateway.v1.Training."""

    def __init__(self, desk: TrainingDesk, models: ModelDesk) -> None:
        self._desk = desk
        self._models = models

    async def list_model_classes(
        self, _: pb.ListModelClassesRequest, call: Call
    ) -> pb.ListModelClassesResponse:
        classes = [
            pb.ModelClass(name=one.name, title=one.title, estimator=one.estimator, schema=struct(one.schema))
            for one in self._desk.classes(call.caller)
        ]
        return pb.ListModelClassesResponse(classes=classes)

    async def start_training(self, asked: pb.StartTrainingRequest, call: Call) -> pb.StartTrainingResponse:
        may_train(call.caller)
        ask = self._ask(call.caller, asked, asked.model_class)
        job = await self._desk.start(call.caller, ask, call.once("training-jobs", asked))
        return pb.StartTrainingResponse(job=_job(job))

    async def retrain_model(self, asked: pb.RetrainModelRequest, call: Call) -> pb.RetrainModelResponse:
        may_train(call.caller)
        model_class = asked.model_class
        if asked.HasField("hyperparameters") and not model_class:
            model_class = await self._class_of_champion(call.caller, asked.model)
        ask = self._ask(call.caller, asked, model_class)
        job = await self._desk.retrain(call.caller, asked.model, ask, call.once("retrain", asked))
        return pb.RetrainModelResponse(job=_job(job))

    async def get_training_job(
        self, asked: pb.GetTrainingJobRequest, call: Call
    ) -> pb.GetTrainingJobResponse:
        return pb.GetTrainingJobResponse(job=_job(await self._desk.get(call.caller, asked.id)))

    async def list_training_jobs(
        self, asked: pb.ListTrainingJobsRequest, call: Call
    ) -> pb.ListTrainingJobsResponse:
        may_train(call.caller)
        size = page_size(asked.limit)
        found = await self._desk.find(
            call.caller,
            model=asked.model if asked.HasField("model") else None,
            state=_state(asked.status),
            after=asked.after if asked.HasField("after") else None,
            limit=size + 1,
        )
        # 200 jobs with a hundred metrics each take 9 ms.
        jobs = await asyncio.to_thread(lambda: [_listed(job) for job in found[:size]])
        return pb.ListTrainingJobsResponse(jobs=jobs, has_more=len(found) > size)

    async def watch_training_job(
        self, asked: pb.WatchTrainingJobRequest, call: Call
    ) -> AsyncIterator[pb.WatchTrainingJobResponse]:
        may_train(call.caller)
        if not 0 <= asked.after <= _MOST_NUMBER:
            raise InvalidRequest("'after' must be the number of a line, or 0.", param="after")
        watched = self._desk.watch(call.caller, asked.id, asked.after)
        async with aclosing(cast("AsyncGenerator[JobEvent, None]", watched)) as events:
            async for event in events:
                yield pb.WatchTrainingJobResponse(event=_event(event))

    async def cancel_training_job(
        self, asked: pb.CancelTrainingJobRequest, call: Call
    ) -> pb.CancelTrainingJobResponse:
        return pb.CancelTrainingJobResponse(job=_job(await self._desk.cancel(call.caller, asked.id)))

    async def delete_training_job(
        self, asked: pb.DeleteTrainingJobRequest, call: Call
    ) -> pb.DeleteTrainingJobResponse:
        await self._desk.delete(call.caller, asked.id)
        return pb.DeleteTrainingJobResponse()

    def _ask(
        self, caller: Caller, asked: pb.StartTrainingRequest | pb.RetrainModelRequest, model_class: str
    ) -> TrainingAsk:
        """What REST's body would say. Raises Forbidden, InvalidRequest."""
        said: dict[str, Any] = {
            name.name: value
            for name, value in asked.ListFields()
            if name.name not in ("features", "hyperparameters")
        }
        if asked.features:
            said["features"] = list(asked.features)
        if asked.HasField("hyperparameters"):
            schema = next((c.schema for c in self._desk.classes(caller) if c.name == model_class), {})
            said["hyperparameters"] = whole_where_due(unpacked(asked.hyperparameters), schema)
        if isinstance(asked, pb.RetrainModelRequest):
            said.pop("model", None)  # over HTTP the path says it
        return read_training_ask(said)

    async def _class_of_champion(self, caller: Caller, model: str) -> str:
        """Where it is not known the desk says so."""
        try:
            versions = await self._models.versions(caller, model)
        except ModelNotFound:
            return ""
        return next((v.lineage.model_class for v in versions if v.champion and v.lineage), "")


def _state(asked: int) -> JobState | None:
    if asked == pb.JOB_STATE_UNSPECIFIED:
        return None
    try:
        return _STATES_BY_NUMBER[asked]
    except KeyError:
        raise InvalidRequest("'status' must be a state of a job.", param="status") from None


def _job(job: TrainingJob) -> pb.TrainingJob:
    told = _listed(job)
    told.features.extend(job.request.features)
    return told


def _listed(job: TrainingJob) -> pb.TrainingJob:
    """As a list has it."""
    request = job.request
    return pb.TrainingJob(
        id=job.id,
        status=_STATES[job.state],
        stage=job.stage,
        progress=job.progress,
        model=request.model,
        model_class=request.model_class,
        dataset=f"{request.dataset}@{request.dataset_version}",
        target=request.target,
        feature_count=job.feature_count,
        hyperparameters=struct(request.hyperparameters),
        test_share=request.test_share,
        seed=request.seed,
        promote=request.promote,
        created_at=timestamp(job.created_at),
        started_at=timestamp(job.started_at) if job.started_at else None,
        ended_at=timestamp(job.ended_at) if job.ended_at else None,
        attempts=job.attempts,
        cancelling=job.cancelling,
        model_version=job.model_version,
        metrics=job.metrics,
        error=pb.JobError(code=job.error_code, message=job.error) if job.error_code else None,
    )


def _event(event: JobEvent) -> pb.JobEvent:
    return pb.JobEvent(
        number=event.number,
        at=timestamp(event.at),
        status=_STATES[event.state],
        stage=event.stage,
        progress=event.progress,
        message=event.message,
    )
