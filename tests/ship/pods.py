"""What every pod that is shipped keeps to, and what kustomize makes of a folder."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ("1.30", "1.37")
_PINNED = re.compile(r"\S+/\S+(:(?!latest\b)[\w.-]+|@sha256:[0-9a-f]{64})")

Object = dict[str, Any]


def rendered(folder: Path) -> list[Object]:
    """By kubectl's own kustomize."""
    if shutil.which("kubectl") is None:
        # No Python registry has it, and Debian's is too old: a bare machine goes without.
        pytest.skip("kubectl is not installed")
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr  # of what is deprecated
    return list(yaml.safe_load_all(done.stdout))


def read(*files: Path) -> list[Object]:
    return [found for file in files for found in yaml.safe_load_all(file.read_text())]


def check_schema(resource: Object) -> None:
    """Against Kubernetes' own schema; a field that it does not know is refused."""
    for version in KUBERNETES:
        kubernetes_validate.validate(resource, version, strict=True)


def check_pod(labels: dict[str, str], spec: Object) -> None:
    """The schema, Kubernetes' restricted profile, a read-only root, limits, probes, pinned images."""
    check_schema(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "labels": labels}, "spec": spec}
    )
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert not any("hostPath" in volume for volume in spec["volumes"])
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert _PINNED.fullmatch(container["image"]), container["image"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        assert {"readinessProbe", "livenessProbe"} <= set(container)
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


def environment(container: Object) -> Iterator[tuple[str, str | None]]:
    """Names with what they are set to; None: from a secret."""
    for variable in container["env"]:
        yield variable["name"], variable.get("value")


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """A label selector of Kubernetes', as far as ours go."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    expressions = selector.get("matchExpressions", ())
    assert all(one["operator"] == "In" for one in expressions)
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


def lets_in(policy: Object, namespace: dict[str, str], labels: dict[str, str], port: int) -> bool:
    """Whether a network policy lets a pod of that namespace reach that port."""
    own = {"matchLabels": {"kubernetes.io/metadata.name": policy["metadata"].get("namespace")}}
    for rule in policy["spec"].get("ingress", ()):
        peers = rule.get("from", [{"namespaceSelector": {}}])
        among = any(
            selects(peer.get("namespaceSelector", own), namespace)
            and selects(peer.get("podSelector", {}), labels)
            for peer in peers
        )
        if among and ("ports" not in rule or port in {one["port"] for one in rule["ports"]}):
            return True
    return False
