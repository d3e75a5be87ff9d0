"""From contract to contract, pure: requests upwards, so that one reader reads them all; answers downwards."""

from collections.abc import Mapping
from typing import Any

from gateway.contracts.files import CLASSIFICATION, TASK_TYPES, V1, V1_1

_MOVED = ("task_type", "labels", "expected_label")  # from v1's metadata
_ADDED = frozenset({"id", "cached"})  # to answers by v1.1


def task_type_of_v1(metadata: Mapping[str, Any]) -> str | None:
    """The task type that v1's metadata tells, if they do: by its name, or by labels to choose from. Metadata
    are the platform's own, so a `task_type` that is none of ours tells nothing."""
    named = metadata.get("task_type")
    if named in TASK_TYPES:
        return str(named)
    return CLASSIFICATION if isinstance(metadata.get("labels"), list) else None


def request_to_v1_1(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A checked request of v1 as v1.1: what v1 has no fields for moves out of its metadata."""
    metadata = payload.get("metadata") or {}
    migrated = {**payload, "contract": V1_1}
    task_type = task_type_of_v1(metadata)
    if task_type is None:
        return migrated
    migrated["task_type"] = task_type
    moved = _MOVED if task_type == CLASSIFICATION else ("task_type",)
    migrated["metadata"] = {name: value for name, value in metadata.items() if name not in moved}
    if task_type == CLASSIFICATION:
        migrated["labels"] = metadata["labels"]
        if metadata.get("expected_label") is not None:
            migrated["reference_answers"] = [metadata["expected_label"]]
    return migrated


def answer_to_v1(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer of v1.1 as v1."""
    kept = {name: value for name, value in answer.items() if name not in _ADDED}
    return {**kept, "versions": {**answer["versions"], "contract": V1}}
