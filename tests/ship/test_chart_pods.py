"""Every pod of the chart is confined, bounded, probed and ended in time, and finds all that it names."""

import re
from typing import Any

import pytest

from scripts import images, minikube
from tests.ship import charted
from tests.ship.charted import EVERY, Object, merged, objects, objects_of, of_kind, one, pods
from tests.ship.pods import selects

UNITS = {"": 1.0, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
LONG_RUNNING = ("Deployment", "StatefulSet")
# A store that is down is waited for, and a restart would not mend it: no liveness.
UNMENDED_BY_A_RESTART = {"grading-worker"}


def amount(text: object) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def containers(name: str) -> list[tuple[str, Object, Object]]:
    """Of each: its pod's name, the pod, itself."""
    found = []
    for pod_name, pod in pods(objects(name)):
        every = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
        found += [(pod_name, pod, container) for container in every]
    return found


@pytest.mark.parametrize("name", EVERY)
def test_no_pod_has_a_token_or_names_of_its_neighbours(name: str) -> None:
    accounts = {item["metadata"]["name"]: item for item in of_kind(objects(name), "ServiceAccount")}
    for pod_name, pod in pods(objects(name)):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert accounts[pod["spec"]["serviceAccountName"]]["automountServiceAccountToken"] is False
        assert pod["spec"]["serviceAccountName"] == pod_name, "an account of its own"
        # With service links a Service `...-embeddings` would set variables like EMBEDDINGS_PORT.
        assert pod["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", EVERY)
def test_every_container_is_confined_as_the_restricted_standard_asks(name: str) -> None:
    for pod_name, pod, container in containers(name):
        outer, inner = pod["spec"]["securityContext"], container["securityContext"]
        assert outer["runAsNonRoot"] is True, pod_name
        assert min(outer["runAsUser"], outer["runAsGroup"], outer["fsGroup"]) > 0
        assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
        assert inner["allowPrivilegeEscalation"] is False
        assert inner["readOnlyRootFilesystem"] is True
        assert inner["capabilities"] == {"drop": ["ALL"]}
        assert not inner.keys() & {"privileged", "runAsUser", "runAsNonRoot", "procMount"}
        assert not pod["spec"].keys() & {"hostNetwork", "hostPID", "hostIPC"}
        kinds = {kind for volume in pod["spec"]["volumes"] for kind in volume.keys() - {"name"}}
        assert kinds <= {"emptyDir", "persistentVolumeClaim", "secret", "configMap"}


@pytest.mark.parametrize("name", EVERY)
def test_every_container_is_bounded(name: str) -> None:
    for pod_name, pod, container in containers(name):
        asked, most = container["resources"]["requests"], container["resources"]["limits"]
        for what in ("cpu", "memory"):
            assert 0 < amount(asked[what]) <= amount(most[what]), pod_name
        for volume in pod["spec"]["volumes"]:
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], volume["name"]


@pytest.mark.parametrize("name", EVERY)
def test_every_image_has_a_version(name: str) -> None:
    for _, _, container in containers(name):
        repository, _, version = container["image"].partition("@")[0].rpartition(":")
        assert repository, container["image"]
        assert version not in ("", "latest")
        if repository.startswith("grading-gateway/"):
            assert repository.rpartition("/")[2] in images.NAMES
        elif not repository.startswith("ghcr.io/example/"):
            assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"])


def test_an_image_of_ours_may_differ_in_tag_and_be_pinned_by_digest() -> None:
    own = {"gateway": {"tag": "v1", "digest": "sha256:" + "0" * 64}}
    found = objects_of(
        merged(charted.PLAIN, {"images": {"prefix": "example.org/g", "tag": "v0", "own": own}})
    )
    shown = {name: pod["spec"]["containers"][0]["image"] for name, pod in pods(found)}
    assert shown["grading-gateway"] == f"example.org/g/gateway:v1@sha256:{'0' * 64}"
    assert shown["grading-worker"] == "example.org/g/worker:v0"


@pytest.mark.parametrize("name", EVERY)
def test_every_service_is_probed_at_a_port_that_it_has(name: str) -> None:
    for item in objects(name):
        if item["kind"] not in LONG_RUNNING:
            continue
        for container in item["spec"]["template"]["spec"]["containers"]:
            probes = {what: container[what] for what in container if what.endswith("Probe")}
            asked = {"readinessProbe"} if item["metadata"]["name"] in UNMENDED_BY_A_RESTART else {
                "startupProbe", "livenessProbe", "readinessProbe",
            }  # fmt: skip
            assert probes.keys() == asked, item["metadata"]["name"]
            ports = {port["name"] for port in container.get("ports", ())}
            for probe in probes.values():
                assert probe.get("httpGet", {}).get("port", "none") in {*ports, "none"}


def test_vllm_is_given_minutes_to_load() -> None:
    probe = one(objects("plain"), "StatefulSet", "grading-llm")["spec"]["template"]["spec"]["containers"][0][
        "startupProbe"
    ]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 300


