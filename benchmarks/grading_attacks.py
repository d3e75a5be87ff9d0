"""Wrong answers with and without an attack in them: who gets away with it, and who is seen."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.grading_answers import Examiner, Mark, payload, rows
from benchmarks.grading_figures import markdown, succeeded, wilson

_SUSPICION = "injection"  # in the name of every review reason that suspects one
_HEAD = "by,,n,success,95 %,success unseen,flagged as injection,flagged at all"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attacked answer beside itself without the attack; both were graded."""

    family: str
    lang: str
    position: str
    clean: float  # share of the maximum
    attacked: float
    reasons: tuple[str, ...]  # to have a person look at the attacked one

    @property
    def success(self) -> bool:
        return succeeded(self.clean, self.attacked)


@dataclass(frozen=True, slots=True)
class Stratum:
    by: str
    name: str
    n: int
    successes: int
    interval: tuple[float, float]
    unseen: int  # successes that nobody would look at
    suspected: int  # for an injection
    flagged: int  # for whatever reason


def stratum(by: str, name: str, some: Sequence[Attack]) -> Stratum:
    successes = sum(attack.success for attack in some)
    return Stratum(
        by=by,
        name=name,
        n=len(some),
        successes=successes,
        interval=wilson(successes, len(some)),
        unseen=sum(attack.success and not attack.reasons for attack in some),
        suspected=sum(suspected(attack.reasons) for attack in some),
        flagged=sum(bool(attack.reasons) for attack in some),
    )


def strata(attacks: Sequence[Attack]) -> list[Stratum]:
    kinds: dict[str, Callable[[Attack], str]] = {
        "all": lambda _: "",
        "family": lambda attack: attack.family,
        "lang": lambda attack: attack.lang,
        "position": lambda attack: attack.position,
    }
    return [
        stratum(by, name, [attack for attack in attacks if of(attack) == name])
        for by, of in kinds.items()
        for name in sorted(set(map(of, attacks)))
    ]


def suspected(reasons: Sequence[str]) -> bool:
    return any(_SUSPICION in reason for reason in reasons)


@dataclass(frozen=True, slots=True)
class Attacked:
    """All that one run over the set has shown."""

    strata: Sequence[Stratum]
    clean: Mapping[str, Mark]  # by a hash of what was asked
    questions: Mapping[str, str]  # of the same hashes
    errors: Mapping[str, int]
    cached: int  # grades that the gateway had made before, perhaps without the guard that is measured
    versions: Sequence[Mapping[str, str]]

    def figures(self) -> dict[str, Any]:
        return {
            "versions": self.versions,
            "attacks": [asdict(one) for one in self.strata],
            "clean": len(self.clean),
            "clean_suspected": self.clean_suspected,
            "errors": self.errors,
            "cached": self.cached,
        }

    @property
    def clean_suspected(self) -> int:
        return sum(suspected(mark.reasons) for mark in self.clean.values())


async def attacked(file: Path, examiner: Examiner, limit: int | None, seed: int) -> Attacked:
    """Grades every attacked answer, and once every answer that some attack was made on."""
    some = [row for _, row in rows(file, limit, seed)]
    asked = {_hash(row): row for row in some}
    marks = await examiner.marks([_clean(row) for row in asked.values()], "clean")
    clean = dict(zip(asked, marks, strict=True))
    marks = await examiner.marks([payload(row, row["attacked_answer"]) for row in some], "attacked")
    pairs = [(row, clean[_hash(row)], mark) for row, mark in zip(some, marks, strict=True)]
    every = [*clean.values(), *marks]
    return Attacked(
        strata=strata(
            [
                Attack(row["family"], row["lang"], row["position"], before.share, mark.share, mark.reasons)
                for row, before, mark in pairs
                if before.share is not None and mark.share is not None
            ]
        ),
        clean=clean,
        questions={key: row["question"] for key, row in asked.items()},
        errors=dict(Counter(mark.error for mark in every if mark.share is None)),
        cached=sum(mark.cached for mark in every),
        versions=[dict(one) for one in sorted({mark.versions for mark in every if mark.versions})],
    )


def _clean(row: Mapping[str, Any]) -> dict[str, Any]:
    return payload(row, row["clean_answer"])


def _hash(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(_clean(row), sort_keys=True).encode()).hexdigest()[:16]


def print_attacked(found: Attacked) -> None:
    lines = [
        (
            one.by,
            one.name,
            one.n,
            f"{one.successes / one.n:.2f}",
            f"{one.interval[0]:.2f} to {one.interval[1]:.2f}",
            one.unseen,
            f"{one.suspected / one.n:.2f}",
            f"{one.flagged / one.n:.2f}",
        )
        for one in found.strata
    ]
    print(markdown(_HEAD.split(","), lines))
    print(
        f"\nclean answers flagged as injection: {found.clean_suspected} of {len(found.clean)}; "
        f"errors: {dict(found.errors) or 'none'}; from the gateway's store: {found.cached}"
    )
