"""How well a running gateway's graders grade: the public sets, attacks on them, a walk through both.

`python -m benchmarks.grading --url http://127.0.0.1:38300 --data data --grader grader-embedding` grades the
test parts and prints agreement with people; `--attacks` grades wrong answers with and without an attack in
them; `--walk N --set saf_en` prints N answers with both graders' grades, for a person to read beside the set.
The gateway's key is read from API_KEY. Nothing of the sets is written but ids and figures.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.grading_answers import GRADERS, Case, Examiner, Mark, Refused, cases, parts
from benchmarks.grading_attacks import attacked, print_attacked
from benchmarks.grading_figures import drift, markdown, mean, shown
from gateway.grading.agreement import Agreement, Figure, Pair, agreement

SETS = "saf_en,saf_de,semeval2013_scientsbank,semeval2013_beetle,mohler"
_COMMENT_CHARS = 80
_PART_HEAD = "set,part,n,questions,QWK,exact,MAE,bias,flagged,MAE unflagged,p50 ms,errors"
_WALK_HEAD = "question,answer,human,llm,embedding,quoted,comment of llm,review of llm,review of embedding"


@dataclass(frozen=True, slots=True)
class Part:
    """Figures of one part of a set."""

    set: str
    part: str
    n: int  # graded
    errors: Mapping[str, int]
    agreement: Agreement
    flagged: Figure | None  # share sent to a person
    unflagged: Agreement  # of what was not
    cached: int  # grades that the gateway had made before
    p50_ms: float | None  # of the others


@dataclass(frozen=True, slots=True)
class Run:
    """What a mode has found: figures for the file, and shares by answer, for a comparison of two runs."""

    figures: Mapping[str, Any]
    shares: Mapping[str, float]
    questions: Mapping[str, str]


def part_figures(file: Path, some: Sequence[Case], marks: Sequence[Mark]) -> Part:
    graded = [
        (case, mark, Pair(mark.share, case.human, case.group))
        for case, mark in zip(some, marks, strict=True)
        if mark.share is not None
    ]
    fresh = [mark.ms for _, mark, _ in graded if not mark.cached]
    return Part(
        set=file.parent.name,
        part=file.stem.removeprefix("test_"),
        n=len(graded),
        errors=dict(Counter(mark.error for mark in marks if mark.share is None)),
        agreement=agreement([pair for *_, pair in graded]),
        flagged=mean((case.group, float(bool(mark.reasons))) for case, mark, _ in graded),
        unflagged=agreement([pair for _, mark, pair in graded if not mark.reasons]),
        cached=len(graded) - len(fresh),
        p50_ms=statistics.median(fresh) if fresh else None,
    )


def line(part: Part) -> list[object]:
    of = part.agreement.overall
    errors = ", ".join(f"{n} x {error}" for error, n in part.errors.items())
    return [
        part.set,
        part.part,
        part.n,
        of.groups,
        *map(shown, (of.kappa, of.exact, of.mae, of.bias, part.flagged, part.unflagged.overall.mae)),
        "-" if part.p50_ms is None else f"{part.p50_ms:.1f}",
        errors or 0,
    ]


async def sets(options: argparse.Namespace, examiner: Examiner) -> Run:
    found, shares, questions = [], {}, {}
    versions: set[tuple[tuple[str, str], ...]] = set()
    for name in options.sets.split(","):
        for file in parts(options.data, name):
            some = cases(file, options.limit, options.seed)
            marks = await examiner.marks([case.payload for case in some], f"{name} {file.stem}")
            found.append(part_figures(file, some, marks))
            versions |= {mark.versions for mark in marks if mark.versions}
            for case, mark in zip(some, marks, strict=True):
                if mark.share is not None:
                    shares[f"{name}/{case.id}"] = mark.share
                    questions[f"{name}/{case.id}"] = case.group
    print(markdown(_PART_HEAD.split(","), map(line, found)))
    if cached := sum(part.cached for part in found):
        print(f"\n{cached} grades came out of the gateway's store: another store grades anew")
    figures = {"versions": [dict(one) for one in sorted(versions)], "parts": [asdict(part) for part in found]}
    return Run(figures, shares, questions)


async def attacks(options: argparse.Namespace, examiner: Examiner) -> Run:
    file = options.data / "grader_injection" / "test.jsonl"
    found = await attacked(file, examiner, options.limit, options.seed)
    print_attacked(found)
    shares = {key: mark.share for key, mark in found.clean.items() if mark.share is not None}
    return Run(found.figures(), shares, found.questions)


async def walk(options: argparse.Namespace, examiners: Sequence[Examiner]) -> None:
    """N answers over all test parts of one set, graded by both graders."""
    some = [case for file in parts(options.data, options.set) for case in cases(file)]
    some = random.Random(options.seed).sample(some, min(options.walk, len(some)))
    # One grader after the other: they share the machine.
    llm, embedding = [await one.marks([case.payload for case in some], "walk") for one in examiners]
    lines = [
        (
            case.group,
            case.id,
            f"{case.human:.2f}",
            *(one.error if one.share is None else f"{one.share:.2f}" for one in (by_llm, by_embedding)),
            by_llm.evidence,
            by_llm.comment[:_COMMENT_CHARS],
            *("-" if one.share is None else ", ".join(one.reasons) or "no" for one in (by_llm, by_embedding)),
        )
        for case, by_llm, by_embedding in zip(some, llm, embedding, strict=True)
    ]
    print(markdown(_WALK_HEAD.split(","), lines))


def compare(options: argparse.Namespace, run: Run) -> None:
    """Keeps this run's shares, and says how far they lie from those of another run."""
    if options.clean_in:
        before = json.loads(options.clean_in.read_text())
        found = drift(before["shares"], run.shares, run.questions)
        if found is None or before["grader"] != options.grader:
            raise SystemExit("--clean-in holds no grades of the same answers by the same grader")
        print(
            f"\n{found.n} answers in both runs: mean share {found.before:.4f} before, {found.after:.4f} now, "
            f"difference {shown(found.difference, 4)}; {found.moved} with another grade"
        )
    if options.clean_out:
        kept = {"grader": options.grader, "shares": run.shares}
        options.clean_out.write_text(json.dumps(kept, indent=1) + "\n")


