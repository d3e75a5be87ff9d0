"""What a panel is made of, in our words, and how Grafana's own objects come of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.units import (
    BytesIEC,
    DurationSeconds,
    NoUnit,
    OpsPerSecond,
    PercentUnit,
    RequestsPerSecond,
    Seconds,
    Short,
)

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24  # columns of Grafana's grid

GREEN, YELLOW, RED = "green", "#EAB839", "red"


class Unit(Enum):
    """What a panel's numbers are, by Grafana's names."""

    SHARE = PercentUnit  # 0..1, shown in per cent
    SECONDS = Seconds
    AGE = DurationSeconds
    PER_SECOND = OpsPerSecond
    REQUESTS = RequestsPerSecond
    COUNT = Short
    NUMBER = NoUnit
    BYTES = BytesIEC


class Look(Enum):
    LINES = "lines"  # over time
    STACKED = "stacked"  # over time, adding up
    FIGURE = "figure"  # the value now
    STATES = "states"  # over time, 1 or 0


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and what its series are called: `{{label}}` is the label's value."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    description: str
    unit: Unit
    queries: Sequence[Query]
    look: Look = Look.LINES
    width: int = 8
    steps: Sequence[tuple[float, str]] = ()  # from this value on that colour, rising; below the first: `base`
    base: str = GREEN
    top: float | None = None  # the axis' end; None: by the data
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: Sequence[Panel]


Drawn = timeseries.Panel | stat.Panel | statetimeline.Panel


def drawn(panel: Panel, number: int) -> Drawn:
    """Grafana's panel; `number` is its id on the dashboard."""
    shape: Drawn
    if panel.look is Look.FIGURE:
        shape = _figure().height(4)
    elif panel.look is Look.STATES:
        shape = _states().height(8)
    else:
        shape = _lines(panel).height(8)
    shape = (
        shape.id(number)
        .title(panel.title)
        .description(panel.description)
        .datasource(DATASOURCE)
        .unit(panel.unit.value)
        .span(panel.width)
        .thresholds(_thresholds(panel))
    )
    if panel.look is not Look.STATES:
        shape = shape.min(0) if panel.unit is not Unit.NUMBER else shape
    if panel.top is not None:
        shape = shape.max(panel.top)
    if panel.decimals is not None:
        shape = shape.decimals(panel.decimals)
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        shape = shape.with_target(_target(query, letter, now=panel.look is Look.FIGURE))
    return shape


def _target(query: Query, letter: str, *, now: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter)
    target = target.datasource(DATASOURCE)
    return target.instant() if now else target.range()


def _lines(panel: Panel) -> timeseries.Panel:
    stacked = panel.look is Look.STACKED
    legend = (
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.TABLE)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    tooltip = (
        common.VizTooltipOptions()
        .mode(common_models.TooltipDisplayMode.MULTI)
        .sort(common_models.SortOrder.DESCENDING)
    )
    shape = timeseries.Panel().legend(legend).tooltip(tooltip).line_width(1)
    shape = shape.fill_opacity(30 if stacked else 5).show_points(common_models.VisibilityMode.NEVER)
    if stacked:
        shape = shape.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if panel.steps:
        dashed = common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.DASHED)
        shape = shape.thresholds_style(dashed)
    return shape


def _figure() -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.BACKGROUND)
        .text_mode(common_models.BigValueTextMode.AUTO)
    )


def _states() -> statetimeline.Panel:
    by_threshold = dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)
    return (
        statetimeline.Panel()
        .color_scheme(by_threshold)
        .show_value(common_models.VisibilityMode.NEVER)
        .merge_values(True)
    )


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=panel.base)]
    steps += [models.Threshold(value=value, color=colour) for value, colour in panel.steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
