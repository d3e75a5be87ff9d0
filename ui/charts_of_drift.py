"""How drift went over time, as a chart and as rows. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

_HEIGHT = 110
_RED, _BLUE = "#cf1322", "#2f54eb"


def trend(runs: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> list[alt.LayerChart]:
    """For each column its score over the runs, under or over its threshold of then."""
    rows = [
        {
            "at": pd.Timestamp(run["ended_at"], unit="s"),
            **{name: column[name] for name in ("column", "score", "threshold", "drifted")},
        }
        for run in runs
        if run["status"] == "succeeded"
        for column in run["columns"]
    ]
    data = pd.DataFrame(rows, columns=["at", "column", "score", "threshold", "drifted"])
    return [_one(data[data["column"] == name], name, words) for name in data["column"].unique()]


def _one(data: pd.DataFrame, name: str, words: Mapping[str, str]) -> alt.LayerChart:
    told = [
        alt.Tooltip("at:T", title=words["ended"], format="%Y-%m-%d %H:%M"),
        alt.Tooltip("score:Q", title=words["measure"], format=".4f"),
        alt.Tooltip("threshold:Q", title=words["threshold"], format=".4f"),
    ]
    base = alt.Chart(data).encode(x=alt.X("at:T", title=None, axis=alt.Axis(labelOverlap=True, tickCount=4)))
    place = alt.Y("score:Q", title=None, axis=alt.Axis(tickCount=3), scale=alt.Scale(zero=True))
    edge = base.mark_line(strokeDash=[4, 4], color=_RED, point=False).encode(y="threshold:Q")
    line = base.mark_line(color=_BLUE, opacity=0.6).encode(y=place)
    colour = alt.condition("datum.drifted", alt.value(_RED), alt.value(_BLUE))
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(y=place, color=colour, tooltip=told)
    title = alt.TitleParams(words.get(name, name), anchor="start", fontSize=13)
    chart: alt.LayerChart = alt.layer(edge, line, dots).properties(height=_HEIGHT, title=title)
    return chart


def rows(columns: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> pd.DataFrame:
    """What a run found of each column, the furthest gone first."""
    ordered = sorted(columns, key=lambda one: one["threshold"] - one["score"])
    told = [
        {
            words["column"]: words.get(one["column"], one["column"]),
            words["drifted"]: words["yes"] if one["drifted"] else words["no"],
            words["measure"]: round(one["score"], 4),
            words["threshold"]: round(one["threshold"], 4),
            words["rows"]: one["rows"],
            words["method"]: one["method"],
        }
        for one in ordered
    ]
    return pd.DataFrame(told)
