"""Traffic, models, places, queues, keys, the process.

Over 250 lines: a list of panels, one below the other.
"""

from monitoring.panels import GREEN, RED, Look, Panel, Query, Row, Unit
from monitoring.promql import MODEL, ROUTE, quantile, rate, share

TRAFFIC = Row(
    "Traffic",
    [
        Panel(
            "Requests by route",
            "Answered, of every status.",
            Unit.REQUESTS,
            [Query(rate("gateway_requests_total", "route", ROUTE), "{{route}}")],
            Look.STACKED,
        ),
        Panel(
            "Errors by code",
            "docs/errors.md says what each code means. 4xx are the caller's.",
            Unit.REQUESTS,
            [
                Query(
                    rate("gateway_requests_total", "status, code", f'{ROUTE},code!=""'),
                    "{{status}} {{code}}",
                )
            ],
            Look.STACKED,
        ),
        Panel(
            "Share of 5xx by route",
            "503 is a refusal: too much is under way, or what is needed is down.",
            Unit.SHARE,
            [
                Query(
                    share("gateway_requests_total", "route", 'status=~"5.."', ROUTE),
                    "{{route}}",
                )
            ],
        ),
        Panel(
            "p50 by route",
            "From the request's head to the last byte of its answer, also of a stream and of a refusal.",
            Unit.SECONDS,
            [Query(quantile(0.5, "gateway_request_seconds", "route", ROUTE), "{{route}}")],
        ),
        Panel(
            "p95 by route",
            "From the request's head to the last byte of its answer, also of a stream and of a refusal.",
            Unit.SECONDS,
            [Query(quantile(0.95, "gateway_request_seconds", "route", ROUTE), "{{route}}")],
        ),
        Panel(
            "gRPC calls",
            "By procedure and status.",
            Unit.PER_SECOND,
            [Query(rate("gateway_rpc_calls_total", "method, status"), "{{method}} {{status}}")],
            width=4,
        ),
        Panel(
            "gRPC, p95",
            "By procedure.",
            Unit.SECONDS,
            [Query(quantile(0.95, "gateway_rpc_seconds", "method"), "{{method}}")],
            width=4,
        ),
    ],
)

MODELS = Row(
    "Models",
    [
        Panel(
            "Calls by model",
            "Of the model server, the embeddings service's models and trained models.",
            Unit.PER_SECOND,
            [Query(rate("gateway_model_requests_total", "model", MODEL), "{{model}}")],
            Look.STACKED,
        ),
        Panel(
            "Calls that failed, by model",
            "And clients that left while they waited (client_left).",
            Unit.PER_SECOND,
            [
                Query(
                    rate("gateway_model_requests_total", "model, outcome", f'{MODEL},outcome!="ok"'),
                    "{{model}} {{outcome}}",
                )
            ],
        ),
        Panel(
            "p95 by model",
            "Of one call of the model, without masking and the gateway.",
            Unit.SECONDS,
            [Query(quantile(0.95, "gateway_model_seconds", "model", MODEL), "{{model}}")],
        ),
        Panel(
            "p50 by model",
            "Of one call of the model, without masking and the gateway.",
            Unit.SECONDS,
            [Query(quantile(0.5, "gateway_model_seconds", "model", MODEL), "{{model}}")],
        ),
        Panel(
            "Tokens",
            "As the model server counts them.",
            Unit.PER_SECOND,
            [Query(rate("gateway_tokens_total", "kind"), "{{kind}}")],
            Look.STACKED,
        ),
        Panel(
            "Embeddings service",
            "Texts computed, and one batch on its core.",
            Unit.PER_SECOND,
            [Query(rate("embeddings_texts_total"), "texts")],
            width=4,
        ),
        Panel(
            "Labels given",
            "By classifier: a label that nearly vanishes or rises is drift.",
            Unit.PER_SECOND,
            [Query(rate("embeddings_predictions_total", "model, label"), "{{model}} {{label}}")],
            width=4,
        ),
        Panel(
            "Replicas left alone",
            "1 while a server is not asked because it failed, by its place in the list of addresses.",
            Unit.COUNT,
            [Query("max by (server, replica) (gateway_breaker_open)", "{{server}} {{replica}}")],
            width=12,
        ),
        Panel(
            "Not tried again",
            "The budget of retries was spent.",
            Unit.PER_SECOND,
            [Query(rate("gateway_retries_refused_total", "server"), "{{server}}")],
            width=12,
        ),
    ],
)

