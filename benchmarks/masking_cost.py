"""What a placeholder costs the grade: `python -m benchmarks.masking_cost --data DIR --grader NAME`.

Two gateways are started on the models that run already (`make run`), one that masks and one that does not,
each with a store of its own. Answers of the test parts, which hold next to nothing personal, are graded as
they are and with personal data planted in them, by both. Drift is a share of the maximum, paired by answer;
intervals are 95 %, by a bootstrap over questions. Nothing of the sets is written but figures.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.grading_answers import GRADERS, Case, Examiner, Refused, cases, parts
from benchmarks.grading_figures import markdown, mean, shown
from benchmarks.hot_path import KEY, free_port
from benchmarks.planted import LANGUAGES, PLACES, Planted, planted
from scripts.bootstrap import ROOT
from scripts.run import read_settings, with_addresses

SETS = "saf_en,semeval2013_scientsbank,mohler"
_MODELS = ("LLM_URL", "LLM_API_KEY", "EMBEDDINGS_URL", "EMBEDDINGS_API_KEY")
_HEAD = "answers,what changes,n,mean drift,mean absolute drift,moved by over 0.05"
_MOVED = 0.05
_START_S = 60


@dataclass(frozen=True, slots=True)
class Graded:
    """One answer's grades, shares of the maximum; None where there was none."""

    set: str
    case: Case
    plant: Planted = field(repr=False)
    shares: Mapping[str, float | None]


# What is compared with what: the later run minus the earlier one.
PAIRS: Mapping[str, tuple[str, str]] = {
    "nothing: graded twice": ("clean", "clean again"),
    "as it is: masking on": ("clean", "clean masked"),
    "planted, seen as it is": ("clean", "planted"),
    "planted, masked": ("clean", "planted masked"),
    "planted: masking on": ("planted", "planted masked"),
}


def drifts(graded: Iterable[Graded], pair: str) -> list[tuple[str, float]]:
    """The question and the drift of each answer that has both grades."""
    before, after = PAIRS[pair]
    found = []
    for one in graded:
        old, new = one.shares[before], one.shares[after]
        if old is not None and new is not None:
            found.append((f"{one.set}/{one.case.group}", new - old))
    return found


def lines(graded: Sequence[Graded]) -> Iterator[list[object]]:
    some: dict[str, Callable[[Graded], bool]] = {"all": lambda _: True}
    for name in dict.fromkeys(one.set for one in graded):
        some[name] = lambda one, name=name: one.set == name  # type: ignore[misc]
    for label, wanted in some.items():
        for pair in PAIRS:
            yield _line(label, pair, [one for one in graded if wanted(one)])
    for place in PLACES:
        for language in LANGUAGES:
            these = [one for one in graded if (one.plant.place, one.plant.language) == (place, language)]
            yield _line(f"planted {place}, {language}", "planted: masking on", these)


def _line(label: str, pair: str, graded: Sequence[Graded]) -> list[object]:
    found = drifts(graded, pair)
    moved = sum(abs(drift) > _MOVED for _, drift in found)
    return [
        label,
        pair,
        len(found),
        shown(mean(found), 4),
        shown(mean((group, abs(drift)) for group, drift in found), 4),
        moved,
    ]


