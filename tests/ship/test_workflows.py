"""Workflows and actions of `.github`: what they run exists, is pinned, and may do little."""

import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import release
from scripts.images import NAMES
from tests.ship.charted import merged, objects_of, pods, values_of

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
FILES = [*WORKFLOWS, *ACTIONS]
_PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")


def named(file: Path) -> str:
    return str(file.relative_to(ROOT / ".github"))


def read(file: Path) -> dict[str, Any]:
    # `on` is a boolean to YAML 1.1.
    told = yaml.safe_load(re.sub(r"^on:", '"on":', file.read_text("utf-8"), flags=re.MULTILINE))
    assert isinstance(told, dict)
    return told


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = read(file).get("jobs", {})
    return told


def steps(file: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(file).values():
        yield from job["steps"]
    yield from read(file).get("runs", {}).get("steps", [])


def commands(file: Path) -> str:
    return "\n".join(step.get("run", "") for step in steps(file))


def test_there_are_workflows_for_all_that_is_shipped() -> None:
    assert {file.stem for file in WORKFLOWS} >= {"ci", "images", "compose", "deploy", "nightly", "audit"}


@pytest.mark.parametrize("file", FILES, ids=named)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(file: Path) -> None:
    used = [step["uses"] for step in steps(file) if "uses" in step]
    for action in used:
        if action.startswith("./"):
            assert (ROOT / action / "action.yml").is_file(), action
        else:
            assert _PINNED.match(action), action
            assert re.search(rf"uses: {re.escape(action)} # v\d+\.\d+\.\d+$", file.read_text(), re.MULTILINE)


def test_an_action_has_one_version_everywhere() -> None:
    versions = defaultdict(set)
    for file in FILES:
        for step in steps(file):
            action, at, commit = step.get("uses", "").partition("@")
            versions[action].update({commit} if at else set())
    assert {action: found for action, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("file", WORKFLOWS, ids=named)
def test_a_job_may_little_and_ends_in_time(file: Path) -> None:
    assert read(file)["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in read(file)["on"]
    may = {
        (name, what) for name, job in jobs(file).items() for what, how in job.get("permissions", {}).items()
        if how == "write"
    }  # fmt: skip
    assert may <= {("push", "packages"), ("release", "contents")}
    for name, job in jobs(file).items():
        assert job["timeout-minutes"] <= 120, name
        assert job["runs-on"] == "ubuntu-24.04", name
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


@pytest.mark.parametrize("file", FILES, ids=named)
def test_no_secret_and_nothing_of_a_strangers_is_pasted_into_a_command(file: Path) -> None:
    """An expression in a command is text that a shell reads; in the environment it is a value."""
    assert "${{" not in commands(file)
    assert "set -x" not in commands(file)
    for line in file.read_text().splitlines():
        if "secrets." in line:
            assert re.fullmatch(r" +(TOKEN|API_KEY|kubeconfig|token): \$\{\{ secrets\.\w+ \}\}", line), line


@pytest.mark.parametrize("file", FILES, ids=named)
def test_what_is_run_exists(file: Path) -> None:
    text = commands(file)
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^ *make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for module in re.findall(r"python3? -m ((?:scripts|benchmarks)\.\w+)", text):
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module
    paths = re.findall(r"\b((?:tests|k8s|scripts|docker)/[\w./-]+)", text)
    assert [path for path in paths if not (ROOT / path.rstrip("/")).exists()] == []
    for environment in ("staging", "production"):
        for path in re.findall(r'"(k8s/[\w/.]*)\$ENVIRONMENT([\w.]*)"', text):
            assert (ROOT / f"{path[0]}{environment}{path[1]}").exists(), path


@pytest.mark.parametrize("file", WORKFLOWS, ids=named)
def test_what_a_workflow_waits_for_exists(file: Path) -> None:
    for event in read(file)["on"].values() if isinstance(read(file)["on"], dict) else ():
        for path in (event or {}).get("paths", []) if isinstance(event, dict) else ():
            assert (ROOT / path.removesuffix("/**")).exists(), path


def test_every_image_is_pushed_and_listed() -> None:
    matrix = jobs(ROOT / ".github/workflows/images.yml")["push"]["strategy"]["matrix"]["include"]
    assert [one["name"] for one in matrix] == [*NAMES, "llm-cpu"]
    assert matrix[-1] == {"name": "llm-cpu", "image": "llm", "variant": "-cpu"}


def test_production_comes_after_staging_and_is_let_in_by_people() -> None:
    order = jobs(ROOT / ".github/workflows/deploy.yml")
    assert [job.get("needs") for job in order.values()] == [None, "staging", "canary"]
    assert [job["environment"]["name"] for job in order.values()] == [
        "staging",
        "production",
        "production-promote",
    ]


def test_production_gets_the_list_that_staging_was_given() -> None:
    order = jobs(ROOT / ".github/workflows/deploy.yml")
    assert order["staging"]["outputs"]["list"] == "${{ steps.rollout.outputs.list }}"
    given = [step.get("with", {}).get("list") for step in order["canary"]["steps"]]
    assert "${{ needs.staging.outputs.list }}" in given
    for job in order.values():
        (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"]["ref"].startswith("refs/tags/")


@pytest.mark.parametrize(
    ("percent", "rolled_out", "created", "patched"),
    [
        ("0", "llm-1", "llm-2", True),
        ("0", "llm-2", "llm-2", False),  # KServe would go back to llm-1, which nobody asked for
        ("100", "llm-1", "llm-2", True),
        ("100", "llm-2", "llm-2", True),
    ],
)
def test_only_a_canary_is_taken_back(
    percent: str, rolled_out: str, created: str, patched: bool, tmp_path: Path
) -> None:
    (tmp_path / "kubectl").write_text(
        '#!/bin/sh\necho "$@" >> "$CALLS"\n'
        f'case "$*" in *latestRolledout*) echo {rolled_out};; *latestCreated*) echo {created};; esac\n'
    )
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    for name in ("kubectl", "sleep"):
        (tmp_path / name).chmod(0o755)
    told = {"KUBECONFIG": str(tmp_path / "config"), "KUBECONFIG_TEXT": "a cluster", "PERCENT": percent}
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")} | told
    script = commands(ROOT / ".github/actions/traffic/action.yml")
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=environ, check=True, timeout=30)
    calls = (tmp_path / "calls").read_text()
    wanted = f'--patch {{"spec": {{"predictor": {{"canaryTrafficPercent": {percent}}}}}}}'
    assert (wanted in calls) is patched
    assert not (tmp_path / "config").exists()


def test_a_deployment_is_asked_before_it_is_trusted() -> None:
    """Smoke, contracts, golden set: after the models and the gateway were changed, and in this order."""
    rollout = commands(ROOT / ".github/actions/rollout/action.yml")
    said = ["kubectl apply", "wait --for=condition=Ready", "helm upgrade", "make smoke", "make integration"]
    places = [rollout.index(one) for one in [*said, "make golden"]]
    assert places == sorted(places)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_release_reaches_every_pod_by_its_digest(environment: str) -> None:
    lines = [f"{name} ghcr.io/a/b/{name}:1.2.3@sha256:{place:064x}" for place, name in enumerate(NAMES)]
    images = release.read("\n".join([*lines, f"llm-cpu ghcr.io/a/b/llm:1.2.3-cpu@sha256:{9:064x}"]))
    found = objects_of(merged(values_of(environment), release.values(images)))
    ours = {image["image"] for _, pod in pods(found) for image in pod["spec"]["containers"]}
    assert ours
    assert ours <= set(map(str, images.values()))
