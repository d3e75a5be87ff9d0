"""The chart renders by Helm's own engine into what Kubernetes takes, and refuses what would not work."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

from tests.ship import charted
from tests.ship.charted import CHART, EVERY, ROOT, merged, objects, objects_of, one

# The newest that is known here, minikube's, and the oldest that the chart says it takes.
KUBERNETES = ("1.37", "1.35", "1.29")
# Of Prometheus' operator, after its API reference (monitoring.coreos.com/v1): fields that the chart uses.
OPERATOR = {
    "ServiceMonitor": {"jobLabel", "selector", "namespaceSelector", "endpoints"},
    "PrometheusRule": {"groups"},
}
ENDPOINT = {"port", "path", "interval", "authorization"}


@pytest.mark.parametrize("name", EVERY)
def test_helm_finds_nothing_to_say_against_it(name: str) -> None:
    report = helm.lint(CHART, charted.values_of(name), strict=True, namespace="ml")
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", EVERY)
def test_every_object_is_one_that_kubernetes_takes(name: str, version: str) -> None:
    for item in objects(name):
        if item["kind"] in OPERATOR:
            assert item["apiVersion"] == "monitoring.coreos.com/v1"
            assert item["spec"].keys() <= OPERATOR[item["kind"]]
            assert all(endpoint.keys() <= ENDPOINT for endpoint in item["spec"].get("endpoints", ()))
        else:
            kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("name", EVERY)
def test_no_two_objects_have_one_name(name: str) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in objects(name)]
    assert len(names) == len({*names})
    assert {item["metadata"]["namespace"] for item in objects(name)} == {"ml"}


def test_a_name_that_is_not_known_is_refused_in_every_section() -> None:
    sections = yaml.safe_load((CHART / "values.yaml").read_text())
    for section, value in sections.items():
        wrong = {section: {"typo": 1}} if isinstance(value, dict) else {f"{section}s": value}
        with pytest.raises(helm.HelmError, match=r"typo|additional"):
            charted.rendered(merged(charted.PLAIN, wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"gateway": {"autoscaling": {"minimum": 2}}},
        {"gateway": {"resources": {"limits": None}}},
        {"images": {"tag": "latest"}},
        {"redis": {"image": "redis"}},
        {"redis": {"image": "docker.io/library/redis:latest"}},
        {"settings": {"METRICS_PORT": 1}},
        {"settings": {"API_KEY": "in a ConfigMap"}},
        {"llm": {"settings": {"LLM_API_KEY": "in a pod"}}},
        {"secrets": {"values": {"DATABASE_URL": "sqlite:///state/gateway.db"}}},
        {"ingress": {"enabled": True, "host": "a.example.org"}},
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError, match=r"(?i)schema"):
        charted.rendered(merged(charted.PLAIN, wrong))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"store": "sqlite", "worker": {"enabled": False}}, "one file for one gateway"),
        (merged(charted.SQLITE, {"gateway": {"autoscaling": {"enabled": True}}}), "one file for one gateway"),
        (merged(charted.SQLITE, {"worker": {"enabled": True}}), "shared with a worker"),
        ({"secrets": {"values": {"DATABASE_URL": ""}}}, "needs secrets.values.DATABASE_URL"),
        ({"secrets": {"values": {"API_KEY": "cu_prodml_hw_week13"}}}, "known to everybody"),
        ({"llm": {"enabled": False}}, "needs a model server"),
        ({"minio": {"enabled": True}}, "needs s3.bucket"),
        ({"settings": {"LLM_TIMEOUT_S": 90}}, "breaks off answers"),
    ],
)
def test_what_would_start_and_then_fail_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(helm.HelmError, match=says):
        charted.rendered(merged(charted.PLAIN, wrong))


def test_the_demonstration_key_is_taken_where_it_is_allowed() -> None:
    said = {"secrets": {"values": {"API_KEY": "cu_prodml_hw_week13"}}, "gateway": {"allowDemoKey": True}}
    found = objects_of(merged(charted.PLAIN, said))
    assert one(found, "ConfigMap", "grading-settings")["data"]["ALLOW_DEMO_KEY"] == "true"


def test_prometheus_is_given_the_rules_that_are_tested() -> None:
    rule = one(objects("production"), "PrometheusRule", "grading-rules")
    files = [yaml.safe_load(file.read_text()) for file in sorted((ROOT / "monitoring/rules").glob("*.yml"))]
    assert rule["spec"]["groups"] == [group for file in files for group in file["groups"]]


def test_a_release_without_redis_is_told_what_it_loses() -> None:
    def notes(values: dict[str, Any]) -> str:
        return charted.rendered(values)["grading-gateway/templates/NOTES.txt"]

    assert "counts rates for itself" in notes(charted.PLAIN)
    assert "counts rates for itself" not in notes(charted.WHOLE)
    assert "counts rates for itself" not in notes(charted.SQLITE)


@pytest.mark.parametrize("name", ["staging", "production"])
def test_the_ingress_lets_a_data_set_in_and_an_answer_out(name: str) -> None:
    ingress = one(objects(name), "Ingress", "grading-ingress")
    settings = one(objects(name), "ConfigMap", "grading-settings")["data"]
    said = ingress["metadata"]["annotations"]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    most = int(said["nginx.ingress.kubernetes.io/proxy-body-size"].removesuffix("m")) << 20
    assert most > int(settings.get("DATASET_MAX_BYTES", 100 << 20))
    patience = int(said["nginx.ingress.kubernetes.io/proxy-read-timeout"])
    assert patience > int(settings.get("LLM_TIMEOUT_S", 60))


def test_the_test_pod_holds_all_that_it_runs(tmp_path: Path) -> None:
    scripts = one(objects("whole"), "ConfigMap", "grading-smoke")["data"]
    (tmp_path / "scripts").mkdir()
    for name, text in scripts.items():
        assert text == (ROOT / "scripts" / name).read_text()
        (tmp_path / "scripts" / name).write_text(text)
    command = one(objects("whole"), "Pod", "grading-smoke")["spec"]["containers"][0]["command"]
    asked = [sys.executable, *command[1:]]
    for word, value in (("--url", "http://127.0.0.1:9"), ("--wait", "0")):
        asked[asked.index(word) + 1] = value
    run = subprocess.run(
        asked, cwd=tmp_path, env={"AUTH_TOKEN": "key"}, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1, run.stderr
    assert "FAILED: health" in run.stdout
