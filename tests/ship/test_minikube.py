"""`make minikube` does its steps in order, does no step twice, and stops at the first that fails. There is no
minikube here: stand-ins on PATH note how they are called and answer."""

import base64
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("docker", "minikube", "kubectl", "helm")
KEY = "a-key-of-the-release"
STAND_IN = f"""#!/bin/sh
name=${{0##*/}}
for last; do :; done
echo "$name $*" >> "$CALLS"
case "$name $*" in *"${{FAILS:-nothing fails}}"*) exit "$CODE" ;; esac
case "$*" in
  "image inspect "*) image=${{last##*/}}; printf "sha256:%s%064d\\n" "${{image%%:*}}" 0 ;;
  *" image ls") echo "$LOADED" ;;
  *" get secret "*) printf %s {base64.b64encode(KEY.encode()).decode()} ;;
  *" port-forward "*)
    echo $$ > "$CALLS.forward"
    echo "Forwarding from 127.0.0.1:45678 -> 38300"
    exec /bin/sleep 60 ;;
esac
"""
SMOKE = """import os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join(["smoke", *sys.argv[1:], os.environ["AUTH_TOKEN"]]) + "\\n")
sys.exit(int(os.environ["CODE"]) if os.environ.get("FAILS") == "smoke" else 0)
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A copy of the project with stand-ins of what it calls."""

    folder: Path

    def make(self, what: str, **environ: str) -> subprocess.CompletedProcess[str]:
        said = {"PATH": str(self.folder / "bin"), "CALLS": str(self.folder / "calls"), "CODE": "7"}
        return subprocess.run(
            [sys.executable, "-m", "scripts.minikube", what],
            cwd=self.folder,
            env=said | environ,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def step(self, beginning: str) -> int:
        """Where the one call that begins so stands."""
        (place,) = [place for place, call in enumerate(self.calls) if call.startswith(beginning)]
        return place


def made(folder: Path) -> Machine:
    for part in ("scripts", "docker"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "scripts/smoke.py").write_text(SMOKE)
    (folder / "bin").mkdir()
    for tool in TOOLS:
        (folder / "bin" / tool).write_text(STAND_IN)
        (folder / "bin" / tool).chmod(0o755)
    return Machine(folder)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return made(tmp_path)


@pytest.fixture(scope="module")
def stood(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """After one whole run on a machine where one image was loaded before."""
    machine = made(tmp_path_factory.mktemp("machine"))
    loaded = f"docker.io/grading-gateway/bot:{tag('bot')}\ndocker.io/grading-gateway/worker:sha-of-before"
    run = machine.make("up", LOADED=loaded)
    assert run.returncode == 0, run.stderr
    assert "http://127.0.0.1:38300" in run.stdout
    return machine


def tag(name: str) -> str:
    return "sha-" + f"{name}{'0' * 12}"[:12]


def test_it_starts_builds_loads_installs_and_asks_in_this_order(stood: Machine) -> None:
    order = [
        "docker version",
        "minikube start --profile grading --driver=docker --kubernetes-version=v1.35.0 --cpus=4 --memory=10g",
        "docker build --file docker/gateway.Dockerfile",
        "docker build --file docker/llm.Dockerfile",
        f"minikube --profile grading image load grading-gateway/gateway:{tag('gateway')}",
        f"minikube --profile grading image load grading-gateway/llm:{tag('llm')}",
        "kubectl --context grading label namespace ml pod-security.kubernetes.io/enforce=restricted",
        "helm upgrade --install grading k8s/chart --kube-context grading --namespace ml",
        "kubectl --context grading --namespace ml get secret grading-secrets",
        "kubectl --context grading --namespace ml port-forward service/grading-gateway :38300",
        "smoke --url http://127.0.0.1:45678",
    ]
    places = [stood.step(beginning) for beginning in order]
    assert places == sorted(places)


def test_the_model_server_is_built_on_the_official_image_for_a_cpu(stood: Machine) -> None:
    build = stood.calls[stood.step("docker build --file docker/llm.Dockerfile")]
    assert "VLLM_IMAGE=docker.io/vllm/vllm-openai-cpu:" in build


def test_the_release_runs_the_images_that_were_built_now(stood: Machine) -> None:
    call = stood.calls[stood.step("helm upgrade")].split()
    assert call[call.index("--values") + 1] == "k8s/values/minikube.yaml"
    said = dict(pair.split("=") for pair in call[call.index("--set") + 1].split(","))
    assert said.pop("images.prefix") == "grading-gateway"
    names = ("gateway", "worker", "embeddings", "ui", "bot", "llm")
    assert said == {f"images.own.{name}.tag": tag(name) for name in names}
    assert "--wait" in call


def test_what_is_there_already_is_not_loaded_or_made_again(stood: Machine) -> None:
    loads = [call.split()[-1].split("/")[-1] for call in stood.calls if " image load " in call]
    assert loads == [f"{name}:{tag(name)}" for name in ("gateway", "worker", "embeddings", "ui", "llm")]
    assert not [call for call in stood.calls if "create namespace" in call]


def test_the_key_is_in_no_process_list_and_no_forwarding_outlives_it(stood: Machine) -> None:
    (smoke,) = [call for call in stood.calls if KEY in call]
    assert smoke.startswith("smoke "), "which tells it from its environment"
    forward = int((stood.folder / "calls.forward").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(forward, 0)


def test_a_namespace_that_is_missing_is_made(machine: Machine) -> None:
    machine.make("up", FAILS="get namespace ml")
    assert machine.step("kubectl --context grading create namespace ml") < machine.step("helm upgrade")


@pytest.mark.parametrize(
    ("fails", "says", "last"),
    [
        ("minikube start", "starting the cluster", "minikube start"),
        ("image load", "loading grading-gateway/gateway", "minikube --profile"),
        ("label namespace", "confining the namespace", "kubectl"),
        ("helm upgrade", "installing the release", "helm upgrade"),
        ("port-forward", "forwarding a port", "kubectl"),
        ("smoke", "asking it", "smoke"),
    ],
)
def test_a_step_that_fails_ends_it_with_its_sentence_and_code(
    machine: Machine, fails: str, says: str, last: str
) -> None:
    run = machine.make("up", FAILS=fails)
    assert run.returncode == 7
    (sentence,) = run.stderr.splitlines()
    assert sentence.startswith(f"minikube: {says}")
    assert sentence.endswith("did not succeed: the lines above say why.")
    assert machine.calls[-1].startswith(last)
    assert "It stands" not in run.stdout


def test_an_image_that_cannot_be_built_ends_it(machine: Machine) -> None:
    run = machine.make("up", FAILS="docker/ui.Dockerfile")
    assert run.returncode == 2
    assert "building the images did not succeed" in run.stderr
    assert not [call for call in machine.calls if call.startswith("helm")]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_tool_is_one_sentence_before_anything_is_done(machine: Machine, tool: str) -> None:
    (machine.folder / "bin" / tool).unlink()
    run = machine.make("up")
    assert run.returncode == 2
    (sentence,) = run.stderr.splitlines()
    assert sentence.startswith(f"minikube: {tool} is missing: https://")
    assert machine.calls == []


def test_an_engine_that_does_not_answer_is_told(machine: Machine) -> None:
    run = machine.make("up", FAILS="docker version")
    assert (run.returncode, len(machine.calls)) == (2, 1)
    assert "docker does not answer" in run.stderr


def test_the_machine_may_be_given_more(machine: Machine) -> None:
    machine.make("up", MINIKUBE_CPUS="8", MINIKUBE_MEMORY_GIB="24")
    assert "--cpus=8 --memory=24g" in machine.calls[machine.step("minikube start")]
    assert machine.make("up", MINIKUBE_CPUS="many").returncode == 2


def test_down_deletes_the_cluster_of_this_project_only(machine: Machine) -> None:
    assert machine.make("down").returncode == 0
    assert machine.calls == ["minikube delete --profile grading"]
