"""Who may speak with whom, as the rendered policies say: nobody reaches the model server but the gateway."""

from itertools import product

import pytest

from tests.ship import charted
from tests.ship.charted import EVERY, Object, objects, of_kind, one, pods
from tests.ship.pods import selects

Labels = dict[str, str]
NAMESPACE = "kubernetes.io/metadata.name"
STRANGER = {"app.kubernetes.io/name": "somebody-else"}


def takes(peer: Object, labels: Labels, namespace: str) -> bool:
    """Whether a peer of a rule means such a pod; one without a namespace is of the policy's own."""
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        return selects(peer["namespaceSelector"], {NAMESPACE: namespace}) and selects(
            peer.get("podSelector", {}), labels
        )
    return namespace == "ml" and selects(peer["podSelector"], labels)


def lets(found: list[Object], way: str, pod: Labels, other: Labels, namespace: str, port: int) -> bool:
    """Whether the policies that hold for a pod let it be reached (ingress) or reach (egress) another."""
    held = [p["spec"] for p in of_kind(found, "NetworkPolicy") if selects(p["spec"]["podSelector"], pod)]
    held = [policy for policy in held if way.capitalize() in policy["policyTypes"]]
    if not held:
        return True  # what no policy holds is open
    side = "from" if way == "ingress" else "to"
    for rule in (rule for policy in held for rule in policy.get(way) or ()):
        peers = rule.get(side) or [{"namespaceSelector": {}}]  # none means everybody
        ports = [entry["port"] for entry in rule.get("ports", ())]
        if (not ports or port in ports) and any(takes(peer, other, namespace) for peer in peers):
            return True
    return False


def labels_of(found: list[Object]) -> dict[str, Labels]:
    return {name.removeprefix("grading-"): pod["metadata"]["labels"] for name, pod in pods(found)}


def ways(name: str) -> set[tuple[str, str, int]]:
    """(from, to, port) that both ends let through, at every port that any container has."""
    found = objects(name)
    pod = labels_of(found)
    ports = {
        port["containerPort"]
        for _, p in pods(found)
        for c in p["spec"]["containers"]
        for port in c.get("ports", ())
    }
    return {
        (a, b, port)
        for a, b, port in product(pod, pod, ports)
        if lets(found, "egress", pod[a], pod[b], "ml", port)
        and lets(found, "ingress", pod[b], pod[a], "ml", port)
    }


def test_the_ways_between_the_pods_are_these_and_no_others() -> None:
    assert ways("whole") == {
        ("gateway", "llm", 8080),
        ("gateway", "embeddings", 8081),
        ("gateway", "postgres", 5432),
        ("gateway", "redis", 6379),
        ("gateway", "minio", 9000),
        ("worker", "postgres", 5432),
        ("worker", "minio", 9000),
        ("worker", "mlflow", 5000),
        ("worker", "evidently", 8502),
        ("mlflow", "minio", 9000),
        ("bucket", "minio", 9000),
        ("ui", "gateway", 38300),
        ("bot", "gateway", 38300),
        ("smoke", "gateway", 38300),
    }


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("staging", "production")])
def test_only_the_gateway_reaches_the_model_server(name: str) -> None:
    found = objects(name)
    pod = labels_of(found)
    for port in (8080, 8000, 22):
        callers = [caller for caller in pod if lets(found, "ingress", pod["llm"], pod[caller], "ml", port)]
        assert callers == (["gateway"] if port == 8080 else [])
        for namespace in ("ml", "monitoring", "ingress-nginx", "default", "kube-system"):
            assert not lets(found, "ingress", pod["llm"], STRANGER, namespace, port)


@pytest.mark.parametrize("name", EVERY)
def test_every_pod_may_ask_for_names_and_is_held_by_a_policy_of_its_own(name: str) -> None:
    found = objects(name)
    held = {policy["metadata"]["name"].removeprefix("grading-") for policy in of_kind(found, "NetworkPolicy")}
    pod = labels_of(found)
    assert held == {*pod, "deny"}
    for labels in pod.values():
        assert lets(found, "egress", labels, {"k8s-app": "kube-dns"}, "kube-system", 53)
        assert not lets(found, "egress", labels, STRANGER, "kube-system", 443)


