"""How well, how fast and how safely personal data is masked: `make bench-pii`.

`python -m benchmarks.pii` measures speed, memory and un-masking; with `--data DIR` also what is found in the
public sets where the folder holds them. `--only` runs some of `quality`, `speed`, `restoring`. Exits 1 when
un-masking put back a wrong value. Nothing of the sets is written but figures.
"""

import argparse
import asyncio
from pathlib import Path

from benchmarks.pii.quality import ENGLISH, analyser, quality, served
from benchmarks.pii.restoring import Outcome, restored, restored_through, told
from benchmarks.pii.speed import speed

THROUGH = 50  # of so many cases one goes through the analyser too
SECTIONS = ("quality", "speed", "restoring")


async def _quality(data: Path, part: str, show: bool) -> str:
    async with analyser() as pool:
        return await quality(data, part, pool, show=show)


async def _through(seed: int, cases: int) -> Outcome:
    async with analyser() as pool:
        return await restored_through(pool, served("text"), range(seed, seed + cases))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the public sets; without it no quality")
    parser.add_argument("--part", choices=("validation", "test", "train"), default="validation")
    parser.add_argument("--only", choices=SECTIONS, action="append")
    parser.add_argument("--show", action="store_true", help="print what was masked where nothing is personal")
    parser.add_argument("--cases", type=int, default=100_000, help="of un-masking")
    parser.add_argument("--seed", type=int, default=0, help="of the first case of un-masking")
    parser.add_argument("--out", type=Path, help="the same text as a file")
    options = parser.parse_args()
    wanted = options.only or SECTIONS
    sections: list[str] = []

    def section(title: str, text: str) -> None:
        sections.append(f"## {title}\n\n{text}\n")
        print(f"\n{sections[-1]}", flush=True)

    if "quality" in wanted and options.data and not (options.data / ENGLISH).is_dir():
        print(
            f"{options.data} holds no sets with personal data: nothing is said of what is found.", flush=True
        )
    elif "quality" in wanted and options.data:
        if options.part == "test":
            print("The TEST part is read: nothing may be chosen by what follows.", flush=True)
        section("What is found", asyncio.run(_quality(options.data, options.part, options.show)))
    if "speed" in wanted:
        section("Speed and memory", speed())
    wrong = 0
    if "restoring" in wanted:
        outcome = restored(range(options.seed, options.seed + options.cases))
        through = asyncio.run(_through(options.seed, max(1, options.cases // THROUGH)))
        section("Un-masking", f"{told(outcome)}\n\nWith what the analyser finds: {told(through)}")
        wrong = len(outcome.wrong) + len(through.wrong)
    if options.out:
        options.out.write_text("\n".join(sections), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
