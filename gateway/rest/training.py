"""Training over REST: model classes, jobs, and the versions of models that come of them."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from gateway.chat.request import Bounds, parse_json
from gateway.domain import Caller
from gateway.errors import InvalidRequest
from gateway.guards import may_train
from gateway.rest.page import CallerOf, Json, Limit, once_of
from gateway.training.asks import TrainingAsk, read_training_ask
from gateway.training.facts import JobEvent, JobState, ModelVersion, TrainingJob
from gateway.training.jobs import TrainingDesk
from gateway.training.models import ModelDesk
from gateway.training.signature import signature_json

_MOST = 2**31 - 1  # of a number that the store keeps
Version = Annotated[int, Query(ge=1, le=_MOST)]


async def _trainer(caller: CallerOf) -> Caller:
    """Who may not train learns so before anything that they sent is looked at."""
    may_train(caller)
    return caller


TrainerOf = Annotated[Caller, Depends(_trainer)]


def router(desk: TrainingDesk, models: ModelDesk, bounds: Bounds) -> APIRouter:
    """The routes over the desks."""
    routes = APIRouter(tags=["training"])
    _jobs(routes, desk, bounds)
    _models(routes, models, bounds)

    @routes.get("/v1/model-classes")
    async def classes(caller: TrainerOf) -> Response:
        """What can be trained, with the JSON Schema of its hyper-parameters."""
        data = [
            {"name": one.name, "title": one.title, "estimator": one.estimator, "schema": one.schema}
            for one in desk.classes(caller)
        ]
        return Json({"object": "list", "data": data, "has_more": False})

    return routes


def _jobs(routes: APIRouter, desk: TrainingDesk, bounds: Bounds) -> None:
    @routes.post("/v1/training-jobs", status_code=202)
    async def start(request: Request, caller: TrainerOf) -> Response:
        """Queues a training; `Idempotency-Key` makes it one however often it is sent."""
        body = await request.body()
        once = once_of(request, "training-jobs", body)
        return _queued(await desk.start(caller, _ask(body, bounds), once))

    @routes.post("/v1/models/{name}:retrain", status_code=202)
    async def retrain(name: str, request: Request, caller: TrainerOf) -> Response:
        """Queues a training like the champion's, but for what the body says; an empty one is fine."""
        body = await request.body()
        once = once_of(request, f"{name}:retrain", body)
        ask = _ask(body, bounds) if body else TrainingAsk()
        return _queued(await desk.retrain(caller, name, ask, once))

    @routes.get("/v1/training-jobs")
    async def jobs(
        caller: TrainerOf,
        model: str | None = None,
        status: JobState | None = None,
        after: str | None = None,
        limit: Limit = 20,
    ) -> Response:
        """A page, newest first."""
        found = await desk.find(caller, model=model, state=status, after=after, limit=limit + 1)
        data = [_listed(job) for job in found[:limit]]
        return await _list(data, more=len(found) > limit)

    @routes.get("/v1/training-jobs/{job_id}")
    async def job(job_id: str, caller: TrainerOf) -> Response:
        """How far it is."""
        return Json(job_answer(await desk.get(caller, job_id)))

    @routes.get("/v1/training-jobs/{job_id}/events")
    async def events(
        job_id: str, caller: TrainerOf, after: Annotated[int, Query(ge=0, le=_MOST)] = 0, limit: Limit = 100
    ) -> Response:
        """Its log from behind the number `after`, oldest first."""
        found = await desk.events(caller, job_id, after, limit + 1)
        data = [event_answer(event) for event in found[:limit]]
        return Json({"object": "list", "data": data, "has_more": len(found) > limit})

    @routes.post("/v1/training-jobs/{job_id}:cancel")
    async def cancel(job_id: str, caller: TrainerOf) -> Response:
        """A queued job is cancelled at once, a running one soon; one that is over stays as it is."""
        return Json(job_answer(await desk.cancel(caller, job_id)))

    @routes.delete("/v1/training-jobs/{job_id}", status_code=204)
    async def delete(job_id: str, caller: TrainerOf) -> Response:
        """With its log; the model that came of it stays."""
        await desk.delete(caller, job_id)
        return Response(status_code=204)


