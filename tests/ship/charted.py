"""The chart as Helm's own engine renders it, for the tests of the chart."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "k8s/chart"
VALUES = ("minikube", "staging", "production")
# All that the chart can make, and by itself.
WHOLE: dict[str, Any] = {
    "s3": {"bucket": "grading"},
    "gateway": {"replicas": 3, "autoscaling": {"enabled": True, "min": 3, "max": 9}},
    "embeddings": {"replicas": 2},
    "llm": {"replicas": 2},
    "bot": {"enabled": True},
    "evidently": {"enabled": True},
    "postgres": {"enabled": True},
    "redis": {"enabled": True},
    "minio": {"enabled": True},
    "ingress": {"enabled": True, "host": "a.example.org", "uiHost": "b.example.org", "tlsSecret": "tls"},
    "monitoring": {"enabled": True},
}
SQLITE: dict[str, Any] = {"store": "sqlite", "gateway": {"replicas": 1}, "worker": {"enabled": False}}
PLAIN: dict[str, Any] = {"secrets": {"values": {"DATABASE_URL": "postgresql://u:p@db.example.org/gateway"}}}

Object = dict[str, Any]

helm.disable_logging()  # of each symbolic link that it follows


@cache
def values_of(name: str) -> dict[str, Any]:
    said = {"whole": WHOLE, "sqlite": SQLITE, "plain": PLAIN}
    return said[name] if name in said else yaml.safe_load((ROOT / f"k8s/values/{name}.yaml").read_text())


EVERY = (*VALUES, "whole", "sqlite", "plain")


def rendered(values: dict[str, Any]) -> dict[str, str]:
    """The text of each template. Raises HelmError."""
    with helm.Chart.load(CHART) as chart:
        return chart.render(values, name="grading", namespace="ml")


def objects_of(values: dict[str, Any]) -> list[Object]:
    found = []
    for template, text in rendered(values).items():
        if not template.endswith("NOTES.txt"):
            found += [one for one in yaml.safe_load_all(text) if one]
    return found


@cache
def objects(name: str) -> list[Object]:
    """Of one of EVERY. Nobody changes them."""
    return objects_of(values_of(name))


def of_kind(found: list[Object], kind: str) -> list[Object]:
    return [one for one in found if one["kind"] == kind]


def one(found: list[Object], kind: str, name: str) -> Object:
    (only,) = [item for item in of_kind(found, kind) if item["metadata"]["name"] == name]
    return only


def pods(found: list[Object]) -> Iterator[tuple[str, Object]]:
    """Name and pod template, or the pod itself."""
    for item in found:
        if item["kind"] == "Pod":
            yield item["metadata"]["name"], item
        elif item["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield item["metadata"]["name"], item["spec"]["template"]


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    whole = dict(base)
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(whole.get(name), dict)
        whole[name] = merged(whole[name], value) if both else value
    return whole
