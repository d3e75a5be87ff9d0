"""Asks a running gateway for a grade of every case, over HTTP as any client would.

A case that is refused or fails is an outcome with an error and never left out: a grader that fails at what it
finds hard would look the better for it.
"""

import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from tqdm import tqdm

from gateway.golden.cases import Case
from gateway.golden.errors import Unusable
from gateway.golden.lines import CLASSIFICATION
from gateway.golden.runs import FORMAT, Outcome, Run
from gateway.grading.routing import GRADER_EMBEDDING, GRADER_LLM

# The path's grader and no other: a fallback would be measured as what it is not.
NAMED: Mapping[str, str] = {GRADER_LLM: "llm", GRADER_EMBEDDING: "embedding"}
# Errors of our own beside the gateway's codes.
UNREACHABLE, TIMEOUT, BAD_ANSWER = "unreachable", "timeout", "bad_answer"

_BUSY = frozenset({429, 503})  # the gateway says that the same request may be tried again
_ATTEMPTS = 4
_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0  # without Retry-After, and whatever it says
_MOST_BYTES = 4 << 20  # of an answer
_VERSIONS = ("model", "prompt", "rubric", "contract")

Wait = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Target:
    """Which grader of which gateway, and how hard it may be pressed."""

    url: str
    grader: str
    api_key: str = field(repr=False)
    concurrency: int = 4
    timeout_s: float = 180.0  # for each attempt


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: Mapping[str, Any]
    retry_after_s: float


async def ask(target: Target, cases: Sequence[Case], wait: Wait = asyncio.sleep) -> Run:
    """A run over the cases. Raises Unusable when no gateway answers at the address or the key is refused."""
    seen: dict[str, set[str]] = {name: set() for name in _VERSIONS}
    outcomes: dict[str, Outcome] = {}
    waiting = iter(cases)
    key = {"authorization": f"Bearer {target.api_key}", "content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=target.concurrency)
    limit = aiohttp.ClientTimeout(total=target.timeout_s, sock_connect=5.0)
    async with aiohttp.ClientSession(connector=connector, headers=key, timeout=limit) as http:
        gateway = await _gateway_version(http, target)
        asked_at = datetime.now(UTC)
        # disable=None: silent where stderr is no terminal.
        with tqdm(total=len(cases), unit="case", file=sys.stderr, disable=None) as progress:

            async def work(turns: Iterator[Case]) -> None:
                for case in turns:  # shared by the workers, so each case is one worker's
                    outcomes[case.id] = await _outcome(http, target, case, seen, wait)
                    progress.update()

            async with asyncio.TaskGroup() as workers:
                for _ in range(target.concurrency):
                    workers.create_task(work(waiting))
    versions = {name: sorted(found) for name, found in seen.items()}
    return Run(FORMAT, target.grader, gateway, asked_at, versions, [outcomes[case.id] for case in cases])


async def _gateway_version(http: aiohttp.ClientSession, target: Target) -> str:
    try:
        reply = await _exchange(http, "GET", f"{target.url}/v1/status", None)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        raise Unusable("no gateway answers at this address") from None
    if reply.status in (401, 403):
        raise Unusable("the gateway refuses the key: set API_KEY, or --key-env NAME")
    version = reply.body.get("version")
    if reply.status != 200 or not isinstance(version, str):
        raise Unusable("what answers at this address is not a gateway that is ready to grade")
    return version


async def _outcome(
    http: aiohttp.ClientSession,
    target: Target,
    case: Case,
    seen: Mapping[str, set[str]],
    wait: Wait,
) -> Outcome:
    body = orjson.dumps({**case.request, "grader": NAMED[target.grader]})
    url = f"{target.url}/v1/models/{target.grader}:predict"
    for attempt in range(1, _ATTEMPTS + 1):
        started = time.perf_counter()
        try:
            reply = await _exchange(http, "POST", url, body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _failed(case, started, _named(error))
        if reply.status == 200:
            return _graded(case, target, started, reply.body, seen)
        if reply.status not in _BUSY or attempt == _ATTEMPTS:
            break
        await wait(reply.retry_after_s)
    code = reply.body.get("code")
    return _failed(case, started, code if isinstance(code, str) else f"http_{reply.status}")


async def _exchange(http: aiohttp.ClientSession, method: str, url: str, body: bytes | None) -> _Reply:
    """Raises the client library's errors, and ValueError for an answer that is no JSON object."""
    async with http.request(method, url, data=body, allow_redirects=False) as response:
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > _MOST_BYTES:
                raise ValueError("the answer is too large")
        answer = orjson.loads(content)
        if not isinstance(answer, dict):
            raise ValueError("the answer is no object")
        return _Reply(response.status, answer, _retry_after(response.headers.get("retry-after")))


def _retry_after(told: str | None) -> float:
    """Seconds to wait. The gateway tells whole seconds; a date, which others may send, counts as nothing."""
    try:
        seconds = float(told) if told is not None else _WAIT_S
    except ValueError:
        return _WAIT_S
    return min(max(seconds, 0.0), _LONGEST_WAIT_S) if math.isfinite(seconds) else _WAIT_S


def _named(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return TIMEOUT
    return BAD_ANSWER if isinstance(error, ValueError) else UNREACHABLE


def _failed(case: Case, started: float, error: str) -> Outcome:
    return Outcome(case.id, case.digest, _ms(started), error)


def _graded(
    case: Case, target: Target, started: float, answer: Mapping[str, Any], seen: Mapping[str, set[str]]
) -> Outcome:
    """The outcome of a 200. An answer that breaks its contract, or is another grader's, is a bad one."""
    try:
        points, most = float(answer["score"]), float(answer["max_score"])
        label, confidence = answer["label"], answer["confidence"]
        criteria = {
            str(one["id"]): float(one["points"]) / float(one["max_points"])
            for one in answer["details"]["criteria"]
        }
        fits = 0 <= points <= most and answer["grader"] == target.grader
        if not fits or (label is None and case.task_type == CLASSIFICATION):
            return _failed(case, started, BAD_ANSWER)
        outcome = Outcome(
            case.id,
            case.digest,
            _ms(started),
            share=points / most,
            label=None if label is None else str(label),
            confidence=None if confidence is None else float(confidence),
            rubric=str(answer["versions"]["rubric"]),
            criteria=criteria,
            needs_review=answer["needs_review"] is True,
            reasons=tuple(map(str, answer["review_reasons"])),
            cached=answer.get("cached") is True,
        )
        for name in _VERSIONS:
            seen[name].add(str(answer["versions"][name]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return _failed(case, started, BAD_ANSWER)
    return outcome


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
