"""Rubrics as a resource: versioned, unchangeable once a grade was added up by one."""

from dataclasses import replace

from gateway.domain import Caller, Rubric, Source
from gateway.errors import Conflict, Forbidden, NotFound
from gateway.ports import Rubrics
from gateway.records import RubricRecord

FIRST_VERSION = "1.0.0"


class RubricBook:
    def __init__(self, rubrics: Rubrics) -> None:
        self._rubrics = rubrics

    async def add(self, caller: Caller, rubric: Rubric, *, versioned: bool) -> RubricRecord:
        """A new rubric or a new version of one; not `versioned`, it gets the version after the newest. Raises
        Forbidden, and Conflict when that version is there."""
        _may_write(caller)
        if not versioned:
            rubric = replace(rubric, version=await self._next_version(rubric))
        return await self._rubrics.add(rubric, caller.key_id)

    async def replace(self, caller: Caller, rubric: Rubric) -> RubricRecord:
        """Another content for a version that no grade was added up by. Raises Forbidden, NotFound and, when
        there is such a grade, Conflict."""
        _may_write(caller)
        return await self._rubrics.replace(rubric, caller.key_id)

    async def get(self, rubric_id: str) -> RubricRecord:
        """By `name@version`, or by `name` the newest. Raises NotFound."""
        name, at, version = rubric_id.partition("@")
        return await self._rubrics.get(name, version if at else None)

    async def find(self, name: str | None, after: str | None, limit: int) -> list[RubricRecord]:
        """A page, by name and then version."""
        return await self._rubrics.find(name, after, limit)

    async def _next_version(self, rubric: Rubric) -> str:
        try:
            newest = (await self._rubrics.get(rubric.name)).rubric
        except NotFound:
            return FIRST_VERSION
        return next_version(newest, rubric)


def next_version(before: Rubric, after: Rubric) -> str:
    """Semantic versioning, as a rubric's readers see it: what is asked of a submission changes the major
    number, for grades by the two cannot be compared; points, constraints and notes the minor one, for the old
    criterion marks can be added up anew. Raises Conflict when nothing has changed."""
    if replace(after, version=before.version) == before:
        raise Conflict("This is the newest version already.", param="version")
    major, minor, _ = (int(part) for part in before.version.split("."))
    return f"{major}.{minor + 1}.0" if asked_of(before) == asked_of(after) else f"{major + 1}.0.0"


def asked_of(rubric: Rubric) -> list[tuple[str, str, Source]]:
    """What a rubric asks of a submission, whatever it is worth."""
    return sorted((one.id, one.description, one.source) for one in rubric.criteria)


def _may_write(caller: Caller) -> None:
    if not caller.oversees:
        raise Forbidden("Rubrics are written with a key of the role admin or trainer.")
