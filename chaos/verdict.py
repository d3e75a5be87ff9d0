"""What a row of the table found, and the report of them all."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    measured: str
    bound: str
    passed: bool


@dataclass(slots=True)
class Row:
    """One test. Fails when a check does, when there is none, or when it broke off."""

    name: str
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broke_off: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.passed for check in self.checks) and not self.broke_off

    def at_most(self, what: str, value: float | None, bound: float, unit: str = "") -> None:
        self._bounded(what, value, "<=", bound, unit, value is not None and value <= bound)

    def at_least(self, what: str, value: float | None, bound: float, unit: str = "") -> None:
        self._bounded(what, value, ">=", bound, unit, value is not None and value >= bound)

    def equal(self, what: str, value: object, wanted: object) -> None:
        self.checks.append(Check(what, str(value), str(wanted), value == wanted))

    def holds(self, what: str, *, holds: bool, otherwise: str = "no") -> None:
        self.checks.append(Check(what, "yes" if holds else otherwise, "yes", holds))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def _bounded(
        self, what: str, value: float | None, sign: str, bound: float, unit: str, passed: bool
    ) -> None:
        measured = "never" if value is None else _figure(value, unit)
        self.checks.append(Check(what, measured, f"{sign} {_figure(bound, unit)}", passed))


def _figure(value: float, unit: str) -> str:
    if math.isnan(value):
        return "nothing measured"
    if unit == "ms":
        return f"{value * 1000:.1f} ms"
    if unit == "%":
        return f"{value * 100:.1f} %"
    return f"{value:.4g}{f' {unit}' if unit else ''}"


def markdown(rows: Sequence[Row]) -> str:
    lines = ["| test | check | measured | bound | |", "|---|---|---|---|---|"]
    for row in rows:
        if row.broke_off:
            lines.append(f"| {row.name} | broke off | {row.broke_off} | | FAILED |")
        lines += [
            f"| {row.name} | {c.what} | {c.measured} | {c.bound} | {'passed' if c.passed else 'FAILED'} |"
            for c in row.checks
        ]
    notes = [f"- {row.name}: {note}" for row in rows for note in row.notes]
    failed = [row.name for row in rows if not row.passed]
    end = f"FAILED: {', '.join(failed)}" if failed else "Every row passed."
    return "\n".join([*lines, "", *notes, "", end, ""])


def write(rows: Sequence[Row], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chaos.md").write_text(markdown(rows))
    told = [{**asdict(row), "passed": row.passed} for row in rows]
    (folder / "chaos.json").write_text(json.dumps(told, indent=1) + "\n")
