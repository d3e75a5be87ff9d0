"""A grader whose faults are known: the expected mark and noise, made worse on purpose."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.golden.cases import Case
from gateway.golden.runs import FORMAT, Outcome, Run

SET = Path(__file__).resolve().parents[3] / "golden_set"

# What becomes of a share; a text is the error in place of one.
Fault = Callable[[Case, float], float | str]


def none(_: Case, share: float) -> float:
    return share


def stern(_: Case, share: float) -> float:
    return share - 0.15


def everyone_the_same(_: Case, __: float) -> float:
    return 0.8


def gullible(case: Case, share: float) -> float:
    return 0.95 if "attack" in case.tags else share


def blind_to_negation(case: Case, share: float) -> float:
    return share + 0.5 if "hard-negative" in case.tags else share


def refuses_russian(case: Case, share: float) -> float | str:
    return "backend_error" if case.language == "ru" else share


def lost_with_programs(case: Case, share: float) -> float:
    return 1 - share if case.task_type == "code" else share


def pseudo_run(
    cases: Sequence[Case], seed: int, fault: Fault = none, *, noise: float = 0.1, right_labels: float = 0.85
) -> Run:
    """Expected shares with normal noise, and right labels as often as said; the same seed, the same run."""
    draws = random.Random(seed)
    outcomes = []
    for case in cases:
        if case.expected.share is None:
            labels = [label for label in case.request["labels"] if label != case.expected.label]
            label = case.expected.label if draws.random() < right_labels else draws.choice(labels)
            outcomes.append(Outcome(case.id, case.digest, 5.0, share=1.0, label=label, confidence=0.9))
            continue
        made = fault(case, _bounded(case.expected.share + draws.gauss(0, noise)))
        if isinstance(made, str):
            outcomes.append(Outcome(case.id, case.digest, 5.0, made))
        else:
            outcomes.append(Outcome(case.id, case.digest, 5.0, share=_bounded(made), confidence=0.9))
    asked_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Run(FORMAT, "grader-embedding", "0.1.0", asked_at, {"model": [f"pseudo@{seed}"]}, outcomes)


def _bounded(share: float) -> float:
    return min(1.0, max(0.0, share))
