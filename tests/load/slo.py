"""What a load profile must keep, read from a TOML file, and whether it did. Pure: knows nothing of Locust.

[steady."chat"]        # profile, then the row of the report; * and ? stand for any characters
p50_ms = 2000          # at most
p95_ms = 10000         # at most
errors = 0.01          # share of the row's requests, at most
rate = 0.5             # good answers a second, at least
optional = true        # may stay unasked
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any


class WrongFile(Exception):
    """One sentence that says what is wrong with the file, and where."""


@dataclass(frozen=True, slots=True)
class Objective:
    """Of each row whose name fits `rows`. None: not asked for."""

    rows: str
    p50_ms: float | None = None
    p95_ms: float | None = None
    errors: float | None = None  # a share
    rate: float | None = None  # good answers a second
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What was seen of one kind of request."""

    name: str
    requests: int
    failures: int
    p50_ms: float
    p95_ms: float
    seconds: float  # that the whole run took

    @property
    def errors(self) -> float:
        return self.failures / self.requests if self.requests else 0.0

    @property
    def rate(self) -> float:
        return (self.requests - self.failures) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    row: Row | None  # None: nothing of that name was asked
    name: str
    faults: tuple[str, ...]


def _above_zero(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


_CHECKS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "p50_ms": (_above_zero, "a number above 0"),
    "p95_ms": (_above_zero, "a number above 0"),
    "errors": (_share, "a share from 0 to 1"),
    "rate": (_above_zero, "a number above 0"),
    "optional": (lambda value: isinstance(value, bool), "true or false"),
}


def read_slo(file: Path, profile: str) -> list[Objective]:
    """The objectives of one profile, in the file's order; the whole file is checked. Raises WrongFile."""
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise WrongFile(f"{file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongFile(f"{file} is not TOML: {error}.") from None
    found = {name: _objectives(f"{file}: {name}", rows) for name, rows in tables.items()}
    if profile not in found:
        raise WrongFile(f"{file} has no objectives for the profile {profile}.")
    return found[profile]


def _objectives(where: str, rows: Any) -> list[Objective]:
    if not isinstance(rows, dict) or not rows:
        raise WrongFile(f"{where} must be a table of rows, at least one.")
    return [_objective(f"{where}.{name}", name, given) for name, given in rows.items()]


def _objective(where: str, name: str, given: Any) -> Objective:
    if not isinstance(given, dict) or not given.keys() - {"optional"}:
        raise WrongFile(f"{where} must be a table with one of p50_ms, p95_ms, errors, rate.")
    for key, value in given.items():
        if key not in _CHECKS:
            known = ", ".join(field.name for field in fields(Objective)[1:])
            raise WrongFile(f"{where}.{key} is not known: {known}.")
        fits, rule = _CHECKS[key]
        if not fits(value):
            raise WrongFile(f"{where}.{key} must be {rule}.")
    return Objective(rows=name, **given)


def judged(objectives: Sequence[Objective], rows: Sequence[Row]) -> list[Verdict]:
    """Every row by the first objective whose name fits it, and every objective that nothing was asked for. A
    row without an objective is a fault: what nobody judges would pass unseen."""
    verdicts = []
    for row in rows:
        fitting = next((one for one in objectives if fnmatchcase(row.name, one.rows)), None)
        faults = _faults(row, fitting) if fitting else ("it has no objective",)
        verdicts.append(Verdict(row, row.name, faults))
    unasked = [
        Verdict(None, one.rows, ("it was never asked",))
        for one in objectives
        if not one.optional and not any(fnmatchcase(row.name, one.rows) for row in rows)
    ]
    return verdicts + unasked


def _faults(row: Row, objective: Objective) -> tuple[str, ...]:
    faults = []
    for name, seen, most in (("p50", row.p50_ms, objective.p50_ms), ("p95", row.p95_ms, objective.p95_ms)):
        if most is not None and seen > most:
            faults.append(f"{name} {seen:.0f} ms, {most:.0f} at most")
    if objective.errors is not None and row.errors > objective.errors:
        faults.append(f"errors {row.errors:.2%}, {objective.errors:.2%} at most")
    if objective.rate is not None and row.rate < objective.rate:
        faults.append(f"{row.rate:.2f} good answers/s, {objective.rate:g} at least")
    return tuple(faults)


def table(verdicts: Sequence[Verdict]) -> str:
    """For a person at a terminal."""
    width = max([len(one.name) for one in verdicts] + [4])
    lines = [
        f"{'row':<{width}} {'asked':>7} {'errors':>8} {'p50 ms':>8} {'p95 ms':>8} {'good/s':>8}  verdict"
    ]
    for one in verdicts:
        verdict = "MISSED: " + "; ".join(one.faults) if one.faults else "kept"
        row = one.row or Row(one.name, 0, 0, 0.0, 0.0, 0.0)
        lines.append(
            f"{one.name:<{width}} {row.requests:>7} {row.errors:>8.2%} {row.p50_ms:>8.0f} {row.p95_ms:>8.0f}"
            f" {row.rate:>8.1f}  {verdict}"
        )
    return "\n".join(lines)
