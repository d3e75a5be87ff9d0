"""How drift went over time, as a chart and as rows. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import altair as alt
import pandas as pd

from ui import cells

_HEIGHT = 210  # with title and axis
_TICKS = 3  # about so many: a chart is some 280 px wide
_RED, _BLUE = "#cf1322", "#2f54eb"
_LEAST_ROOM = timedelta(minutes=30)  # beside the first and the last run; one alone has no width
_DAY_UNDER_HOUR = "[timeFormat(datum.value, '%H:%M'), timeFormat(datum.value, '%m-%d')]"


def trend(
    runs: Sequence[Mapping[str, Any]], words: Mapping[str, str], zone: str | None
) -> list[alt.LayerChart]:
    """For each column its score over the runs, under or over its threshold of then, in the reader's zone."""
    rows = [
        {
            # Without a zone: Streamlit hands the browser one with a zone in UTC, whatever the zone is.
            "at": cells.in_zone(run["ended_at"], zone).replace(tzinfo=None),
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
    axis = alt.Axis(labelExpr=_DAY_UNDER_HOUR, labelOverlap=True, tickCount=_TICKS)
    across = alt.X("at:T", title=None, axis=axis, scale=alt.Scale(domain=_around(data["at"]), nice=False))
    base = alt.Chart(data).encode(x=across)
    up, ticks = alt.Scale(zero=True, nice=True), alt.Axis(tickCount=_TICKS)
    place = alt.Y("score:Q", title=None, axis=ticks, scale=up)
    edge = alt.Y("threshold:Q", title=None, axis=ticks, scale=up)
    if len(data) == 1:  # a line through one point is none
        limit = alt.Chart(data).mark_rule(strokeDash=[4, 4], color=_RED).encode(y=edge)
    else:
        limit = base.mark_line(strokeDash=[4, 4], color=_RED).encode(y=edge)
    line = base.mark_line(color=_BLUE, opacity=0.6).encode(y=place)
    colour = alt.condition("datum.drifted", alt.value(_RED), alt.value(_BLUE))
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(y=place, color=colour, tooltip=told)
    title = alt.TitleParams(words.get(name, name), anchor="start", fontSize=13)
    chart: alt.LayerChart = alt.layer(limit, line, dots).properties(height=_HEIGHT, title=title)
    return chart


def _around(times: "pd.Series[pd.Timestamp]") -> list[alt.DateTime]:
    first, last = times.min().to_pydatetime(), times.max().to_pydatetime()
    room = max((last - first) / 20, _LEAST_ROOM)
    return [_wall(first - room), _wall(last + room)]


def _wall(time: datetime) -> alt.DateTime:
    """As a clock on the wall shows it."""
    day = {"year": time.year, "month": time.month, "date": time.day}
    return alt.DateTime(**day, hours=time.hour, minutes=time.minute, seconds=time.second)


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


def overlap_h(first: tuple[float, float], second: tuple[float, float]) -> float:
    """How many hours two stretches of time, (since, until) in seconds since the epoch, have in common."""
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0])) / timedelta(hours=1).total_seconds()
