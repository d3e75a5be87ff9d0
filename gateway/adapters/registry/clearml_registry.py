"""ClearML: a server's tasks and models. Blocking, in the registry process only.

A version is an OutputModel of the project that has the tag `version:N`; its metadata carry its lineage. The
champion has the tag `champion`: of several that have it, the highest version.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from shutil import copyfile
from typing import Any

from clearml import Model, Task
from clearml.backend_api.session.client import APIClient

from gateway.adapters.registry.clearml_files import ClearmlFiles
from gateway.adapters.registry.clearml_task import opened_task, written
from gateway.adapters.registry.entries import CHAMPION, SHA256, SIGNATURE, Entry, Refused, Run

_REGISTERING = "registering"  # a model's tag until it is whole
_VERSION = re.compile(r"version:([1-9][0-9]{0,8})")
_PAGE = 500
_FIELDS = ["id", "name", "tags", "metadata", "uri", "created", "task"]


class ClearmlRegistry:
    """`upload_uri`: where weights and plots go. `web_host`: for people's links, may be empty."""

    def __init__(self, project: str, upload_uri: str, web_host: str) -> None:
        if (path := upload_uri.removeprefix("file://")) != upload_uri:
            Path(path).mkdir(parents=True, exist_ok=True)  # the SDK will not
        self._project = project
        self._upload_uri = upload_uri
        self._web_host = web_host.rstrip("/")
        self._files = ClearmlFiles()

    @cached_property
    def _client(self) -> Any:
        """Logs in."""
        return APIClient()

    def register(self, run: Run) -> Entry:
        made = self.registered(run.job_id)
        if made is not None:
            return made
        self._bury(run.job_id)
        number = self._next_number(run.model)
        task = opened_task(self._project, _task_name(run.model, number), run.job_id, self._upload_uri)
        try:
            number = self._claimed(task, run.model, number)
            model = written(task, run, [_REGISTERING, run.job_id])
            tags = [f"version:{number}", run.job_id, *([CHAMPION] if run.promote else [])]
            self._client.models.edit(model=model.id, tags=tags)
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
        found = [model for model in self._models(tags=[job_id]) if _number(model) is not None]
        if not found:
            return None
        # The oldest wins where a worker that was thought dead registered the same job meanwhile.
        first, *others = sorted(found, key=_age)
        for other in others:
            self._remove(other)
        if self._client.tasks.get_by_id(task=first.task).status == "in_progress":  # its worker died since
            self._client.tasks.completed(task=first.task, force=True)
        return self._entry(first, _metadata(first), CHAMPION in first.tags)

    def versions(self) -> tuple[list[Entry], int]:
        whole: dict[tuple[str, int], tuple[Any, Mapping[str, str]]] = {}
        faults = 0
        for model in sorted(self._models(), key=_age):
            if _REGISTERING in model.tags:
                continue
            tags = self._files.tags(model, _metadata(model), self._adopt)
            number = _number(model)
            if tags is None or number is None or (model.name, number) in whole:
                faults += 1
            else:
                whole[model.name, number] = model, tags
        champions = {name: number for (name, number) in sorted(whole) if CHAMPION in whole[name, number][0].tags}
        entries = [
            self._entry(model, tags, champions.get(name) == number)
            for (name, number), (model, tags) in whole.items()
        ]
        return entries, faults

    def weights(self, name: str, version: int, folder: Path) -> tuple[Path, str]:
        model = self._find(name, version)
        sha256 = "" if model is None else _metadata(model).get(SHA256, "")
        if not sha256:
            raise Refused
        folder.mkdir(parents=True, exist_ok=True)
        return self._files.copy(model, Path(tempfile.mkdtemp(dir=folder))), sha256

    def promote(self, name: str, version: int) -> None:
        model = self._find(name, version)
        if model is None:
            return
        if CHAMPION not in model.tags:
            self._client.models.edit(model=model.id, tags=[*model.tags, CHAMPION])
        self._dethrone(name, model.id)

    def delete(self, name: str, version: int) -> None:
        model = self._find(name, version)
        if model is not None:
            self._remove(model)

    def _dethrone(self, name: str, champion: str) -> None:
        """All but one."""
        for model in self._models(name=name, tags=[CHAMPION]):
            if model.id != champion:
                self._client.models.edit(
                    model=model.id, tags=[tag for tag in model.tags if tag != CHAMPION]
                )

    def _remove(self, model: Any) -> None:
        """Weights that did not come from here are somebody's files: they stay."""
        ours = (model.uri or "").startswith(self._upload_uri)
        Model.remove(model.id, delete_weights_file=ours, force=True, raise_on_errors=True)

    def _bury(self, job_id: str) -> None:
        """What a worker that died left of this job."""
        for model in self._models(tags=["__$all", job_id, _REGISTERING]):
            self._remove(model)
        for task in self._tasks(tags=[job_id], status=["in_progress"]):
            self._client.tasks.failed(task=task.id, force=True, status_reason="its worker was lost")

    def _claimed(self, task: Task, model: str, number: int) -> int:
        """A version's number is the first Task's that is called by it: Tasks stay when models are deleted, so
        no number comes back, and of two workers one moves on."""
        while True:
            name = _task_name(model, number)
            first, *_ = sorted(self._tasks(name=f"^{re.escape(name)}$"), key=_age)
            if first.id == task.id:
                return number
            number = max(number + 1, self._next_number(model))
            task.set_name(_task_name(model, number))

    def _next_number(self, model: str) -> int:
        tasks = self._tasks(name=f"^{re.escape(model)} v[0-9]+$")
        numbers = [int(task.name.rpartition(" v")[2]) for task in tasks]
        numbers += [_number(one) or 0 for one in self._models(name=model)]
        return max(numbers, default=0) + 1

    def _adopt(self, model: Any, told: Mapping[str, str]) -> None:
        """Somebody's model becomes a version of its name."""
        metadata = [{"key": key, "value": value, "type": "str"} for key, value in told.items()]
        self._client.models.add_or_update_metadata(model=model.id, metadata=metadata)
        if _number(model) is None:
            model.tags = [*model.tags, f"version:{self._next_number(model.name)}"]
            self._client.models.edit(model=model.id, tags=model.tags)

    @property
    def _project_id(self) -> str | None:
        found = self._client.projects.get_all(name=f"^{re.escape(self._project)}$", only_fields=["id", "name"])
        return next((str(project.id) for project in found), None)

    def _find(self, name: str, version: int) -> Any:
        """The oldest of that version; None: there is none."""
        return min(self._models(name=name, tags=[f"version:{version}"]), key=_age, default=None)

    def _models(self, name: str | None = None, tags: Iterable[str] | None = None) -> list[Any]:
        exact = None if name is None else f"^{re.escape(name)}$"
        found = self._paged(self._client.models, name=exact, tags=tags, only_fields=_FIELDS)
        return [_with_tags(model) for model in found]

    def _tasks(self, **query: object) -> list[Any]:
        return list(self._paged(self._client.tasks, only_fields=["id", "name", "created", "status"], **query))

    def _paged(self, service: Any, **query: object) -> Iterator[Any]:
        project = self._project_id
        if project is None:
            return
        for page in range(1_000_000):
            found = service.get_all(
                project=[project],
                system_tags=["-archived"],
                order_by=["created"],
                page=page,
                page_size=_PAGE,
                **{key: value for key, value in query.items() if value is not None},
            )
            yield from found
            if len(found) < _PAGE:
                return
