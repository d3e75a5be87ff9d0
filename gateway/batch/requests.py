"""From a row's cells or JSON to a grading request, pure. What is wrong with one is a BadRow."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.batch.rows import CHAT, FaultCode, Job, Unusable
from gateway.grading.routing import GRADER_AUTO, GRADER_EMBEDDING, GRADER_LLM, GRADERS

# Field -> the names that its column may have, the first one that is there counts.
COLUMNS: Mapping[str, Sequence[str]] = {
    "id": ("id", "submission_id"),
    "submission": ("submission", "answer"),
    "question": ("question",),
    "reference": ("reference_answers", "reference"),
    "max_score": ("max_score",),
    "language": ("language",),
    "task_type": ("task_type",),
    "student_id": ("student_id",),
    "labels": ("labels",),
}
_NEEDED = ("id", "submission")
_AS_THEY_ARE = ("question", "language", "task_type", "student_id")
_GRADERS = {"llm": GRADER_LLM, "embedding": GRADER_EMBEDDING}  # any other wish: as the policy picks
_CHAT_URL = "/v1/chat/completions"
_PREDICT_URLS = {f"/v1/models/{name}:predict": name for name in GRADERS}
_OPENAI_KEYS = frozenset({"custom_id", "method", "url", "body"})


class BadRow(Exception):
    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message  # names fields, not contents


def located(header: Sequence[str], named: Mapping[str, str]) -> dict[str, int]:
    """Where each field's column is. `named`: what the caller's file calls a field. Raises Unusable."""
    places = {}
    for field, names in COLUMNS.items():
        wanted = [named[field]] if field in named else names
        found = next((name for name in wanted if name in header), None)
        if found is not None:
            places[field] = header.index(found)
        elif field in named:
            raise Unusable(f"the file has no column that --column-{field.replace('_', '-')} names")
        elif field in _NEEDED:
            raise Unusable(f"the file has no column '{names[0]}' (or '{names[1]}')")
    return places


def cells_request(cells: Sequence[str], places: Mapping[str, int], job: Job) -> tuple[str, dict[str, Any]]:
    """Target and payload of a CSV row. An empty cell is a field that is not there, but for the submission."""
    given = {field: cells[place] for field, place in places.items() if cells[place]}
    payload: dict[str, Any] = {"submission": given.get("submission", "")}
    payload |= {field: given[field] for field in _AS_THEY_ARE if field in given}
    if "reference" in given:
        payload["reference_answers"] = _texts(given["reference"]) or [given["reference"]]
    if "labels" in given:
        payload["labels"] = _texts(given["labels"]) or given["labels"].split("|")
    if "max_score" in given:
        payload["metadata"] = {"max_score": _number(given["max_score"])}
    return completed(payload, cells[places["id"]], job)


def json_request(value: Mapping[str, Any], job: Job) -> tuple[str, dict[str, Any]]:
    """Target and payload of a grading request with an `id`."""
    return completed({name: one for name, one in value.items() if name != "id"}, json_id(value), job)


def openai_request(value: Mapping[str, Any], job: Job) -> tuple[str, dict[str, Any]]:
    """Target and payload of a line of OpenAI's batch format."""
    if value.keys() != _OPENAI_KEYS or not isinstance(value["body"], dict):
        raise BadRow(FaultCode.INVALID_ROW, "A line has custom_id, method, url and body, an object.")
    if value["method"] != "POST":
        raise BadRow(FaultCode.INVALID_ROW, "'method' must be POST.")
    url = value["url"]
    if url == _CHAT_URL:
        return CHAT, value["body"]
    target = _PREDICT_URLS.get(url) if isinstance(url, str) else None
    if target is None:
        raise BadRow(FaultCode.INVALID_ROW, "'url' must be chat completions' or a grader's :predict.")
    return target, completed(value["body"], json_id(value), job)[1]


def json_id(value: Mapping[str, Any]) -> str:
    """The row's own name in any JSON format; empty when it has none."""
    for name in ("custom_id", "id", "submission_id"):
        found = value.get(name)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        if found is not None:
            return found if isinstance(found, str) else ""
    return ""


def completed(payload: Mapping[str, Any], row_id: str, job: Job) -> tuple[str, dict[str, Any]]:
    """The request with what the job says for rows that do not, and the grader that it goes to."""
    whole = dict(payload)
    wish = whole.get("grader", job.grader)
    target = _GRADERS.get(wish, GRADER_AUTO) if isinstance(wish, str) else GRADER_AUTO
    if whole.get("contract") == "v1":
        return target, whole  # that contract has no field for any of it
    whole.setdefault("submission_id", row_id)
    whole.setdefault("grader", job.grader)
    if job.question is not None:
        whole.setdefault("question", job.question)
    if "rubric" not in whole and "rubric_id" not in whole:
        whole |= {"rubric": job.rubric} if job.rubric is not None else {}
        whole |= {"rubric_id": job.rubric_id} if job.rubric_id is not None else {}
    metadata = whole.get("metadata", {})
    if job.max_score is not None and isinstance(metadata, dict):
        whole["metadata"] = {"max_score": job.max_score, **metadata}
    return target, whole


def _texts(cell: str) -> list[str] | None:
    """A JSON list of texts; None when the cell is something else."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        found = orjson.loads(cell)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


def _number(cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadRow(FaultCode.INVALID_ROW, "'max_score' must be a number.")
    return number