SATURATION = Row(
    "Saturation and queues",
    [
        Panel(
            "Requests at the models",
            "Under way now, and as many as may be: fewer when a server's answers grow slower.",
            Unit.COUNT,
            [
                Query("sum by (server) (gateway_in_flight)", "{{server}}"),
                Query('sum by (server) (gateway_place_limit{server!="here"})', "{{server}}: places"),
                Query('sum by (server) (gateway_places{server!="here"})', "{{server}}: at most"),
            ],
        ),
        Panel(
            "Turned away",
            "503 because every place was taken, and connections closed for what their client did.",
            Unit.REQUESTS,
            [
                Query(rate("gateway_shed_total", "route"), "{{route}}"),
                Query(rate("gateway_connections_refused_total", "reason"), "connection: {{reason}}"),
            ],
        ),
        Panel(
            "Services",
            "As the gateway saw them at its last look, every 15 s.",
            Unit.COUNT,
            [Query("min by (service) (gateway_up)", "{{service}}")],
            Look.STATES,
            steps=[(1, GREEN)],
            base=RED,
        ),
        Panel(
            "What waits",
            "In the store.",
            Unit.COUNT,
            [Query("max by (queue) (gateway_queue)", "{{queue}}")],
            width=6,
        ),
        Panel(
            "How long the first of a queue has waited",
            "Reviews wait for people, the others for the gateway or a worker.",
            Unit.AGE,
            [Query("max by (queue) (gateway_queue_oldest_seconds)", "{{queue}}")],
            width=6,
        ),
        Panel(
            "Tried again",
            "After an error that passes.",
            Unit.PER_SECOND,
            [Query(rate("gateway_retries_total", "what"), "{{what}}")],
            width=4,
        ),
        Panel(
            "Texts that wait for a core",
            "In the embeddings service.",
            Unit.COUNT,
            [Query("sum(embeddings_waiting_texts)", "texts")],
            width=4,
        ),
        Panel(
            "A batch on its core",
            "In the embeddings service.",
            Unit.SECONDS,
            [Query(quantile(0.95, "embeddings_batch_seconds"), "p95")],
            width=4,
        ),
    ],
)

KEYS = Row(
    "Keys",
    [
        Panel(
            "Refused, by key",
            "8 hex digits of the key id's hash; docs/metrics.md tells whose that is. none: no valid key.",
            Unit.REQUESTS,
            [Query(f"topk(10, {rate('gateway_refusals_total', 'key')})", "{{key}}")],
            width=12,
        ),
        Panel(
            "Refused, by reason",
            "docs/errors.md says what each code means.",
            Unit.REQUESTS,
            [Query(rate("gateway_refusals_total", "code"), "{{code}}")],
            width=12,
        ),
    ],
)

PROCESS = Row(
    "Process",
    [
        Panel(
            "Processor",
            "Cores that a gateway's own process uses: 1 is all that its event loop can.",
            Unit.NUMBER,
            [Query('rate(process_cpu_seconds_total{job="gateway"}[$__rate_interval])', "{{instance}}")],
            width=6,
            steps=[(0.8, RED)],
        ),
        Panel(
            "Memory",
            "Resident, of a gateway's own process; masking workers apart.",
            Unit.BYTES,
            [Query('process_resident_memory_bytes{job="gateway"}', "{{instance}}")],
            width=6,
        ),
        Panel(
            "Open files",
            "Of as many as may be; connections count.",
            Unit.SHARE,
            [Query('process_open_fds{job="gateway"} / process_max_fds{job="gateway"}', "{{instance}}")],
            width=4,
            steps=[(0.8, RED)],
        ),
        Panel(
            "Since its start",
            "A fall is a restart.",
            Unit.AGE,
            [Query('time() - process_start_time_seconds{job="gateway"}', "{{instance}}")],
            width=4,
        ),
        Panel(
            "Log lines lost",
            "Whoever reads standard output is too slow.",
            Unit.PER_SECOND,
            [
                Query(rate("gateway_log_lines_lost_total"), "gateway"),
                Query(rate("embeddings_log_lines_lost_total"), "embeddings"),
            ],
            width=4,
        ),
    ],
)
