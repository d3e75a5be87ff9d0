"""The figures on top, and the objectives."""

from monitoring.panels import GREEN, RED, YELLOW, Look, Panel, Query, Row, Unit
from monitoring.promql import CHAT, CLASSIFIERS, quantile


def _figure(
    title: str,
    description: str,
    unit: Unit,
    expr: str,
    *steps: tuple[float, str],
    base: str = GREEN,
    legend: str = "",
    decimals: int | None = None,
) -> Panel:
    queries = (Query(expr, legend),)
    return Panel(title, description, unit, queries, Look.FIGURE, 4, steps, base, decimals=decimals)


def _good(slo: str, objective: float, title: str, description: str) -> Panel:
    expr = f'1 - slo:bad:ratio_rate1h{{slo="{slo}"}}'
    return _figure(title, description, Unit.SHARE, expr, (objective, GREEN), base=RED, decimals=2)


NOW = Row(
    "Now",
    [
        _figure(
            "Classifiers, p95",
            "From the request's head to the last byte, over the last hour. The objective is 200 ms.",
            Unit.SECONDS,
            quantile(0.95, "gateway_request_seconds", where=CLASSIFIERS, window="1h"),
            (0.2, RED),
        ),
        _figure(
            "Chat, p95",
            "To the last byte of the answer, over the last hour. The objective is 10 s.",
            Unit.SECONDS,
            quantile(0.95, "gateway_request_seconds", where=CHAT, window="1h"),
            (10, RED),
        ),
        _good(
            "good_answers", 0.99, "Good answers", "Of what asks a model, over the last hour: whole, no 5xx."
        ),
        _good("availability", 0.995, "Availability", "Of all requests, over the last hour: no 5xx."),
        _good("uptime", 0.995, "Uptime", "Of the last hour, as Prometheus saw it: /metrics was answered."),
        _figure(
            "Alerts",
            "That fire now. Alertmanager tells which.",
            Unit.COUNT,
            'count(ALERTS{alertstate="firing"}) or vector(0)',
            (1, RED),
        ),
        _figure(
            "Places taken",
            "Requests at the models, of as many as may be. Beyond that they are answered 503.",
            Unit.SHARE,
            "gateway:places_taken:ratio",
            (0.5, YELLOW),
            (0.8, RED),
        ),
        _figure(
            "Services down",
            "Of those that the gateway needs and is configured for, at its last look.",
            Unit.COUNT,
            "count(min by (service) (gateway_up) == 0) or vector(0)",
            (1, RED),
        ),
        _figure(
            "Workers", "That reported within 30 s.", Unit.COUNT, "max(gateway_workers)", (1, GREEN), base=RED
        ),
        _figure(
            "Waiting for a person",
            "Grades that a grader flagged and nobody has looked at.",
            Unit.COUNT,
            'max(gateway_queue{queue="reviews"})',
            (100, YELLOW),
            (1000, RED),
        ),
        _figure(
            "Drift alarms",
            "Models whose traffic is no longer what its reference is.",
            Unit.COUNT,
            "sum(max by (model) (gateway_drift_alarm)) or vector(0)",
            (1, RED),
        ),
        _figure(
            "Version",
            "Gateways that run, by version: more than one while it is being replaced.",
            Unit.COUNT,
            "count by (version) (gateway_build_info)",
            legend="{{version}}",
        ),
    ],
)

OBJECTIVES = Row(
    "Objectives",
    [
        Panel(
            "How fast the budgets are spent",
            "Of the last hour. 1: a month's budget is gone in a month. From 14.4 on somebody is called.",
            Unit.NUMBER,
            [Query("slo:bad:ratio_rate1h / on (slo) slo:budget", "{{slo}}")],
            width=12,
            steps=[(1, YELLOW), (6, "orange"), (14.4, RED)],
        ),
        Panel(
            "Classifiers",
            "Trained models too, as the caller waits, masking included. p95 is to stay below 200 ms.",
            Unit.SECONDS,
            [
                Query(quantile(q, "gateway_request_seconds", where=CLASSIFIERS), f"p{q * 100:.0f}")
                for q in (0.5, 0.95)
            ],
            width=6,
            steps=[(0.2, RED)],
        ),
        Panel(
            "Chat",
            "To the last byte of a chat's answer. p95 is to stay below 10 s.",
            Unit.SECONDS,
            [
                Query(quantile(q, "gateway_request_seconds", where=CHAT), f"p{q * 100:.0f}")
                for q in (0.5, 0.95)
            ],
            width=6,
            steps=[(10, RED)],
        ),
    ],
)
