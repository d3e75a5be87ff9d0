"""`make smoke URL=... TOKEN=...`: does this gateway answer as a gateway should? Exit code 0, or 1 and why.

Standard library only (gRPC is asked where it is installed): for any Python from 3.10 on, in a container or on
a laptop. It asks with the key in AUTH_TOKEN and prints no answer's text.

What a deployment has not is `absent` and no failure, unless `--require` names it. With `--wait`, whatever is
not there yet is asked again for so long: a pod that starts, a model server that sleeps at zero replicas. Two
grades at most are made and kept, with `smoke` as their submission_id.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit

from scripts.deployed import PATIENCE_S, Absent, Away, Instance, Wrong
from scripts.smoke_checks import CHECKS

_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    check: str
    outcome: str  # ok, absent, failed
    ms: int  # of the last try
    why: str


def tried(name: str, gateway: Instance, seconds: float, required: Sequence[str]) -> tuple[Outcome, bool]:
    """And whether asking again may help."""
    began = time.monotonic()

    def outcome(word: str, why: str) -> Outcome:
        return Outcome(name, word, round((time.monotonic() - began) * 1000), why)

    # Ends what timeouts of single reads do not: somebody who sends a byte a second.
    signal.setitimer(signal.ITIMER_REAL, max(0.01, min(seconds, PATIENCE_S)))
    try:
        return outcome("ok", CHECKS[name](gateway)), False
    except Absent as error:
        must = name in required
        return outcome("failed" if must else "absent", str(error)), must
    except Away as error:
        return outcome("failed", str(error)), True
    except Wrong as error:
        return outcome("failed", str(error)), False
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        return outcome("failed", f"the answer has another shape ({type(error).__name__})"), False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _too_late(_: int, __: FrameType | None) -> NoReturn:
    raise Away("no whole answer in time")


def run(options: argparse.Namespace, token: str) -> list[Outcome]:
    """Every check, in order. A second of `--wait` is none of `--within`."""
    gateway = Instance(options.url, token, options.rpc)
    signal.signal(signal.SIGALRM, _too_late)
    patience, spent, outcomes = time.monotonic() + options.wait, 0.0, []
    for name in CHECKS:
        while True:
            began = time.monotonic()
            waiting = began < patience
            left = PATIENCE_S if waiting else options.within - spent
            outcome, again = tried(name, gateway, left, options.require)
            if not waiting:
                spent += time.monotonic() - began
            if not again or time.monotonic() + _AGAIN_S >= patience:
                break
            time.sleep(_AGAIN_S)
        outcomes.append(outcome)
        if not options.json:
            say(f"{outcome.outcome:<7} {outcome.check:<12} {outcome.ms:>6} ms  {outcome.why}".rstrip())
    return outcomes


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:38300")
    parser.add_argument(
        "--rpc", default="", metavar="HOST:PORT", help="the gRPC door; TLS where --url has it"
    )
    parser.add_argument("--wait", type=float, default=0.0, metavar="S", help="for what is not there yet")
    parser.add_argument("--within", type=float, default=60.0, metavar="S", help="for all checks together")
    parser.add_argument("--require", action="append", default=[], choices=CHECKS, metavar="CHECK")
    parser.add_argument("--json", action="store_true", help="one object instead of lines")
    options = parser.parse_args()
    if urlsplit(options.url).scheme not in ("http", "https") or not urlsplit(options.url).hostname:
        parser.error("--url must begin with http:// or https://")
    token = os.environ.get("AUTH_TOKEN", "")
    if not token:
        parser.error("AUTH_TOKEN is empty: the key to ask with")
    began = time.monotonic()
    outcomes = run(options, token)
    failed = [outcome.check for outcome in outcomes if outcome.outcome == "failed"]
    seconds = round(time.monotonic() - began, 1)
    if options.json:
        told = {
            "url": options.url,
            "ok": not failed,
            "seconds": seconds,
            "checks": list(map(asdict, outcomes)),
        }
        say(json.dumps(told, indent=2))
    else:
        say(f"{'FAILED: ' + ', '.join(failed) if failed else 'PASSED'} in {seconds} s: {options.url}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