def _models(routes: APIRouter, models: ModelDesk, bounds: Bounds) -> None:
    @routes.get("/v1/models/{name}/versions")
    async def versions(name: str, caller: CallerOf) -> Response:
        """All that are kept, newest first."""
        return await _list(map(version_answer, await models.versions(caller, name)))

    @routes.post("/v1/models/{name}:promote")
    async def promote(name: str, request: Request, caller: TrainerOf) -> Response:
        """`{"version": 2}`: what is predicted with from now on."""
        payload = parse_json(await request.body(), bounds)
        version = payload.get("version")
        if payload.keys() != {"version"} or type(version) is not int or not 1 <= version <= _MOST:
            raise InvalidRequest(
                "'version' must be the number of a version, and stand alone.", param="version"
            )
        promoted = await models.promote(caller, name, version)
        where = {"content-location": f"/v1/models/{promoted.name}?version={promoted.version}"}
        return Json(version_answer(promoted), headers=where)

    @routes.delete("/v1/models/{name}", status_code=204)
    async def delete(
        name: str, request: Request, caller: TrainerOf, version: Version | None = None
    ) -> Response:
        """One version, or without `version` the model with all of them."""
        if request.query_params.keys() - {"version"}:
            # A mistyped `version` would delete everything.
            raise InvalidRequest("Only 'version' is read.", param="request")
        await models.delete(caller, name, version)
        return Response(status_code=204)


async def _list(data: Iterable[object], *, more: bool = False) -> Response:
    """Off the loop: signatures of a thousand features each are megabytes."""
    return await asyncio.to_thread(lambda: Json({"object": "list", "data": [*data], "has_more": more}))


def _ask(body: bytes, bounds: Bounds) -> TrainingAsk:
    return read_training_ask(parse_json(body, bounds))


def _queued(job: TrainingJob) -> Response:
    return Json(job_answer(job), 202, {"location": f"/v1/training-jobs/{job.id}"})


def job_answer(job: TrainingJob) -> dict[str, Any]:
    """The job as JSON; times in seconds since the epoch."""
    request = job.request
    return {
        "id": job.id,
        "object": "training_job",
        "status": job.state.value,
        "stage": job.stage,
        "progress": job.progress,
        "model": request.model,
        "model_class": request.model_class,
        "dataset": f"{request.dataset}@{request.dataset_version}",
        "target": request.target,
        "features": request.features,
        "feature_count": job.feature_count,
        "hyperparameters": dict(request.hyperparameters),
        "test_share": request.test_share,
        "seed": request.seed,
        "promote": request.promote,
        "created_at": int(job.created_at.timestamp()),
        "started_at": int(job.started_at.timestamp()) if job.started_at else None,
        "ended_at": int(job.ended_at.timestamp()) if job.ended_at else None,
        "attempts": job.attempts,
        "cancelling": job.cancelling,
        "model_version": job.model_version,
        "metrics": dict(job.metrics),
        "error": {"code": job.error_code, "message": job.error} if job.error_code else None,
    }


def _listed(job: TrainingJob) -> dict[str, Any]:
    """The job as a list has it: the names of a thousand features would be megabytes of a page."""
    answer = job_answer(job)
    del answer["features"]
    return answer


def event_answer(event: JobEvent) -> dict[str, Any]:
    """A line of a job's log as JSON."""
    return {
        "number": event.number,
        "at": int(event.at.timestamp()),
        "status": event.state.value,
        "stage": event.stage,
        "progress": event.progress,
        "message": event.message,
    }


def version_answer(version: ModelVersion) -> dict[str, Any]:
    """A version of a model as JSON."""
    lineage = version.lineage
    return {
        "name": version.name,
        "version": version.version,
        "champion": version.champion,
        "created_at": int(version.created_at.timestamp()),
        "sha256": version.sha256,
        "model_class": lineage.model_class if lineage else None,
        "signature": orjson.Fragment(signature_json(version.signature)),
        "metrics": dict(version.metrics),
        "lineage": {
            "job_id": lineage.job_id,
            "dataset": lineage.dataset,
            "dvc_hash": lineage.dvc_hash,
            "git_commit": lineage.git_commit,
            "hyperparameters": dict(lineage.hyperparameters),
        }
        if lineage
        else None,
        "run_url": version.run_url,
    }
