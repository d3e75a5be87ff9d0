"""ClearML: a server's tasks and models. Blocking, in the registry process only.

A version is an OutputModel of the project with the tag `version:N`; its metadata carry its lineage. The
champion has the tag `champion`: of several that have it, the highest version.
"""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

from clearml import Model, Task

from gateway.adapters.registry.clearml_files import ClearmlFiles
from gateway.adapters.registry.clearml_project import ClearmlProject, ModelRow, version_tag
from gateway.adapters.registry.clearml_task import opened_task, written
from gateway.adapters.registry.entries import CHAMPION, SHA256, Entry, Refused, Run

_REGISTERING = "registering"  # a model's tag until it is whole


class ClearmlRegistry:
    """`upload_uri`: where weights and plots go. `web_host`: for people's links, may be empty."""

    def __init__(self, project: str, upload_uri: str, web_host: str) -> None:
        if (path := upload_uri.removeprefix("file://")) != upload_uri:
            Path(path).mkdir(parents=True, exist_ok=True)  # the SDK will not
        self._name = project
        self._project = ClearmlProject(project)
        self._upload_uri = upload_uri
        self._web_host = web_host.rstrip("/")
        self._files = ClearmlFiles()

    def register(self, run: Run) -> Entry:
        made = self.registered(run.job_id)
        if made is not None:
            return made
        self._bury(run.job_id)
        number = self._next_number(run.model)
        task = opened_task(self._name, _task_name(run.model, number), run.job_id, self._upload_uri)
        try:
            number = self._claimed(task, run.model, number)
            model = written(task, run, [_REGISTERING, run.job_id], self._upload_uri)
            self._project.describe(model.id, run.tags)
            champion = [CHAMPION] if run.promote else []
            self._project.retag(model.id, [version_tag(number), run.job_id, *champion])
            if run.promote:
                self._dethrone(run.model, model.id)
        except BaseException:
            task.mark_failed(status_reason="the model could not be registered")
            raise
        task.close()
        made = self.registered(run.job_id)
        if made is None:
            raise RuntimeError("the version is gone")
        return made

    def registered(self, job_id: str) -> Entry | None:
        found = [model for model in self._project.models(tags=[job_id]) if model.number is not None]
        if not found:
            return None
        # The oldest wins where a worker that was thought dead registered the same job meanwhile.
        first, *others = found
        for other in others:
            self._remove(other)
        self._project.finish(first.task)  # its worker may have died since
        return self._entry(first, CHAMPION in first.tags)

    def versions(self) -> tuple[list[Entry], int]:
        whole: dict[tuple[str, int], ModelRow] = {}
        faults = 0
        for found in self._project.models():
            if _REGISTERING in found.tags:
                continue
            model = self._adopted(found)
            if model is None or model.number is None or (model.name, model.number) in whole:
                faults += 1
            else:
                whole[model.name, model.number] = model
        champions = {name: number for name, number in sorted(whole) if CHAMPION in whole[name, number].tags}
        entries = [
            self._entry(model, champions.get(name) == number) for (name, number), model in whole.items()
        ]
        return entries, faults

    def weights(self, name: str, version: int, folder: Path) -> tuple[Path, str]:
        model = self._find(name, version)
        if model is None or SHA256 not in model.metadata:
            raise Refused
        folder.mkdir(parents=True, exist_ok=True)
        return self._files.copy(model, Path(tempfile.mkdtemp(dir=folder))), model.metadata[SHA256]

    def promote(self, name: str, version: int) -> None:
        model = self._find(name, version)
        if model is None:
            return
        if CHAMPION not in model.tags:
            self._project.retag(model.id, [*model.tags, CHAMPION])
        self._dethrone(name, model.id)

    def delete(self, name: str, version: int, sha256: str) -> None:
        model = self._find(name, version)
        if model is not None and model.metadata.get(SHA256) == sha256:
            self._remove(model)

    def _dethrone(self, name: str, champion: str) -> None:
        """All but this one."""
        for model in self._project.models(name, [CHAMPION]):
            if model.id != champion:
                self._project.retag(model.id, [tag for tag in model.tags if tag != CHAMPION])

    def _remove(self, model: ModelRow) -> None:
        """Weights that were not put there from here are somebody's files: they stay."""
        ours = bool(self._upload_uri) and model.uri.startswith(f"{self._upload_uri.rstrip('/')}/")
        try:
            Model.remove(model.id, delete_weights_file=ours, force=True, raise_on_errors=True)
        except ValueError:
            # The SDK takes the file away after the model: it may be gone, or not ours to take away.
            if any(one.id == model.id for one in self._project.models(model.name)):
                raise

    def _bury(self, job_id: str) -> None:
        """What a worker that died left of this job."""
        for model in self._project.models(tags=["__$all", job_id, _REGISTERING]):
            self._remove(model)
        for task in self._project.tasks(tags=[job_id], status="in_progress"):
            self._project.fail(task.id, "its worker was lost")

    def _claimed(self, task: Task, model: str, number: int) -> int:
        """A version's number is the first Task's that is called by it: Tasks stay when models are deleted, so
        no number comes back, and of two workers one moves on."""
        while True:
            name = _task_name(model, number)
            first, *_ = self._project.tasks(f"^{re.escape(name)}$")
            if first.id == task.id:
                return number
            number = max(number + 1, self._next_number(model))
            task.rename(_task_name(model, number))

    def _next_number(self, model: str) -> int:
        tasks = self._project.tasks(f"^{re.escape(model)} v[0-9]+$")
        numbers = [int(task.name.rpartition(" v")[2]) for task in tasks]
        numbers += [one.number or 0 for one in self._project.models(model)]
        return max(numbers, default=0) + 1

    def _adopted(self, model: ModelRow) -> ModelRow | None:
        """Somebody's model becomes the next version of its name. None: it cannot be served."""
        told = self._files.told(model)
        if told is None:
            return None
        if told:
            self._project.describe(model.id, told)
            model = replace(model, metadata={**model.metadata, **told})
        if model.number is None:
            tags = (*model.tags, version_tag(self._next_number(model.name)))
            self._project.retag(model.id, tags)
            model = replace(model, tags=tags)
        return model

    def _find(self, name: str, version: int) -> ModelRow | None:
        """The oldest of that number, as versions() has it."""
        return next(iter(self._project.models(name, [version_tag(version)])), None)

    def _entry(self, model: ModelRow, champion: bool) -> Entry:
        assert model.number is not None  # noqa: S101 - whoever asks has looked
        page = f"{self._web_host}/projects/{model.project}/tasks/{model.task}/output/log"
        return Entry(
            name=model.name,
            version=model.number,
            created_at=model.created.timestamp(),
            tags=model.metadata,
            champion=champion,
            where=model.uri,
            run_url=page if self._web_host and model.task else None,
        )


def _task_name(model: str, number: int) -> str:
    return f"{model} v{number}"
