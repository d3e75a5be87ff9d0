"""A person's word on a grade, from JSON."""

from typing import Any

from gateway.contracts.files import REVIEW
from gateway.contracts.validation import check, invalid
from gateway.records import Judgement


def read_judgement(payload: Any) -> Judgement:
    """A checked judgement; what does not fit its grade is found later. Raises InvalidRequest."""
    check(payload, REVIEW)
    given = payload.get("criteria", ())
    points = {one["id"]: float(one["points"]) for one in given}
    if len(points) < len(given):
        raise invalid(["criteria"], "ids must be distinct")
    score = payload.get("score")
    return Judgement(None if score is None else float(score), points, payload.get("comment", ""))
