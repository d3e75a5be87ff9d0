"""Masking, grading, drift: what the gateway is for."""

from monitoring.panels import GREEN, RED, Look, Panel, Query, Row, Unit
from monitoring.promql import MODEL, quantile, rate, share

MASKING = Row(
    "Masking",
    [
        Panel(
            "Personal values replaced",
            "Distinct ones of a request, by kind.",
            Unit.PER_SECOND,
            [Query(rate("gateway_masked_values_total", "kind"), "{{kind}}")],
            Look.STACKED,
        ),
        Panel(
            "Values in a request",
            "The mean. Where it falls to nothing, masking no longer finds what it did.",
            Unit.NUMBER,
            [
                Query(
                    f"{rate('gateway_masked_values_total')} / {rate('gateway_masking_seconds_count')}",
                    "values",
                )
            ],
            width=4,
        ),
        Panel(
            "Time for masking",
            "Of one request's texts.",
            Unit.SECONDS,
            [Query(quantile(q, "gateway_masking_seconds"), f"p{q * 100:.0f}") for q in (0.5, 0.95)],
            width=6,
        ),
        Panel(
            "Could not be masked",
            "These requests went nowhere and were answered 503.",
            Unit.PER_SECOND,
            [Query(rate("gateway_masking_failures_total", "code"), "{{code}}")],
            width=6,
        ),
    ],
)

GRADING = Row(
    "Grading",
    [
        Panel(
            "Grades",
            "By grader; those that were there already apart.",
            Unit.PER_SECOND,
            [
                Query(rate("gateway_grades_total", "grader", 'cached="false"'), "{{grader}}"),
                Query(rate("gateway_grades_total", "grader", 'cached="true"'), "{{grader}}, given again"),
            ],
            Look.STACKED,
            width=6,
        ),
        Panel(
            "For a person",
            "Share of a grader's grades that are flagged.",
            Unit.SHARE,
            [
                Query(
                    share("gateway_grades_total", "grader", 'needs_review="true"'),
                    "{{grader}}",
                )
            ],
            width=6,
            top=1,
        ),
        Panel(
            "Why",
            "A grade may have several reasons. injection_suspected: an attack or a false alarm.",
            Unit.PER_SECOND,
            [Query(rate("gateway_review_reasons_total", "reason"), "{{reason}}")],
            width=6,
        ),
        Panel(
            "By another grader",
            "Than the one that was asked for: it rises while a model is down and nobody sees an error.",
            Unit.PER_SECOND,
            [Query(rate("gateway_grade_fallbacks_total", "from, to"), "{{from}} -> {{to}}")],
            width=6,
        ),
        Panel(
            "Broken replies",
            "Of the model: what was wrong with them.",
            Unit.PER_SECOND,
            [Query(rate("gateway_reply_faults_total", "fault"), "{{fault}}")],
            Look.STACKED,
            width=6,
        ),
        Panel(
            "Repairs",
            "A broken reply is asked for once more; what fails again gives no grade.",
            Unit.PER_SECOND,
            [Query(rate("gateway_repairs_total", "outcome"), "{{outcome}}")],
            width=6,
        ),
        Panel(
            "Agreement with people",
            "Quadratic weighted kappa of grades and corrections: 1 is full agreement, 0 is chance.",
            Unit.NUMBER,
            [Query('min by (rubric, grader) (gateway_agreement{measure="qwk"})', "{{rubric}} {{grader}}")],
            width=6,
            steps=[(0.4, GREEN)],
            base=RED,
            top=1,
        ),
        Panel(
            "Error and leaning",
            "mae: the mean distance to people's marks. bias above 0: the grader is the milder one.",
            Unit.NUMBER,
            [
                Query(
                    'avg by (grader, measure) (gateway_agreement{measure=~"mae|bias"})',
                    "{{grader}} {{measure}}",
                )
            ],
            width=6,
        ),
    ],
)

DRIFT = Row(
    "Drift of the traffic",
    [
        Panel(
            "Alarm",
            "Of a model's last comparison with its reference.",
            Unit.COUNT,
            [Query(f"max by (model) (gateway_drift_alarm{{{MODEL}}})", "{{model}}")],
            Look.STATES,
            width=6,
            steps=[(1, RED)],
        ),
        Panel(
            "Score",
            "By column (docs/drift.md has the methods): a distance, drifted above its threshold.",
            Unit.NUMBER,
            [
                Query(f"max by (model, column) (gateway_drift_score{{{MODEL}}})", "{{model}} {{column}}"),
                Query(
                    f"max by (model, column) (gateway_drift_threshold{{{MODEL}}})",
                    "{{model}} {{column}}, threshold",
                ),
            ],
            width=10,
        ),
        Panel(
            "Since the last comparison",
            "The schedule compares each model that has a reference every DRIFT_EVERY_S.",
            Unit.AGE,
            [Query(f"time() - max by (model) (gateway_drift_run_timestamp_seconds{{{MODEL}}})", "{{model}}")],
            width=4,
        ),
        Panel(
            "Observations",
            "sampled_out: beyond TRAFFIC_PER_S. dropped: the store did not take them.",
            Unit.PER_SECOND,
            [
                Query(rate("gateway_traffic_total", "outcome"), "{{outcome}}"),
                Query(rate("gateway_drift_failures_total"), "failed comparisons"),
            ],
            width=4,
        ),
    ],
)
