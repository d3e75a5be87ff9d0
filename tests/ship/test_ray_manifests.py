"""k8s/ray as a cluster would read it: KubeRay's fields, Kubernetes' own, our commands and settings.

KubeRay has no typed SDK as KServe has: the fields that we use are listed here, from its API reference for
ray.io/v1 (docs/reference/api.md of ray-project/kuberay; authOptions from the notes of v1.5.1).
"""

import json
import re
import shlex
import subprocess
from typing import Any

import pytest

from tests.ship import pods
from tests.ship.pods import ROOT, Object

RAY = ROOT / "k8s" / "ray"
FILES = ("raycluster.yaml", "rayjob-grade.yaml", "rayjob-training.yaml")
# By type: the fields, and what they are.
FIELDS: dict[str, dict[str, Any]] = {
    "RayCluster": {"apiVersion": str, "kind": str, "metadata": dict, "spec": "RayClusterSpec"},
    "RayJob": {"apiVersion": str, "kind": str, "metadata": dict, "spec": "RayJobSpec"},
    "RayClusterSpec": {
        "rayVersion": str,
        "authOptions": "AuthOptions",
        "headGroupSpec": "HeadGroupSpec",
        "workerGroupSpecs": ["WorkerGroupSpec"],
    },
    "AuthOptions": {"mode": str},
    "HeadGroupSpec": {"rayStartParams": dict, "template": dict},
    "WorkerGroupSpec": {
        "groupName": str,
        "replicas": int,
        "minReplicas": int,
        "maxReplicas": int,
        "rayStartParams": dict,
        "template": dict,
    },
    "RayJobSpec": {
        "entrypoint": str,
        "submissionMode": str,
        "clusterSelector": dict,
        "backoffLimit": int,
        "shutdownAfterJobFinishes": bool,
        "rayClusterSpec": "RayClusterSpec",
    },
}
# Parameters of `ray start` that we use; KubeRay takes all values as text.
START = {"num-cpus", "dashboard-host", "object-store-memory"}
# Of a job on a cluster that stands, KubeRay refuses these.
NOT_WITH_A_SELECTOR = {"rayClusterSpec", "backoffLimit", "shutdownAfterJobFinishes"}


def check(value: Any, kind: Any) -> None:
    if isinstance(kind, list):
        for one in value:
            check(one, kind[0])
    elif isinstance(kind, str):
        assert set(value) <= set(FIELDS[kind]), f"{kind} has no {sorted(set(value) - set(FIELDS[kind]))}"
        for name, one in value.items():
            check(one, FIELDS[kind][name])
    else:
        assert type(value) is kind, f"{value!r} is no {kind.__name__}"


def rays(file: str) -> Object:
    [found] = [one for one in pods.read(RAY / file) if one["apiVersion"] == "ray.io/v1"]
    return found


def cluster_of(file: str) -> Object | None:
    spec: Object = rays(file)["spec"]
    return spec if "headGroupSpec" in spec else spec.get("rayClusterSpec")


CLUSTERS = [file for file in FILES if cluster_of(file)]


def groups(file: str) -> list[Object]:
    cluster = cluster_of(file)
    assert cluster is not None
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


@pytest.mark.parametrize("file", FILES)
def test_kuberay_takes_it(file: str) -> None:
    found = rays(file)
    check(found, found["kind"])
    assert found["metadata"]["namespace"] == "ml"
    if "clusterSelector" in found["spec"]:
        assert not NOT_WITH_A_SELECTOR & set(found["spec"])


def test_a_field_that_kuberay_has_not_is_found() -> None:
    wrong = rays("raycluster.yaml")
    wrong["spec"]["workerGroupSpecs"][0]["replica"] = 2
    with pytest.raises(AssertionError, match="replica"):
        check(wrong, "RayCluster")


def test_what_stands_is_rendered_and_known_to_kubernetes() -> None:
    found = pods.rendered(RAY)
    assert {one["kind"] for one in found} == {
        "RayCluster",
        "ServiceAccount",
        "NetworkPolicy",
        "PersistentVolumeClaim",
    }
    for one in found:
        if one["kind"] != "RayCluster":
            pods.check_schema(one)


def test_a_batch_runs_on_the_cluster_that_stands() -> None:
    selector = rays("rayjob-grade.yaml")["spec"]["clusterSelector"]
    assert selector == {"ray.io/cluster": rays("raycluster.yaml")["metadata"]["name"]}


@pytest.mark.parametrize("file", CLUSTERS)
def test_pods_are_confined_and_limited(file: str) -> None:
    for group in groups(file):
        pods.check_pod(group["template"]["metadata"]["labels"], group["template"]["spec"])