@pytest.mark.parametrize("name", EVERY)
def test_the_gateway_is_ended_after_its_drain_and_seen_not_ready_before(name: str) -> None:
    settings = one(objects(name), "ConfigMap", "grading-settings")["data"]
    pod = one(objects(name), "Deployment", "grading-gateway")["spec"]["template"]["spec"]
    delay, drain = int(settings["DRAIN_DELAY_S"]), int(settings["DRAIN_S"])
    assert pod["terminationGracePeriodSeconds"] >= delay + drain + 5  # docs/operations.md
    probe = pod["containers"][0]["readinessProbe"]
    assert delay >= probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert delay >= 5, "until a pod's end is known to every node"
    assert drain >= float(settings.get("LLM_TIMEOUT_S", 60))


@pytest.mark.parametrize("name", EVERY)
def test_a_drained_node_never_takes_the_last_pod(name: str) -> None:
    found = objects(name)
    for budget in of_kind(found, "PodDisruptionBudget"):
        (owner,) = [
            item
            for item in of_kind(found, "Deployment")
            if item["spec"]["selector"] == budget["spec"]["selector"]
        ]
        scalers = of_kind(found, "HorizontalPodAutoscaler")
        least = [
            s["spec"]["minReplicas"]
            for s in scalers
            if s["spec"]["scaleTargetRef"]["name"] == owner["metadata"]["name"]
        ]
        assert budget["spec"]["maxUnavailable"] < (least[0] if least else owner["spec"]["replicas"])
        assert ("replicas" in owner["spec"]) != bool(least), "two would decide how many"


@pytest.mark.parametrize("several", [{"replicas": 2}, {"autoscaling": {"enabled": True}}])
def test_several_gateways_have_a_disruption_budget(several: dict[str, Any]) -> None:
    found = objects_of(merged(charted.PLAIN, {"gateway": several}))
    assert one(found, "PodDisruptionBudget", "grading-gateway")
    update = one(found, "Deployment", "grading-gateway")["spec"]["strategy"]["rollingUpdate"]
    assert update["maxUnavailable"] == 0


def test_one_sqlite_file_never_has_two_gateways_nor_ends_with_the_pod() -> None:
    found = objects("sqlite")
    deployment = one(found, "Deployment", "grading-gateway")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    (state,) = [v for v in deployment["template"]["spec"]["volumes"] if v["name"] == "state"]
    assert one(found, "PersistentVolumeClaim", state["persistentVolumeClaim"]["claimName"])
    assert not of_kind(found, "PodDisruptionBudget")


@pytest.mark.parametrize("name", EVERY)
def test_selectors_take_the_pods_that_are_meant(name: str) -> None:
    found = objects(name)
    every = [(pod_name, pod["metadata"]["labels"]) for pod_name, pod in pods(found)]
    for item in found:
        if item["kind"] in LONG_RUNNING:
            taken = [pod for pod, labels in every if selects(item["spec"]["selector"], labels)]
            assert taken == [item["metadata"]["name"]]
        if item["kind"] == "Service":
            (pod,) = [p for p, labels in every if selects({"matchLabels": item["spec"]["selector"]}, labels)]
            (template,) = [template for pod_name, template in pods(found) if pod_name == pod]
            ports = {port["name"] for c in template["spec"]["containers"] for port in c.get("ports", ())}
            assert {port["targetPort"] for port in item["spec"]["ports"]} <= ports
            assert item["metadata"]["name"].startswith(pod)


@pytest.mark.parametrize("name", EVERY)
def test_every_name_that_a_pod_says_is_there(name: str) -> None:
    found = objects(name)
    outside = charted.values_of(name).get("secrets", {}).get("existing")
    secrets = {item["metadata"]["name"]: {*item["stringData"]} for item in of_kind(found, "Secret")}
    assert bool(secrets) != bool(outside)
    for item in [
        *of_kind(found, "Deployment"),
        *of_kind(found, "StatefulSet"),
        *of_kind(found, "Job"),
        *of_kind(found, "Pod"),
    ]:
        pod = item if item["kind"] == "Pod" else item["spec"]["template"]
        claimed = {claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates", ())}
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | claimed
        for volume in pod["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert one(found, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
            if "configMap" in volume:
                assert one(found, "ConfigMap", volume["configMap"]["name"])
        for container in pod["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            for entry in container.get("env", ()):
                reference = entry.get("valueFrom", {}).get("secretKeyRef")
                if reference and not outside and not reference.get("optional"):
                    assert reference["key"] in secrets[reference["name"]]
                elif reference and outside:
                    assert reference["name"] == outside


def test_what_runs_in_minikube_fits_the_machine_that_it_is_started_with() -> None:
    asked = [container["resources"]["requests"] for _, _, container in containers("minikube")]
    cluster = (1.2, 1.5)  # CPUs and GiB of Kubernetes' own pods and Calico's
    assert sum(amount(one["cpu"]) for one in asked) + cluster[0] <= minikube.CPUS
    assert sum(amount(one["memory"]) for one in asked) / 2**30 + cluster[1] <= minikube.MEMORY_GIB
