"""`gateway golden`: ask a grader the golden set, compare two runs, keep a baseline.

Exit codes: 0 no worse, 1 a regression, 2 what was given cannot be used.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from gateway.golden import asking, report, runs
from gateway.golden.cases import Case, load
from gateway.golden.comparison import TOLERANCE, compare
from gateway.golden.errors import Unusable
from gateway.golden.runs import Run
from gateway.golden.scores import summary
from gateway.settings import Settings

_SAME, _WORSE, _UNUSABLE = 0, 1, 2
_REPORTS = Path("state/golden")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    golden = commands.add_parser("golden", help="measure a grader on the golden set")
    golden.set_defaults(run=_golden)
    actions = golden.add_subparsers(dest="action", required=True)
    of_set = argparse.ArgumentParser(add_help=False)
    of_set.add_argument("--set", type=Path, default=Path("golden_set"), help="the set's folder")
    comparing = argparse.ArgumentParser(add_help=False)
    comparing.add_argument("--report", type=Path, help="where to write the comparison as HTML")
    comparing.add_argument("--tolerance", type=_share, default=TOLERANCE, help="of the mean error")

    running = actions.add_parser("run", parents=[of_set], help="ask a grader every case")
    _add_target(running)
    running.add_argument("--out", type=Path, required=True, help="the run's file")
    two = actions.add_parser("compare", parents=[of_set, comparing], help="is run B worse than run A?")
    two.add_argument("a", type=Path)
    two.add_argument("b", type=Path)
    checking = actions.add_parser(
        "check", parents=[of_set, comparing], help="run, and compare with the grader's baseline"
    )
    _add_target(checking)
    accepting = actions.add_parser("accept", parents=[of_set], help="make a run its grader's baseline")
    accepting.add_argument("accepted", metavar="run", type=Path)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:38300", help="of the gateway")
    parser.add_argument("--grader", choices=sorted(asking.NAMED), required=True)
    parser.add_argument(
        "--key-env", metavar="NAME", help="the variable that holds the key; API_KEY otherwise"
    )
    parser.add_argument("--only", metavar="TAG", help="only cases with this tag")
    parser.add_argument("--concurrency", type=_at_least_one, default=4)
    parser.add_argument("--timeout", type=_seconds, default=180.0, help="seconds for each answer")


def _golden(options: argparse.Namespace, settings: Settings) -> int:
    try:
        cases = load(options.set)
        match options.action:
            case "run":
                return _run(options, settings, cases)
            case "compare":
                return _compare(options, cases, runs.read(options.a), runs.read(options.b), options.report)
            case "check":
                return _check(options, settings, cases)
            case _:
                return _accept(options, cases)
    except Unusable as error:
        sys.stderr.write(f"{error}\n")
        return _UNUSABLE


def _run(options: argparse.Namespace, settings: Settings, cases: tuple[Case, ...]) -> int:
    chosen = runs.selected(cases, options.only)
    run = _asked(options, settings, chosen)
    runs.write(run, options.out)
    sys.stdout.write(f"{run.grader}: {report.told(summary(chosen, run))}\n")
    return _SAME


def _check(options: argparse.Namespace, settings: Settings, cases: tuple[Case, ...]) -> int:
    chosen = runs.selected(cases, options.only)
    path = _baseline(options.set, options.grader)
    if not path.exists():
        raise Unusable(f"{path} is missing: `golden run` the grader and `golden accept` the run first")
    baseline = runs.read(path)
    runs.part(baseline, cases, "the baseline")
    wanted = {case.id for case in chosen}
    before = runs.only(baseline, wanted)
    run = _asked(options, settings, chosen)
    runs.write(run, _REPORTS / f"{options.grader}.json")
    page = options.report or _REPORTS / f"{options.grader}.html"
    return _compare(options, cases, before, run, page)


def _compare(options: argparse.Namespace, cases: tuple[Case, ...], a: Run, b: Run, page: Path | None) -> int:
    compared = runs.part(a, cases, "run A")
    if {case.id for case in compared} != {case.id for case in runs.part(b, cases, "run B")}:
        raise Unusable("the runs are of different cases")
    comparison = compare(compared, a, b, tolerance=options.tolerance)
    sys.stdout.write(report.table(comparison))
    if page is not None:
        runs.whole(page, report.html(compared, a, b, comparison, options.tolerance).encode())
        sys.stderr.write(f"report: {page}\n")
    return _WORSE if comparison.regressions else _SAME


def _accept(options: argparse.Namespace, cases: tuple[Case, ...]) -> int:
    run = runs.read(options.accepted)
    if len(runs.part(run, cases, "the run")) < len(cases):
        raise Unusable("a baseline is a run of the whole set")
    path = _baseline(options.set, run.grader)
    runs.write(run, path)
    sys.stdout.write(f"{path}: {report.told(summary(cases, run))}\n")
    return _SAME


def _asked(options: argparse.Namespace, settings: Settings, cases: tuple[Case, ...]) -> Run:
    target = asking.Target(
        options.url.rstrip("/"),
        options.grader,
        _key(options.key_env, settings),
        options.concurrency,
        options.timeout,
    )
    return asyncio.run(asking.ask(target, cases))


def _key(name: str | None, settings: Settings) -> str:
    """The one place besides settings.py that reads the environment: the variable is named by the caller,
    because a gateway elsewhere has another key than the one that this machine's settings hold."""
    key = os.environ.get(name, "") if name else settings.api_key and settings.api_key.get_secret_value()
    if not key:
        raise Unusable(f"no key: set {name or 'API_KEY'}")
    return key


def _baseline(folder: Path, grader: str) -> Path:
    path: Path = folder / "baselines" / f"{grader}.json"
    return path


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a share of the maximum, 0 to 1")
    return value


def _at_least_one(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 64:
        raise argparse.ArgumentTypeError("1 to 64")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("seconds, up to 3600")
    return value
