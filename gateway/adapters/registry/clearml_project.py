"""A ClearML project's models and tasks as rows, by the SDK's API client."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from clearml.backend_api.session.client import APIClient

_PAGE = 500
_VERSION = re.compile(r"version:([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class ModelRow:
    id: str
    name: str
    created: datetime
    tags: tuple[str, ...]
    metadata: Mapping[str, str] = field(repr=False)
    uri: str
    task: str
    project: str

    @property
    def number(self) -> int | None:
        """The version's, by its tag."""
        found = filter(None, map(_VERSION.fullmatch, self.tags))
        return max((int(match[1]) for match in found), default=None)

    @property
    def age(self) -> tuple[datetime, str]:
        return self.created, self.id


@dataclass(frozen=True, slots=True)
class TaskRow:
    id: str
    name: str
    created: datetime

    @property
    def age(self) -> tuple[datetime, str]:
        return self.created, self.id


def version_tag(number: int) -> str:
    return f"version:{number}"


class ClearmlProject:
    """Archived models and tasks are gone, for us."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _client(self) -> Any:
        """Logs in."""
        return APIClient()

    def models(self, name: str | None = None, tags: Sequence[str] | None = None) -> list[ModelRow]:
        """Oldest first. `tags`: any of them, or all behind "__$all"."""
        fields = ["id", "name", "created", "tags", "metadata", "uri", "task", "project"]
        query = {"name": None if name is None else _exactly(name), "tags": tags, "only_fields": fields}
        return sorted(map(_model, self._paged(self._client.models, query)), key=lambda row: row.age)

    def tasks(
        self, name: str | None = None, tags: Sequence[str] | None = None, status: str | None = None
    ) -> list[TaskRow]:
        """Oldest first. `name`: a regular expression."""
        query = {
            "name": name,
            "tags": tags,
            "status": status and [status],
            "only_fields": ["id", "name", "created"],
        }
        rows = (TaskRow(one.id, one.name, one.created) for one in self._paged(self._client.tasks, query))
        return sorted(rows, key=lambda row: row.age)

    def retag(self, model_id: str, tags: Sequence[str]) -> None:
        self._client.models.edit(model=model_id, tags=list(tags))

    def describe(self, model_id: str, metadata: Mapping[str, str]) -> None:
        told = [{"key": key, "value": value, "type": "str"} for key, value in metadata.items()]
        self._client.models.add_or_update_metadata(model=model_id, metadata=told)

    def finish(self, task_id: str) -> None:
        """If it still runs."""
        if str(self._client.tasks.get_by_id(task=task_id).status) == "in_progress":
            self._client.tasks.completed(task=task_id, force=True)

    def fail(self, task_id: str, reason: str) -> None:
        self._client.tasks.failed(task=task_id, force=True, status_reason=reason)

    def _paged(self, service: Any, query: Mapping[str, object]) -> Iterator[Any]:
        found = self._client.projects.get_all(name=_exactly(self._name), only_fields=["id", "name"])
        projects = [project.id for project in found]
        if not projects:  # no project would mean all projects
            return
        asked = {key: value for key, value in query.items() if value is not None}
        page = 0
        while True:
            rows = service.get_all(
                project=projects,
                system_tags=["-archived"],
                order_by=["created"],
                page=page,
                page_size=_PAGE,
                **asked,
            )
            yield from rows
            if len(rows) < _PAGE:
                return
            page += 1


def _model(one: Any) -> ModelRow:
    told = one.metadata or {}
    entries = told.values() if isinstance(told, Mapping) else told  # a list before API 2.20
    return ModelRow(
        id=one.id,
        name=one.name,
        created=one.created,
        tags=tuple(one.tags or ()),
        metadata={str(entry["key"]): str(entry["value"]) for entry in entries},
        uri=one.uri or "",
        task=one.task or "",
        project=one.project or "",
    )


def _exactly(name: str) -> str:
    return f"^{re.escape(name)}$"