class Started:
    """Two gateways of this checkout, ended with the block: one that masks, one that does not."""

    def __init__(self, http: aiohttp.ClientSession, models: Mapping[str, str]) -> None:
        self._http = http
        self._models = models
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> tuple[str, str]:
        """Their addresses. Raises SystemExit when one does not answer."""
        async with AsyncExitStack() as stack:
            masking = await self._gateway(stack, masking=True)
            plain = await self._gateway(stack, masking=False)
            self._stack = stack.pop_all()
        return masking, plain

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _gateway(self, stack: AsyncExitStack, *, masking: bool) -> str:
        port, state = free_port(), stack.enter_context(tempfile.TemporaryDirectory())
        settings = {
            **self._models,
            "API_KEY": KEY,
            "API_KEYS_FILE": f"{state}/keys.json",
            "DATABASE_URL": f"sqlite:///{state}/gateway.db",
            "MASK_PERSONAL_DATA": str(masking),
            "PORT": str(port),
            "RPC_PORT": "0",
            "REQUESTS_PER_MINUTE": "1000000",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve"),
            env={**os.environ, **settings},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        stack.push_async_callback(_ended, process)
        url = f"http://127.0.0.1:{port}"
        for _ in range(_START_S * 4):
            if process.returncode is None and await self._answers(url, masking=masking):
                return url
            await asyncio.sleep(0.25)
        raise SystemExit("a gateway does not start; see `python -m gateway serve`")

    async def _answers(self, url: str, *, masking: bool) -> bool:
        try:
            if masking:
                return await masked_text(self._http, url, "Ready?") is not None
            async with self._http.get(f"{url}/-/healthz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


async def masked_text(http: aiohttp.ClientSession, url: str, text: str) -> str | None:
    """What a model is shown of an answer; None while the gateway cannot mask."""
    body = {"text": text, "task_type": "text"}
    async with http.post(f"{url}/v1/mask", json=body, headers={"authorization": f"Bearer {KEY}"}) as response:
        return str((await response.json())["masked"]) if response.status == 200 else None


def chosen(data: Path, sets: str, limit: int, seed: int) -> list[tuple[str, Case]]:
    """As many answers of each set, from all of its test parts."""
    found: list[tuple[str, Case]] = []
    for name in sets.split(","):
        some = [case for file in parts(data, name) for case in cases(file)]
        sample = random.Random(seed).sample(some, min(limit, len(some)))
        found.extend((name, case) for case in sample)
    return found


async def graded(options: argparse.Namespace, http: aiohttp.ClientSession) -> tuple[list[Graded], int, int]:
    """Every answer's grades; how many planted values there are, and how many of them were left."""
    answers = chosen(options.data, options.sets, options.limit, options.seed)
    plants = [planted(case.payload["submission"], i, options.seed) for i, (_, case) in enumerate(answers)]
    clean: list[Mapping[str, Any]] = [case.payload for _, case in answers]
    full: list[Mapping[str, Any]] = [
        {**body, "submission": plant.text} for body, plant in zip(clean, plants, strict=True)
    ]
    async with Started(http, models()) as (masking, plain):
        left = 0
        for plant in plants:
            shown_to_model = await masked_text(http, masking, plant.text) or plant.text
            left += sum(secret in shown_to_model for secret in plant.secrets)
        on = Examiner(http, masking, KEY, options.grader, options.at_once, fresh=True)
        off = Examiner(http, plain, KEY, options.grader, options.at_once, fresh=True)
        runs = {"clean": (off, clean), "clean again": (off, clean), "clean masked": (on, clean)}
        runs |= {"planted": (off, full), "planted masked": (on, full)}
        marks = {end: await examiner.marks(bodies, end) for end, (examiner, bodies) in runs.items()}
    found = [
        Graded(name, case, plant, {end: some[i].share for end, some in marks.items()})
        for i, ((name, case), plant) in enumerate(zip(answers, plants, strict=True))
    ]
    for end, some in marks.items():
        if errors := Counter(mark.error for mark in some if mark.share is None):
            print(f"{end}: no grade: {dict(errors)}")
    return found, sum(len(plant.secrets) for plant in plants), left


def models() -> dict[str, str]:
    """Where `make run` serves them, and the key between; the environment wins."""
    settings = read_settings(ROOT / ".env") if (ROOT / ".env").exists() else dict(os.environ)
    settings = with_addresses(settings)
    return {name: settings[name] for name in _MODELS if name in settings}


async def measured(options: argparse.Namespace) -> None:
    began = time.perf_counter()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300), trust_env=False) as http:
        found, secrets, left = await graded(options, http)
    seconds = time.perf_counter() - began
    text = (
        f"{options.grader}; {len(found)} answers of {options.sets}, seed {options.seed}. "
        f"Of {secrets} planted surnames, e-mails and telephones {left} stayed; {seconds:.0f} s.\n\n"
        f"{markdown(_HEAD.split(','), lines(found))}\n"
    )
    print(f"\n{text}")
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of the public sets")
    parser.add_argument("--grader", choices=list(GRADERS), default="grader-embedding")
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--limit", type=int, default=400, help="answers of each set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=4, help="requests under way")
    parser.add_argument("--out", type=Path, help="the table as a file")
    options = parser.parse_args()
    try:
        asyncio.run(measured(options))
    except* Refused as refusals:
        raise SystemExit(str(refusals.exceptions[0])) from None


if __name__ == "__main__":
    main()
