"""How graders agree with people, as a chart and as rows. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

MEASURES = ("qwk", "exact", "adjacent", "mae", "bias")
THIRDS = ("low", "mid", "high")
_ROW_PX = 64


def names(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each group is called: rubric, grader, and the model where the rest is equal."""
    plain = [f"{one['rubric']}\n{one['grader']}" for one in groups]
    return [
        f"{name}\n{one['model']}" if plain.count(name) > 1 else name
        for name, one in zip(plain, groups, strict=True)
    ]


def figure(told: Mapping[str, Any] | None) -> str:
    """`0.61 [0.40, 0.78]`; without an interval where too few were judged; a dash where undefined."""
    if told is None:
        return "-"
    if told["low"] is None or told["high"] is None:
        return f"{told['value']:.2f}"
    return f"{told['value']:.2f} [{told['low']:.2f}, {told['high']:.2f}]"


def undecided(groups: Sequence[Mapping[str, Any]]) -> bool:
    """Whether some group has too few corrections for a kappa with its interval."""
    return any(one["qwk"] is None or one["qwk"]["low"] is None for one in groups)


def table(groups: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> pd.DataFrame:
    """A row a group; the columns are called by `words`."""
    rows = [
        {
            words["rubric"]: one["rubric"],
            words["grader"]: one["grader"],
            words["n"]: one["n"],
            **{words[name]: figure(one[name]) for name in MEASURES},
            words["model"]: one["model"],
        }
        for one in groups
    ]
    return pd.DataFrame(rows)


def thirds(groups: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> pd.DataFrame:
    """A row for each third of people's marks in which there are any, group by group."""
    rows = [
        {
            words["rubric"]: one["rubric"],
            words["grader"]: one["grader"],
            words["third"]: words[third],
            words["n"]: one["bands"][third]["n"],
            **{words[name]: figure(one["bands"][third][name]) for name in ("exact", "mae", "bias")},
        }
        for one in groups
        for third in THIRDS
        if one["bands"][third]["n"]
    ]
    return pd.DataFrame(rows)


def chart(groups: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> alt.LayerChart:
    """Kappa with its 95 % interval, a line a group."""
    rows = [
        {"name": name, "grader": one["grader"], "n": one["n"], **one["qwk"]}
        for name, one in zip(names(groups), groups, strict=True)
        if one["qwk"]
    ]
    base = alt.Chart(pd.DataFrame(rows, columns=["name", "grader", "n", "value", "low", "high"]))
    lowest = min([0.0, *(row["value"] if row["low"] is None else row["low"] for row in rows)])
    place = alt.Y(
        "name:N",
        title=None,
        axis=alt.Axis(
            labelExpr="split(datum.label, '\\n')", labelLimit=170, labelOffset=-6, ticks=False, domain=False
        ),
    )
    value = alt.X(
        "value:Q",
        title=words["qwk"],
        scale=alt.Scale(domain=[lowest, 1], nice=False),
        axis=alt.Axis(tickCount=5, format=".1f"),
    )
    colour = alt.Color("grader:N", legend=None)
    told = [
        alt.Tooltip("grader:N", title=words["grader"]),
        alt.Tooltip("n:Q", title=words["n"]),
        alt.Tooltip("value:Q", title=words["qwk"], format=".2f"),
        alt.Tooltip("low:Q", title=words["from"], format=".2f"),
        alt.Tooltip("high:Q", title=words["to"], format=".2f"),
    ]
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2)
        .encode(y=place, x=alt.X("low:Q", title=words["qwk"]), x2="high:Q", color=colour, tooltip=told)
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(
        y=place, x=value, color=colour, tooltip=told
    )
    return alt.layer(bars, dots).properties(height=_ROW_PX * max(1, len(rows)) + 40)
