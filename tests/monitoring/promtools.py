"""Prometheus's programs, and what stands in the files of monitoring/."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.rows import ROWS

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
SECRETS = ("metrics_key", "embeddings_key", "smtp_password", "webhook_token")
_METRIC = re.compile(r"\b(?:gateway|embeddings|process|python|slo|model|grading|key)[_:][a-z0-9_:]+")


def program(name: str) -> str:
    """Where it lies. CI has all of them; a person's machine need not."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed: apt-get install prometheus prometheus-alertmanager")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install prometheus prometheus-alertmanager")
    return found


def told(*command: str | Path) -> str:
    """What a program says that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "rules" / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def cases() -> Iterator[dict[str, Any]]:
    for file in sorted((MONITORING / "rules_test").glob("*.yml")):
        yield from yaml.safe_load(file.read_text())["tests"]


def panel_queries() -> list[tuple[str, str]]:
    """A title and PromQL for each query of the dashboard."""
    return [
        (f"{row.title}: {panel.title}", query.expr)
        for row in ROWS
        for panel in row.panels
        for query in panel.queries
    ]


def metrics_in(text: str) -> set[str]:
    """Names of series in PromQL; what stands in strings and after `by` is none."""
    bare = re.sub(r'"[^"]*"|\b(?:by|on)\s*\([^)]*\)', "", text)
    return set(_METRIC.findall(bare))


def families(names: set[str], known: set[str]) -> set[str]:
    """The histogram of a bucket, the counter of its sum."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) if name not in known else name for name in names}
