"""What wakes people: the files are sound, each alert fires when it should and is silent when it should, and
every name in them exists."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from embeddings.observe import Observer as EmbeddingsObserver
from gateway.adapters.metrics import Metrics
from tests.monitoring.promtools import (
    MONITORING,
    SECRETS,
    cases,
    families,
    metrics_in,
    panel_queries,
    program,
    rules,
    told,
)

RULES = ("alerts.yml", "shares.yml", "slo.yml")
ALERTS = rules("alerts.yml")
RECORDED = [rule for file in RULES[1:] for rule in rules(file)]
BASE = {"up", "ALERTS"}  # Prometheus's own
# What neither the dashboard nor a rule needs.
FOR_THE_CURIOUS = {
    "python_info": "a version",
    "process_virtual_memory_bytes": "the address space says nothing of the memory that is used",
}


def named(registry: CollectorRegistry) -> set[str]:
    """As they are scraped."""
    ending = {"counter": "_total", "info": "_info"}
    return {family.name + ending.get(family.type, "") for family in registry.collect()}


def gateways() -> set[str]:
    return named(Metrics("1").registry)


def embeddings() -> set[str]:
    observer = EmbeddingsObserver()
    observer.watch_queue(lambda: 0.0)
    return named(observer.registry)


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """monitoring/ with its secrets, as a deployment has it."""
    folder = tmp_path / "monitoring"
    shutil.copytree(MONITORING, folder)
    (folder / "secrets").mkdir()
    for secret in SECRETS:
        (folder / "secrets" / secret).write_text("secret")
    return folder


def test_prometheus_takes_its_settings_and_rules(deployed: Path) -> None:
    said = told(program("promtool"), "check", "config", deployed / "prometheus.yml")
    assert all(file in said for file in RULES)


def test_alertmanager_takes_its_settings(deployed: Path) -> None:
    told(program("amtool"), "check-config", deployed / "alertmanager.yml")


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_every_severity_reaches_somebody(deployed: Path, severity: str) -> None:
    routed = told(
        program("amtool"), "config", "routes", "test", "--config.file", deployed / "alertmanager.yml",
        f"severity={severity}", "alertname=Any",
    )  # fmt: skip
    assert routed.split() == ["on-call" if severity == "critical" else "people"]


@pytest.mark.parametrize("file", sorted(path.name for path in (MONITORING / "rules_test").glob("*.yml")))
def test_the_rules_fire_when_they_should(file: str) -> None:
    told(program("promtool"), "test", "rules", MONITORING / "rules_test" / file)


@pytest.mark.parametrize(
    "file", sorted((MONITORING / "rules_test").glob("*.yml")), ids=lambda file: file.stem
)
def test_what_is_recorded_comes_before_the_alerts_that_look_at_it(file: Path) -> None:
    """promtool evaluates groups that are not put in order at random: a case would fail now and then."""
    asked = yaml.safe_load(file.read_text())
    groups = [
        group["name"]
        for rules_file in asked["rule_files"]
        for group in yaml.safe_load((file.parent / rules_file).read_text())["groups"]
    ]
    assert len(asked["rule_files"]) == 1 or asked["group_eval_order"] == groups


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert: dict[str, str]) -> None:
    """Of one whose own metrics are there: an absent series proves nothing."""
    recorded = {rule["record"]: rule["expr"] for rule in RECORDED}
    names = metrics_in(alert["expr"])
    for _ in range(3):  # rules upon rules
        names = set().union(*(metrics_in(recorded[name]) if name in recorded else {name} for name in names))
    names = names or {"up"}
    fires = silent = False
    for case in cases():
        there = {series["series"].split("{")[0] for series in case["input_series"]}
        fired = re.findall(r'alertname="(\w+)"', str(case["promql_expr_test"]))
        if alert["alert"] in fired:
            fires = True
        elif names & there:
            silent = True
    assert fires, "no case in which it fires"
    assert silent, "no case in which it could fire and does not"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_it_is_and_where_its_runbook_stands(alert: dict[str, dict[str, str]]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    notes = alert["annotations"]
    assert notes["summary"]
    assert notes["description"].strip().endswith(".")
    page, _, anchor = notes["runbook_url"].partition("#")
    text = (MONITORING.parent / page).read_text()
    assert anchor in {heading.lower() for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)}


def test_every_metric_that_is_asked_for_is_told_by_somebody() -> None:
    known = gateways() | embeddings() | {str(rule["record"]) for rule in RECORDED}
    asked = set().union(
        *(metrics_in(rule["expr"]) for rule in (*ALERTS, *RECORDED)),
        *(metrics_in(expr) for _, expr in panel_queries()),
    )
    assert len(asked) > 50
    assert families(asked, known) - known - BASE == set()


def test_every_metric_of_the_gateway_is_looked_at() -> None:
    known = gateways()
    asked = set().union(
        *(metrics_in(rule["expr"]) for rule in (*ALERTS, *RECORDED)),
        *(metrics_in(expr) for _, expr in panel_queries()),
    )
    assert known - families(asked, known) == set(FOR_THE_CURIOUS)


def test_every_recorded_series_is_used() -> None:
    asked = set().union(
        *(metrics_in(rule["expr"]) for rule in (*ALERTS, *RECORDED)),
        *(metrics_in(expr) for _, expr in panel_queries()),
    )
    assert {str(rule["record"]) for rule in RECORDED} - asked == set()


def test_the_objectives_are_those_that_status_tells() -> None:
    """And what may be bad of each is what is beyond its objective."""
    from gateway import slo

    budgets = {
        rule["labels"]["slo"]: float(re.findall(r"[\d.]+", rule["expr"])[0])
        for rule in RECORDED
        if rule["record"] == "slo:budget"
    }
    assert budgets.pop("uptime") == pytest.approx(1 - slo.AVAILABILITY)  # which no process can tell of itself
    late = 1 - slo.QUANTILE
    shares = {"good_answers": 1 - slo.GOOD_ANSWERS, "availability": 1 - slo.AVAILABILITY}
    assert budgets == pytest.approx({**shares, "classifier_p95": late, "chat_p95": late})
    assert {one.name for one in slo.Slo().objectives()} == budgets.keys()
    text = (MONITORING / "rules/slo.yml").read_text()
    assert set(re.findall(r'le="([\d.]+)"', text)) == {str(slo.CLASSIFIER_S), str(slo.CHAT_S)}
