"""What Evidently's own service has after two runs of one model; and a run when there is none."""

import json
import re
import urllib.parse
import urllib.request
from typing import Any

import pytest

from gateway.adapters.evidently.methods import METHODS
from tests.worker.drift.conftest import PROJECT, Pushed

pytestmark = pytest.mark.timeout(600)


def ask(service: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{service}/api/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def the_project(service: str) -> str:
    (found,) = ask(service, f"projects/search/{urllib.parse.quote(PROJECT)}")
    assert found["name"] == PROJECT
    return str(found["id"])


def test_each_run_leaves_one_report_under_its_models_name(service: str, pushed: Pushed) -> None:
    snapshots = ask(service, f"projects/{the_project(service)}/snapshots")
    assert [one["name"] for one in snapshots] == ["grader-llm"] * 2
    assert [one["metadata"] for one in snapshots] == [{"model_id": "grader-llm"}] * 2
    assert pushed.warnings == []


def test_no_rows_go_there(service: str, pushed: Pushed) -> None:
    assert pushed.alike.columns
    for one in ask(service, f"projects/{the_project(service)}/snapshots"):
        inputs = one["links"]["datasets"]["input"]
        assert inputs["reference"] is inputs["current"] is None


@pytest.mark.usefixtures("pushed")
def test_the_panels_are_there_once_each_a_full_line(service: str) -> None:
    dashboard = ask(service, f"v2/dashboards/{the_project(service)}")
    assert [one["title"] for one in dashboard["tabs"]] == ["grader-llm"]
    titles = [one["title"] for one in dashboard["panels"]]
    assert titles == ["grader-llm: share of drifted columns"] + [
        f"grader-llm: drift of {name}" for name in METHODS
    ]
    assert all(one["size"] == "full" for one in dashboard["panels"])
    assert all(one["plot_params"] == {"plot_type": "line"} for one in dashboard["panels"])


def test_each_line_runs_through_both_runs(service: str, pushed: Pushed) -> None:
    """One series: Evidently begins another where a parameter of a metric is another."""
    project = the_project(service)
    for panel in ask(service, f"v2/dashboards/{project}")["panels"]:
        (line,) = panel["values"]
        asked = {key: line[key] for key in ("metric", "tags", "metadata", "metric_labels")}
        told = ask(service, f"v2/snapshots/{project}/data_series_batch", {"series_filter": [asked]})
        (series,) = told["series"]
        column = re.sub(r".* drift of ", "", panel["title"])
        scores = [
            [one.score for one in run.columns if one.column == column]
            for run in (pushed.alike, pushed.drifted)
        ]
        if column in METHODS:
            assert series["values"] == [score for run in scores for score in run]
        else:
            assert series["values"] == [0.0, 0.2]
