"""Charts of data sets, trainings and predictions. Pure: data in, an Altair chart out.

Names that came from somebody stand in the data alone: in a field's name Vega would read dots and brackets.
"""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

_ROW, _BAR, _EDGE = 26, 16, 12  # pixels: a bar with the gap, without, and around all
_ROOM_FOR_TEXT = 1.18
_LONGEST = 40  # characters of a bar's name
_MOST_BARS, _MOST_RUNS = 30, 8
_BLUE = "#2f54eb"


def counts(counted: Sequence[tuple[str, int]], name: str) -> alt.LayerChart:
    """How often each value stands, in the order given."""
    return _bars([(_short(one), count) for one, count in counted[:_MOST_BARS]], name, "d", None)


def probabilities(told: Mapping[str, float], name: str) -> alt.LayerChart:
    """Of each label, the likeliest first."""
    ordered = sorted(told.items(), key=lambda one: -one[1])[:_MOST_BARS]
    return _bars([(_short(label), value) for label, value in ordered], name, ".3f", 1.0)


def metric(values: Sequence[tuple[str, float]], name: str) -> alt.LayerChart:
    """One metric of each run, in the order given. Bars begin at nought: lengths are what is compared."""
    top = max((value for _, value in values), default=0.0)
    return _bars(
        [(_short(run), value) for run, value in values[:_MOST_BARS]], name, ".4f", 1.0 if top <= 1 else None
    )


def classes(values: Sequence[tuple[str, str, float]], name: str, run: str) -> alt.LayerChart:
    """(run, class, its F1): for each class a bar a run."""
    runs = list(dict.fromkeys(one for one, _, _ in values))[:_MOST_RUNS]
    data = pd.DataFrame(
        [(_short(a), _short(b), value) for a, b, value in values if a in runs],
        columns=["run", "class", "value"],
    )
    base = alt.Chart(data).encode(
        y=alt.Y("class:N", title=None, sort=None, axis=alt.Axis(labelLimit=180, ticks=False, domain=False)),
        x=alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, _ROOM_FOR_TEXT])),
        yOffset=alt.YOffset("run:N", sort=None),
        tooltip=[
            alt.Tooltip("run:N", title=run),
            alt.Tooltip("class:N", title=name),
            alt.Tooltip("value:Q", format=".4f"),
        ],
    )
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=360, title=None)
    bars = base.mark_bar().encode(color=alt.Color("run:N", sort=None, legend=legend))
    text = base.mark_text(align="left", dx=4).encode(text=alt.Text("value:Q", format=".4f"))
    # The height is of all, the legend too.
    height = _BAR * len(data) + _EDGE * (data["class"].nunique() + 1) + _ROW * len(runs)
    chart: alt.LayerChart = (bars + text).properties(height=height)
    return chart


def _bars(values: Sequence[tuple[str, float]], name: str, form: str, top: float | None) -> alt.LayerChart:
    """`top`: where the scale ends; None: with the longest bar. The values stand at the bars, so that no axis
    is needed."""
    data = pd.DataFrame(values, columns=["name", "value"])
    end = top or max((value for _, value in values), default=1) or 1
    base = alt.Chart(data).encode(
        y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=180, ticks=False, domain=False)),
        x=alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, end * _ROOM_FOR_TEXT])),
        tooltip=[alt.Tooltip("name:N", title=name), alt.Tooltip("value:Q", format=form)],
    )
    text = base.mark_text(align="left", dx=4).encode(text=alt.Text("value:Q", format=form))
    bars = base.mark_bar(color=_BLUE, height=_BAR)
    chart: alt.LayerChart = (bars + text).properties(height=_ROW * len(data) + _EDGE)
    return chart


def _short(text: str) -> str:
    """Two long names that begin alike would fall together: the end is kept too."""
    half = _LONGEST // 2 - 1
    return text if len(text) <= _LONGEST else f"{text[:half]}...{text[-half:]}"
