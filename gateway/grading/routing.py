"""Which grader grades, and which one when the first cannot answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.domain import Grade
from gateway.errors import BackendError, BackendTimeout, BackendUnavailable, InvalidRequest, UnusableAnswer

GRADER_LLM = "grader-llm"
GRADER_EMBEDDING = "grader-embedding"
GRADERS = (GRADER_LLM, GRADER_EMBEDDING)

# After these another grader may help: the first one is down, slow, broken or answers nonsense. Any other
# error is about the request itself.
OUTAGES = (BackendUnavailable, BackendTimeout, BackendError, UnusableAnswer)

_NAMED: Mapping[str, str] = {"llm": GRADER_LLM, "embedding": GRADER_EMBEDDING}


@dataclass(frozen=True, slots=True)
class Route:
    first: str
    other: str | None  # None: an outage of the first is told to the caller


def route(path: str, wish: str | None, *, fall_back: bool) -> Route:
    """The path's grader first. The other one stands in when the request says `auto`, or says nothing and the
    gateway is set to `fall_back`; who names a grader gets that one or an error. Raises InvalidRequest when
    path and wish contradict each other."""
    if wish is not None and wish in _NAMED:
        if _NAMED[wish] != path:
            raise InvalidRequest("'grader' and the path name different graders.", param="grader")
        return Route(path, None)
    if wish is None and not fall_back:
        return Route(path, None)
    return Route(path, GRADER_EMBEDDING if path == GRADER_LLM else GRADER_LLM)


def as_fallback(grade: Grade) -> Grade:
    """The grade, saying that another grader than the one asked for gave it."""
    return replace(grade, review_reasons=(*grade.review_reasons, "fallback"))
