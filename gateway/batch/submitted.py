"""What a caller hands in as a batch, and what the results look like on the wire. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.batch.queue import Batch, Ended
from gateway.batch.requests import BadRow, json_id, json_request, openai_request
from gateway.batch.rows import CHAT, LONGEST_ID, Failure, Format, Job
from gateway.errors import InvalidRequest, PayloadTooLarge


@dataclass(frozen=True, slots=True)
class Asked:
    """One grading request of a batch, its contract not yet checked."""

    custom_id: str
    grader: str
    payload: Mapping[str, Any] = field(repr=False)


def format_of(values: Sequence[Any]) -> Format:
    """OpenAI's batch format when the first request has a custom_id."""
    first = values[0] if values else None
    return Format.OPENAI if isinstance(first, dict) and "custom_id" in first else Format.JSONL


def read_requests(values: Any, job: Job, most: int) -> list[Asked]:
    """Raises InvalidRequest naming the request by its place, PayloadTooLarge for more than `most`."""
    if not isinstance(values, list) or not values:
        raise InvalidRequest("'requests' must be a list of at least one grading request.", param="requests")
    if len(values) > most:
        raise PayloadTooLarge(f"More than {most} requests: `gateway grade` takes a file.", param="requests")
    asked = [_read(value, job, f"requests.{place}") for place, value in enumerate(values)]
    seen: set[str] = set()
    for place, one in enumerate(asked):
        if one.custom_id in seen:
            raise InvalidRequest("An earlier request has the same id.", param=f"requests.{place}.id")
        seen.add(one.custom_id)
    return asked


def _read(value: Any, job: Job, at: str) -> Asked:
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{at}' must be an object.", param=at)
    custom_id = json_id(value)
    if not custom_id.strip() or len(custom_id) > LONGEST_ID:
        raise InvalidRequest(f"'{at}.id' must have 1 to {LONGEST_ID} characters.", param=f"{at}.id")
    try:
        asked = openai_request(value, job) if job.format is Format.OPENAI else json_request(value, job)
    except BadRow as bad:
        raise InvalidRequest(f"'{at}': {bad.message}", param=at) from None
    if asked[0] == CHAT:
        raise InvalidRequest(f"'{at}.url': a batch here takes gradings only.", param=f"{at}.url")
    return Asked(custom_id, *asked)


def result_lines(batch: Batch, ended: Iterable[Ended]) -> bytes:
    """A JSON line for each item."""
    line = _openai_line if batch.format is Format.OPENAI else _grade_line
    return b"".join(orjson.dumps(line(batch, one), option=orjson.OPT_APPEND_NEWLINE) for one in ended)


def broken_line(failure: Failure) -> bytes:
    """What ends results that could not be read to their end."""
    return orjson.dumps({"error": _told(failure)}, option=orjson.OPT_APPEND_NEWLINE)


def _grade_line(_: Batch, one: Ended) -> dict[str, Any]:
    if isinstance(one.outcome, Failure):
        return {"id": one.custom_id, "error": _told(one.outcome)}
    return {**one.outcome.body, "id": one.custom_id, "grade_id": one.outcome.grade_id}


def _openai_line(batch: Batch, one: Ended) -> dict[str, Any]:
    name = f"{batch.id.removeprefix('batch_')}_{one.position}"
    line: dict[str, Any] = {"id": f"batch_req_{name}", "custom_id": one.custom_id}
    if isinstance(one.outcome, Failure):
        return {**line, "response": None, "error": _told(one.outcome)}
    response = {"status_code": 200, "request_id": name, "body": one.outcome.body}
    return {**line, "response": response, "error": None}


def _told(failure: Failure) -> dict[str, str]:
    return {"code": failure.code, "message": failure.message}