@pytest.mark.parametrize(
    ("to", "port", "namespace", "may"),
    [
        ("gateway", 38300, "ingress-nginx", True),
        ("gateway", 50051, "ingress-nginx", True),
        ("gateway", 9102, "ingress-nginx", False),
        ("gateway", 9102, "monitoring", True),
        ("gateway", 38300, "monitoring", False),
        ("embeddings", 8081, "monitoring", True),
        ("ui", 8501, "ingress-nginx", True),
        ("bot", 6872, "ingress-nginx", False),
        ("evidently", 8502, "ingress-nginx", False),
        ("mlflow", 5000, "monitoring", False),
    ],
)
def test_visitors_come_in_by_their_own_door_only(to: str, port: int, namespace: str, may: bool) -> None:
    found = objects("whole")
    assert lets(found, "ingress", labels_of(found)[to], STRANGER, namespace, port) is may
    assert not lets(found, "ingress", labels_of(found)[to], STRANGER, "ml", port)


BATCH, TRAINING = (
    {"app.kubernetes.io/part-of": "grading-gateway", "app.kubernetes.io/component": component}
    for component in ("batch", "training")
)


@pytest.mark.parametrize("ray", [True, False])
def test_rays_pods_reach_what_gateway_and_worker_do_where_they_are_let(ray: bool) -> None:
    found = charted.objects_of(charted.merged(charted.WHOLE, {"networkPolicy": {"ray": ray}}))
    pod = labels_of(found)
    ports = (38300, 9102, 8080, 8081, 5432, 6379, 9000, 5000, 8502)
    reached = {
        (kind["app.kubernetes.io/component"], name, port)
        for kind, name, port in product((BATCH, TRAINING), pod, ports)
        if lets(found, "ingress", pod[name], kind, "ml", port)
    }
    for_ray = {("batch", "llm", 8080), ("batch", "embeddings", 8081), ("batch", "postgres", 5432)} | {
        ("training", name, port) for name, port in
        (("postgres", 5432), ("minio", 9000), ("mlflow", 5000), ("evidently", 8502))
    }  # fmt: skip
    assert reached == (for_ray if ray else set())
    assert not lets(found, "ingress", pod["llm"], BATCH, "default", 8080)


@pytest.mark.parametrize("name", ["staging", "production"])
def test_kserves_models_are_reached_by_knative_and_the_clouds_own_address_is_not(name: str) -> None:
    found = objects(name)
    gateway = labels_of(found)["gateway"]
    for namespace, port in (("knative-serving", 8012), ("kourier-system", 8081)):
        assert lets(found, "egress", gateway, {"app": "activator"}, namespace, port)
    assert not lets(
        found, "egress", gateway, {"serving.kserve.io/inferenceservice": "grader-llm"}, "ml", 8080
    )
    for policy in of_kind(found, "NetworkPolicy"):
        blocks = [
            peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule["to"] if "ipBlock" in peer
        ]
        assert all("169.254.0.0/16" in block["except"] for block in blocks)


def test_only_a_model_server_that_fetches_its_weights_goes_out() -> None:
    def out(name: str) -> list[Object]:
        rules = one(objects(name), "NetworkPolicy", "grading-llm")["spec"]["egress"] or []
        return [entry for rule in rules for entry in rule["ports"]]

    assert out("plain") == [{"port": 443}]
    assert out("minikube") == []


@pytest.mark.parametrize("name", EVERY)
def test_prometheus_asks_at_ports_that_the_services_have(name: str) -> None:
    found = objects(name)
    for monitor in of_kind(found, "ServiceMonitor"):
        services = [
            s
            for s in of_kind(found, "Service")
            if selects(monitor["spec"]["selector"], s["metadata"]["labels"])
        ]
        ports = [port["name"] for service in services for port in service["spec"]["ports"]]
        for endpoint in monitor["spec"]["endpoints"]:
            assert ports.count(endpoint["port"]) == 1, "each pod is asked once"
        label = monitor["spec"]["jobLabel"]
        assert {s["metadata"]["labels"][label] for s in services} <= {
            "gateway",
            "embeddings",
        }  # the rules' jobs
    assert bool(of_kind(found, "ServiceMonitor")) is bool(charted.values_of(name).get("monitoring"))


def test_the_ingress_leads_to_gateway_and_dashboard_by_tls() -> None:
    (ingress,) = of_kind(objects("production"), "Ingress")
    (tls,) = ingress["spec"]["tls"]
    backends = {
        rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"]
        for rule in ingress["spec"]["rules"]
    }
    assert backends == {"grading.example.org": "grading-gateway", "grading-ui.example.org": "grading-ui"}
    assert {*tls["hosts"]} == {*backends}