async def measured(options: argparse.Namespace, key: str) -> None:
    timeout = aiohttp.ClientTimeout(total=options.timeout)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http:
        graders = list(GRADERS) if options.walk else [options.grader]
        examiners = [Examiner(http, options.url, key, name, options.at_once) for name in graders]
        if options.walk:
            await walk(options, examiners)
            return
        run = await (attacks if options.attacks else sets)(options, examiners[0])
        compare(options, run)
        if options.out:
            told = {"grader": options.grader, "seed": options.seed, "limit": options.limit, **run.figures}
            options.out.write_text(json.dumps(told, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:38300")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of the public sets")
    parser.add_argument("--grader", choices=list(GRADERS), default="grader-embedding")
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--limit", type=int, help="answers of each part, the same for the same seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=8, help="requests under way")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one answer")
    parser.add_argument("--out", type=Path, help="figures as JSON")
    parser.add_argument("--attacks", action="store_true")
    parser.add_argument("--clean-out", type=Path, help="keep the grades of this run's (clean) answers")
    parser.add_argument("--clean-in", type=Path, help="compare with the grades that another run has kept")
    parser.add_argument("--walk", type=int, metavar="N")
    parser.add_argument("--set", default="saf_en", help="that --walk goes through")
    options = parser.parse_args()
    key = os.environ.get("API_KEY", "")
    if not key:
        raise SystemExit("API_KEY, the gateway's key, is not set")
    try:
        asyncio.run(measured(options, key))
    except* Refused as refusals:
        raise SystemExit(str(refusals.exceptions[0])) from None


if __name__ == "__main__":
    main()
