"""A comparison for people: a table for the terminal, and one HTML file that needs nothing else.

Texts of cases stand in the HTML, escaped; attacks are written to be dangerous to whoever interprets them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from gateway.golden.cases import Case
from gateway.golden.comparison import Comparison, Line
from gateway.golden.runs import Outcome, Run
from gateway.golden.scores import Summary, error
from gateway.grading.agreement import Figure

_TEMPLATE = "report.html.j2"
_MOST_SHOWN = 25  # cases told one by one
_LEAST_SCALE = 0.1  # of a bar: half its width, as a share of the maximum


@dataclass(frozen=True, slots=True)
class Bar:
    """A difference and its interval on a line from 0 to 100 whose middle is no difference."""

    at: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A case that B judged otherwise than A."""

    case: Case
    a: Outcome
    b: Outcome
    change: float | None  # of the error; None: one of them has no mark


def table(comparison: Comparison) -> str:
    """The comparison as plain text, ending with the verdict."""
    heads = ("", "n", "families", "error A", "error B", "B - A", "95 %", "")
    rows = [heads, *(_cells(line) for line in _all(comparison))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in (0, 7) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    for name, one in (("A", comparison.a), ("B", comparison.b)):
        lines.append(f"{name}: {told(one)}")
    if comparison.drift:
        lines.append(f"drift of marks, B - A: {number(comparison.drift)}")
    lines += [f"newly over-scored: {one}" for one in comparison.over.newly]
    lines += [f"newly failed: {one}" for one in comparison.newly_failed]
    lines.append(f"WORSE: {'; '.join(comparison.regressions)}" if comparison.regressions else "no worse")
    return "\n".join(lines) + "\n"


def told(one: Summary) -> str:
    """A run in one line."""
    kappa = one.agreement.overall.kappa
    figures = (
        f"{one.n} cases",
        f"{one.errors} errors",
        f"mean error {_share(one.mae)}",
        f"kappa {number(kappa) if kappa else '-'}",
        f"{one.over_scored} of {one.traps} traps over-scored",
        f"{_share(one.review)} to a person",
    )
    return ", ".join(figures)


def html(cases: Sequence[Case], a: Run, b: Run, comparison: Comparison, tolerance: float) -> str:
    """The whole page. `cases` are those that were compared."""
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters.update(number=number, share=_share, signed=_signed)
    lines = _all(comparison)
    scale = max([_LEAST_SCALE, *(abs(end) for line in lines for end in _ends(line))])
    shown = _shown(cases, a, b)
    return page.get_template(_TEMPLATE).render(
        a=a,
        b=b,
        comparison=comparison,
        tolerance=tolerance,
        lines=[(line, _bar(line, scale)) for line in lines],
        scale=scale,
        shown=shown[:_MOST_SHOWN],
        more=max(0, len(shown) - _MOST_SHOWN),
    )


def number(figure: Figure) -> str:
    """A figure with its interval."""
    if figure.interval is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.interval[0]:.3f}, {figure.interval[1]:.3f}]"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _all(comparison: Comparison) -> list[Line]:
    return [*([comparison.overall] if comparison.overall else []), *comparison.lines]


def _cells(line: Line) -> tuple[str, ...]:
    interval = line.difference.interval
    return (
        f"{line.stratum.kind} {line.stratum.name}" if line.stratum.kind != "all" else "all",
        str(line.n),
        str(line.families),
        _share(line.mae_a),
        _share(line.mae_b),
        _signed(line.difference.value),
        f"{interval[0]:+.3f} {interval[1]:+.3f}" if interval else "",
        line.verdict.value,
    )


def _ends(line: Line) -> tuple[float, ...]:
    return line.difference.interval or (line.difference.value,)


def _bar(line: Line, scale: float) -> Bar:
    low, *rest = (50 + 50 * end / scale for end in _ends(line))
    return Bar(at=50 + 50 * line.difference.value / scale, low=low, high=rest[0] if rest else low)


def _shown(cases: Sequence[Case], a: Run, b: Run) -> list[Shown]:
    """Cases with a mark in one run only, then by how much the error grew or shrank; the worst first."""
    of_a, of_b = a.by_id, b.by_id
    found = []
    for case in cases:
        before, now = error(case, of_a[case.id]), error(case, of_b[case.id])
        change = None if before is None or now is None else now - before
        if change != 0 and not (before is None and now is None):
            found.append(Shown(case, of_a[case.id], of_b[case.id], change))
    return sorted(found, key=lambda one: (one.change is not None, -(one.change or 0), one.case.id))
