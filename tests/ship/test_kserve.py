"""k8s/kserve as a cluster would read it: KServe's types, what Knative lets a pod have, our settings.

No cluster is asked. KServe's types are those of its SDK; Knative's rules are below, with their source.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes.client
import pytest

from llm_server import plan
from tests.ship import pods
from tests.ship.kserve_types import built
from tests.ship.pods import ROOT, Object

KSERVE = ROOT / "k8s" / "kserve"
OVERLAYS = ("staging", "production")
# pkg/apis/serving/fieldmask.go of knative/serving; those behind a feature flag that docs/kserve.md asks for.
KNATIVE_POD = {
    "serviceAccountName",
    "automountServiceAccountToken",  # false alone
    "containers",
    "volumes",
    "enableServiceLinks",
    "securityContext",  # kubernetes.podspec-securitycontext
}
KNATIVE_VOLUMES = {"emptyDir", "persistentVolumeClaim", "secret", "configMap", "projected"}
KNATIVE_SETS = {"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"}
LONGEST_S = 600  # max-revision-timeout-seconds of Knative's config-defaults
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@cache
def text_of(overlay: str) -> str:
    return json.dumps(pods.rendered(KSERVE / overlay))


def all_of(overlay: str) -> list[Object]:
    found: list[Object] = json.loads(text_of(overlay))  # a copy for each test
    return found


def service(overlay: str, name: str) -> Object:
    [found] = [
        one for one in all_of(overlay) if (one["kind"], one["metadata"]["name"]) == ("InferenceService", name)
    ]
    return found


def predictor(overlay: str, name: str) -> Object:
    return service(overlay, name)["spec"]["predictor"]


@pytest.fixture(params=[(overlay, name) for overlay in OVERLAYS for name in ("grader-llm", "embeddings")])
def model(request: pytest.FixtureRequest) -> Object:
    return service(*request.param)


def test_kserve_takes_both_services(model: Object) -> None:
    read = built(model, "V1beta1InferenceService")
    assert read.api_version == "serving.kserve.io/v1beta1"
    assert read.metadata.namespace == "ml"
    assert read.spec.predictor.containers[0].name == "kserve-container"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "predictor", "minReplica"), 1),
        (("spec", "predictor", "maxReplicas"), "4"),
        (("spec", "predictor", "containers", 0, "securityContext", "runAsNonroot"), True),
    ],
)
def test_the_reading_of_kserve_types_is_strict(path: tuple[str | int, ...], value: object) -> None:
    wrong = service("production", "grader-llm")
    *parents, last = path
    target: Any = wrong
    for step in parents:
        target = target[step]
    target[last] = value
    with pytest.raises(AssertionError):
        built(wrong, "V1beta1InferenceService")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_takes_the_rest(overlay: str) -> None:
    rest = [one for one in all_of(overlay) if one["kind"] != "InferenceService"]
    assert {one["kind"] for one in rest} == {"ServiceAccount", "PersistentVolumeClaim", "NetworkPolicy"}
    for one in rest:
        pods.check_schema(one)
        assert one["metadata"]["namespace"] == "ml"


def test_pods_are_confined_and_limited(model: Object) -> None:
    pods.check_pod({}, pod(model))


def pod(model: Object) -> Object:
    known = kubernetes.client.V1PodSpec.attribute_map.values()
    return {name: value for name, value in model["spec"]["predictor"].items() if name in known}


def test_knative_takes_the_pod(model: Object) -> None:
    spec = pod(model)
    assert set(spec) <= KNATIVE_POD
    for volume in spec["volumes"]:
        assert set(volume) - {"name"} <= KNATIVE_VOLUMES
    [container] = spec["containers"]
    [port] = container["ports"]
    assert port["name"] == "http1"
    assert {container[probe]["httpGet"]["port"] for probe in PROBES} == {port["containerPort"]}
    assert not KNATIVE_SETS & {name for name, _ in pods.environment(container)}
    assert 0 < model["spec"]["predictor"]["timeout"] <= LONGEST_S


def test_only_knative_scales_to_zero_and_it_is_asked_for(model: Object) -> None:
    assert model["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Knative"
    assert model["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"


def test_knative_waits_for_a_start_as_long_as_the_probe_does() -> None:
    for overlay in OVERLAYS:
        found = service(overlay, "grader-llm")
        probe = found["spec"]["predictor"]["containers"][0]["startupProbe"]
        deadline = found["metadata"]["annotations"]["serving.knative.dev/progress-deadline"]
        assert deadline == f"{probe['periodSeconds'] * probe['failureThreshold']}s"


def test_staging_sleeps_and_production_does_not() -> None:
    assert [predictor("staging", name)["minReplicas"] for name in ("grader-llm", "embeddings")] == [0, 0]
    assert [predictor("production", name)["minReplicas"] for name in ("grader-llm", "embeddings")] == [1, 2]
    for overlay in OVERLAYS:
        for name in ("grader-llm", "embeddings"):
            assert predictor(overlay, name)["maxReplicas"] >= max(1, predictor(overlay, name)["minReplicas"])


def test_a_new_model_server_is_a_canary_in_production() -> None:
    assert 0 < predictor("production", "grader-llm")["canaryTrafficPercent"] < 100
    assert "canaryTrafficPercent" not in predictor("staging", "grader-llm")
    assert "canaryTrafficPercent" not in predictor("production", "embeddings")


def test_a_gpu_in_production_and_none_in_staging() -> None:
    limits = {
        overlay: predictor(overlay, "grader-llm")["containers"][0]["resources"]["limits"]
        for overlay in OVERLAYS
    }
    assert limits["production"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in limits["staging"]


class Recorded(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_model_server_understands_its_settings(overlay: str) -> None:
    found = predictor(overlay, "grader-llm")
    [container] = found["containers"]
    said = {name: "from a secret" if value is None else value for name, value in pods.environment(container)}
    asked = Recorded(said)
    settings = plan.settings_from(asked, gpu=overlay == "production", cpu_flags=frozenset())
    assert {name for name in said if name.startswith("LLM_")} <= asked.asked
    assert settings.host == "0.0.0.0"
    assert settings.port == container["ports"][0]["containerPort"] == 8080
    assert re.fullmatch(r"[0-9a-f]{40}", settings.revision or "")
    assert settings.max_num_seqs is not None
    # Pods are added before the slots of the others are full. What has no slot waits in vLLM, not before it.
    assert found["scaleTarget"] < settings.max_num_seqs
    assert found["containerConcurrency"] == 0
    weights = next(mount for mount in container["volumeMounts"] if mount["name"] == "weights")
    assert Path(said["HF_HOME"]).is_relative_to(weights["mountPath"])


def test_the_embeddings_service_understands_its_settings() -> None:
    source = ast.parse((ROOT / "embeddings" / "settings.py").read_text())
    [settings] = [one for one in source.body if isinstance(one, ast.ClassDef) and one.name == "Settings"]
    known = {
        f"EMBEDDINGS_{one.target.id.upper()}"
        for one in settings.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    for overlay in OVERLAYS:
        [container] = predictor(overlay, "embeddings")["containers"]
        said = dict(pods.environment(container))
        assert {name for name in said if name.startswith("EMBEDDINGS_")} <= known
        assert said["EMBEDDINGS_PORT"] == str(container["ports"][0]["containerPort"])
        assert "EMBEDDINGS_API_KEY" in said  # or it does not start beyond loopback


def test_keys_are_secrets(model: Object) -> None:
    for name, value in pods.environment(model["spec"]["predictor"]["containers"][0]):
        assert (value is None) == name.endswith(("_KEY", "_TOKEN")), name


def test_claims_and_accounts_that_pods_name_are_made(model: Object) -> None:
    made = {(one["kind"], one["metadata"]["name"]) for one in all_of("production")}
    spec = pod(model)
    assert ("ServiceAccount", spec["serviceAccountName"]) in made
    claims = [
        one["persistentVolumeClaim"]["claimName"]
        for one in spec["volumes"]
        if len(one.keys() & {"persistentVolumeClaim"})
    ]
    assert all(("PersistentVolumeClaim", claim) in made for claim in claims)
