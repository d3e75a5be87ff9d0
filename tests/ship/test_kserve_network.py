"""Who reaches the models that KServe serves, read from the network policies of k8s/kserve."""

import pytest

from tests.ship import pods
from tests.ship.pods import ROOT

KSERVE = ROOT / "k8s" / "kserve"


def space(name: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": name}


@pytest.mark.parametrize("name", ["grader-llm", "embeddings"])
def test_nothing_but_knative_reaches_a_model(name: str) -> None:
    labels = {"serving.kserve.io/inferenceservice": name}
    policies = [one for one in pods.rendered(KSERVE / "production") if one["kind"] == "NetworkPolicy"]
    ours = [one for one in policies if pods.selects(one["spec"]["podSelector"], labels)]
    assert any("Ingress" in one["spec"]["policyTypes"] for one in ours)
    own = {"grader-llm": 8080, "embeddings": 8081}[name]

    def reached(namespace: str, number: int) -> bool:
        return any(pods.lets_in(one, space(namespace), {}, number) for one in ours)

    assert reached("knative-serving", 8012)
    assert reached("kourier-system", 8012)
    assert not any(reached(namespace, 8012) for namespace in ("default", "ml", "monitoring"))
    assert not any(reached(namespace, own) for namespace in ("default", "ml", "knative-serving"))


def test_of_pods_only_the_gateway_and_batches_reach_the_local_gateway() -> None:
    [policy] = pods.read(KSERVE / "kourier" / "local-gateway.yaml")
    pods.check_schema(policy)

    def reached(namespace: str, component: str, port: int = 8081) -> bool:
        return pods.lets_in(policy, space(namespace), {"app.kubernetes.io/component": component}, port)

    assert reached("ml", "gateway")
    assert reached("ml", "batch")
    assert reached("knative-serving", "net-kourier-controller")
    assert not reached("ml", "ui")
    assert not reached("default", "gateway")
    assert reached("default", "anybody", 8080)  # what is published is still reached
