"""Rows of the public sets, and a running gateway that grades them."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tqdm import tqdm

GRADERS = {"grader-llm": "llm", "grader-embedding": "embedding"}
_TRIES = 5  # of an answer that the gateway was too busy for
_LONGEST_WAIT_S = 30.0
_BUSY = frozenset({429, 503})
_HOPELESS = frozenset({401, 403, 404})  # the same for every request: no use in asking thousands of times


class Refused(Exception):
    """The key, or the grader's name, is not one that this gateway knows."""


@dataclass(frozen=True, slots=True)
class Case:
    """One student's answer and what a person gave it."""

    id: str  # part and row, unique in its set
    group: str  # the question
    human: float  # share of the maximum
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the gateway answered; `share` is None where it gave no grade, and `error` says why."""

    share: float | None
    ms: float
    error: str = ""
    cached: bool = False
    reasons: tuple[str, ...] = ()
    comment: str = field(repr=False, default="")
    evidence: int = 0  # characters quoted, all criteria together
    versions: tuple[tuple[str, str], ...] = ()


def parts(data: Path, name: str) -> list[Path]:
    """The test parts of a set. Raises SystemExit when there are none."""
    found = sorted((data / name).glob("test*.jsonl"))
    if not found:
        raise SystemExit(f"{data / name} has no test part: see `make data`")
    return found


def rows(file: Path, limit: int | None = None, seed: int = 0) -> list[tuple[int, Mapping[str, Any]]]:
    """Line numbers and rows; with a limit a sample that is the same for the same seed."""
    numbered = list(enumerate(map(json.loads, file.read_text(encoding="utf-8").splitlines()), 1))
    if limit is None or limit >= len(numbered):
        return numbered
    return sorted(random.Random(seed).sample(numbered, limit), key=lambda one: one[0])


def cases(file: Path, limit: int | None = None, seed: int = 0) -> list[Case]:
    """Human marks become shares; a row's id gets its line number where a set repeats it (saf_de)."""
    ids = Counter(row["id"] for _, row in rows(file))
    part, language = file.stem.removeprefix("test_"), {"saf_de": "de"}.get(file.parent.name, "en")
    return [
        Case(
            id=f"{part}/{row['id']}" + ("" if ids[row["id"]] == 1 else f"#{line}"),
            group=row["question_id"],
            human=row["score"] / row["max_score"],
            payload=payload(row, row["answer"], language),
        )
        for line, row in rows(file, limit, seed)
    ]


def payload(row: Mapping[str, Any], submission: str, language: str = "en") -> dict[str, Any]:
    reference = row["reference"]
    return {
        "contract": "v1.1",
        "task_type": "text",
        "language": language,
        "submission": submission,
        "question": row["question"],
        "reference_answers": [reference] if isinstance(reference, str) else list(reference),
        "metadata": {"max_score": row["max_score"]},
    }


class Examiner:
    """A gateway's grader. The other grader never stands in: its grades would be told as this one's."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        key: str,
        grader: str,
        at_once: int,
        *,
        fresh: bool = False,  # graded anew, whatever the gateway has in its store
    ) -> None:
        self.grader = grader
        self._http = http
        self._url = f"{url.rstrip('/')}/v1/models/{grader}:predict"
        self._headers = {"authorization": f"Bearer {key}"} | ({"cache-control": "no-cache"} if fresh else {})
        self._places = asyncio.Semaphore(at_once)

    async def marks(self, payloads: Sequence[Mapping[str, Any]], what: str) -> list[Mark]:
        """In the order of the payloads; none is dropped. Raises a group of Refused."""
        with tqdm(total=len(payloads), desc=f"{self.grader} {what}", unit="answer") as bar:

            async def one(asked: Mapping[str, Any]) -> Mark:
                async with self._places:
                    mark = await self._mark({**asked, "grader": GRADERS[self.grader]})
                bar.update()
                return mark

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(asked)) for asked in payloads]
        return [task.result() for task in tasks]

    async def _mark(self, body: Mapping[str, Any]) -> Mark:
        for attempt in range(_TRIES):
            began = time.perf_counter()
            try:
                async with self._http.post(self._url, json=body, headers=self._headers) as response:
                    answer = await response.json()
                    status, again = response.status, response.headers.get("retry-after", "")
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                return Mark(None, 0.0, type(error).__name__)
            ms = (time.perf_counter() - began) * 1000
            if status in _HOPELESS:
                raise Refused(f"the gateway refuses with {status} {_code(answer)}")
            if status not in _BUSY or attempt == _TRIES - 1:
                return _read(status, answer, ms)
            wait_s = float(again) if again.isdigit() else 0.25 * 2**attempt
            await asyncio.sleep(min(_LONGEST_WAIT_S, wait_s) * random.uniform(1.0, 1.25))
        raise AssertionError("the last attempt returns")


def _read(status: int, answer: Any, ms: float) -> Mark:
    if status != 200:
        return Mark(None, ms, f"{status} {_code(answer)}".strip())
    criteria = answer["details"]["criteria"]
    return Mark(
        share=answer["score"] / answer["max_score"],
        ms=ms,
        cached=bool(answer.get("cached")),
        reasons=tuple(answer["review_reasons"]),
        comment=answer["comments"],
        evidence=sum(len(criterion["evidence"]) for criterion in criteria),
        versions=tuple(sorted(answer["versions"].items())),
    )


def _code(answer: Any) -> str:
    told = answer.get("error", answer) if isinstance(answer, dict) else {}
    return str(told.get("code", "")) if isinstance(told, dict) else ""
