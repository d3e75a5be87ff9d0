"""Each command of k8s/kuber_practice.py, run by the real kubectl against an API on loopback that writes down
what it is asked for: what a command means is what it makes the cluster do."""

import json
import os
import runpy
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ship.kube_api import DEPLOYMENTS, PODS, Asked, Cluster, serving

COMMANDS = Path(__file__).parents[2] / "k8s" / "kuber_practice.py"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    with serving(cluster):
        yield cluster


def commands() -> dict[str, str]:
    return {name: said for name, said in runpy.run_path(str(COMMANDS)).items() if not name.startswith("__")}


def run(name: str, cluster: Cluster, home: Path) -> str:
    """What kubectl prints; nothing of this machine's own clusters is known to it."""
    if shutil.which("kubectl") is None:
        # No Python registry has it, and Debian's is too old: a bare machine goes without.
        pytest.skip("kubectl is not installed")
    config = home / "config"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "here", "cluster": {"server": cluster.url}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "users": [{"name": "me", "user": {}}],
                "current-context": "here",
            }
        )
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(config)}
    words = shlex.split(commands()[name])
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_one_command_for_each_task() -> None:
    assert list(commands()) == [
        "get_app1_pods",
        "get_app1_pods_in_all_namespaces",
        "get_app3_deployment",
        "get_app2_logs",
        "scale_app1_to_4",
        "scale_app1_to_1",
        "delete_app1_pods",
        "expose_app1",
    ]
    for command in commands().values():
        assert shlex.split(command)[0] == "kubectl"
        assert not set(command) & set(";|&<>$`\n")  # one command, and no shell is needed for it


def test_pods_of_app1_are_those_of_its_label_in_the_namespace(cluster: Cluster, tmp_path: Path) -> None:
    printed = run("get_app1_pods", cluster, tmp_path)
    assert cluster.asked == [Asked("GET", PODS, "app=app1")]
    assert "app1-a" in printed
    assert "app1-b" in printed
    assert "app1-c" not in printed


def test_pods_of_app1_in_all_namespaces(cluster: Cluster, tmp_path: Path) -> None:
    printed = run("get_app1_pods_in_all_namespaces", cluster, tmp_path)
    assert cluster.asked == [Asked("GET", "/api/v1/pods", "app=app1")]
    assert all(name in printed for name in ("app1-a", "app1-b", "app1-c"))
    assert "app2" not in printed


def test_the_deployment_of_app3(cluster: Cluster, tmp_path: Path) -> None:
    assert "app3" in run("get_app3_deployment", cluster, tmp_path)
    assert cluster.asked == [Asked("GET", f"{DEPLOYMENTS}/app3")]


def test_logs_of_app2_are_whole_and_of_all_its_pods(cluster: Cluster, tmp_path: Path) -> None:
    printed = run("get_app2_logs", cluster, tmp_path)
    assert "said by app2-a" in printed
    assert "said by app2-b" in printed
    logs = [asked for asked in cluster.asked if asked.path.endswith("/log")]
    assert {asked.path for asked in logs} == {f"{PODS}/app2-a/log", f"{PODS}/app2-b/log"}
    assert not any(asked.tail for asked in logs)  # by a label kubectl would show ten lines


@pytest.mark.parametrize("replicas", [4, 1])
def test_app1_is_scaled(replicas: int, cluster: Cluster, tmp_path: Path) -> None:
    run(f"scale_app1_to_{replicas}", cluster, tmp_path)
    written = [asked for asked in cluster.asked if asked.method != "GET"]
    assert written == [Asked("PATCH", f"{DEPLOYMENTS}/app1/scale", body={"spec": {"replicas": replicas}})]


def test_pods_of_app1_are_deleted_and_no_others(cluster: Cluster, tmp_path: Path) -> None:
    run("delete_app1_pods", cluster, tmp_path)
    assert sorted(cluster.pods) == [
        "another/app1-c",
        "another/app2-c",
        "my-namespace/app2-a",
        "my-namespace/app2-b",
    ]


def test_app1_is_exposed_on_port_33888(cluster: Cluster, tmp_path: Path) -> None:
    run("expose_app1", cluster, tmp_path)
    made = [asked for asked in cluster.asked if asked.method == "POST"]
    assert [asked.path for asked in made] == ["/api/v1/namespaces/my-namespace/services"]
    service = made[0].body
    assert service["metadata"]["name"] == "app1"
    assert service["spec"]["selector"] == {"app": "app1"}
    assert [port["port"] for port in service["spec"]["ports"]] == [33888]
