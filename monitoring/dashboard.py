"""Writes Grafana's dashboard from monitoring/rows. With --check writes nothing and tells whether it differs.

.venv/bin/python -m monitoring.dashboard [--check]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
)
from grafana_foundation_sdk.builders.dashboard import Row as RowPanel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from monitoring.panels import DATASOURCE, Row, drawn
from monitoring.rows import ROWS

FILE = Path(__file__).resolve().parent / "grafana/gateway.json"
_TRAINED_OR_SERVED = "gateway_model_requests_total|gateway_drift_run_timestamp_seconds"


def dashboard(rows: Sequence[Row] = ROWS) -> Dashboard:
    made = (
        Dashboard("Grading gateway")
        .uid("grading-gateway")
        .description(
            "Objectives, traffic, models, masking, grading, drift. Written by monitoring/dashboard.py."
        )
        .tags(["grading-gateway"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("route", "Route", "label_values(gateway_requests_total, route)"))
        .with_variable(
            _choice("model", "Model", f'label_values({{__name__=~"{_TRAINED_OR_SERVED}"}}, model)')
        )
    )
    number = 0
    for row in rows:
        number += 1
        made = made.with_row(RowPanel(row.title).id(number))
        for panel in row.panels:
            number += 1
            made = made.with_panel(drawn(panel, number))
    return made


def _choice(name: str, label: str, query: str) -> QueryVariable:
    """Some of a label's values, or all."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def written(rows: Sequence[Row] = ROWS) -> str:
    """The dashboard's JSON, as Grafana reads it from a file."""
    return json.dumps(dashboard(rows).build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes monitoring/grafana/gateway.json.")
    parser.add_argument("--check", action="store_true", help="only compare, exit 1 when it differs")
    wanted = written()
    if not parser.parse_args().check:
        FILE.write_text(wanted)
        return 0
    if not FILE.exists() or FILE.read_text() != wanted:
        print(f"{FILE.name}: run `python -m monitoring.dashboard`")
        return 1
    print("dashboard: as monitoring/rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