@pytest.mark.parametrize("file", CLUSTERS)
def test_ray_is_the_locked_one_asks_for_a_token_and_works_on_the_workers(file: str) -> None:
    cluster = cluster_of(file)
    assert cluster is not None
    locked = re.search(r"^ray==(\S+)", (ROOT / "requirements" / "worker-image.txt").read_text(), re.MULTILINE)
    assert locked is not None
    assert cluster["rayVersion"] == locked[1]
    assert cluster["authOptions"] == {"mode": "token"}
    for group in groups(file):
        assert set(group["rayStartParams"]) <= START
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    head, *workers = groups(file)
    assert head["rayStartParams"]["num-cpus"] == "0"
    for worker in workers:
        assert worker["minReplicas"] <= worker["replicas"] <= worker["maxReplicas"]


@pytest.mark.parametrize("file", CLUSTERS)
def test_rays_objects_and_processes_fit_the_memory(file: str) -> None:
    for group in groups(file):
        [container] = group["template"]["spec"]["containers"]
        limit = container["resources"]["limits"]["memory"]
        assert limit.endswith("Gi")
        assert int(group["rayStartParams"]["object-store-memory"]) <= int(limit[:-2]) << 30 >> 2


@pytest.mark.parametrize("file", CLUSTERS)
def test_only_the_head_has_keys(file: str) -> None:
    head, *workers = ([*group["template"]["spec"]["containers"]] for group in groups(file))
    assert any(value is None for _, value in pods.environment(head[0]))
    for [container] in workers:
        assert not any(value is None for _, value in pods.environment(container))
        assert "envFrom" not in container


def gateway(code: str, *arguments: str) -> Any:
    """What the gateway's own environment says."""
    command = [str(ROOT / ".venv/bin/python"), "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_settings_are_those_of_the_gateway() -> None:
    known = set(
        gateway(
            "import json; from gateway.settings import Settings;"
            "print(json.dumps([name.upper() for name in Settings.model_fields]))"
        )
    )
    ours = {"HOME", "PYTHONPATH", "RAY_USAGE_STATS_ENABLED"}
    for file in CLUSTERS:
        for group in groups(file):
            [container] = group["template"]["spec"]["containers"]
            said = dict(pods.environment(container))
            assert set(said) <= known | ours
            assert said["PYTHONPATH"] == "/app"  # Ray's workers begin elsewhere


def test_commands_are_those_of_the_gateway() -> None:
    command, _, ending = rays("rayjob-grade.yaml")["spec"]["entrypoint"].partition(" || ")
    assert ending == "[ $? -eq 3 ]"
    options = told(command)
    assert options["engine"] == "ray"
    mounts = groups("raycluster.yaml")[0]["template"]["spec"]["containers"][0]["volumeMounts"]
    batches = next(mount["mountPath"] for mount in mounts if mount["name"] == "batches")
    assert {options["file"].rpartition("/")[0], options["out"].rpartition("/")[0]} == {batches}

    assert told(rays("rayjob-training.yaml")["spec"]["entrypoint"])["command"] == "worker"
    [container] = groups("rayjob-training.yaml")[0]["template"]["spec"]["containers"]
    assert dict(pods.environment(container))["TRAINING_ENGINE"] == "ray"


def told(entrypoint: str) -> Any:
    """The arguments of `python -m gateway ...`, as its own parser reads them."""
    program, *arguments = shlex.split(entrypoint)
    assert (program, arguments[:2]) == ("python", ["-m", "gateway"])
    return gateway(
        "import argparse, importlib, json, sys;"
        "parser = argparse.ArgumentParser();"
        "commands = parser.add_subparsers(dest='command');"
        "importlib.import_module('gateway.commands.' + sys.argv[1]).add(commands);"
        "print(json.dumps(vars(parser.parse_args(sys.argv[1:])), default=str))",
        *arguments[2:],
    )


def test_only_ray_and_its_operator_reach_ray() -> None:
    [policy] = pods.read(RAY / "network-policies.yaml")
    for file in CLUSTERS:
        for group in groups(file):
            labels = group["template"]["metadata"]["labels"]
            assert pods.selects(policy["spec"]["podSelector"], labels)
            assert pods.lets_in(policy, {"kubernetes.io/metadata.name": "ml"}, labels, 6379)
    operator, anybody = {"app.kubernetes.io/name": "kuberay-operator"}, {"app.kubernetes.io/component": "ui"}
    assert pods.lets_in(policy, {"kubernetes.io/metadata.name": "kuberay"}, operator, 8265)
    assert not pods.lets_in(policy, {"kubernetes.io/metadata.name": "kuberay"}, operator, 6379)
    assert not pods.lets_in(policy, {"kubernetes.io/metadata.name": "ml"}, anybody, 8265)
