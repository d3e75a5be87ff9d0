"""`make minikube`, `make minikube-down`: everything on a cluster of its own, here (docs/kubernetes.md).

`up` starts minikube with the driver docker, builds our images and loads them, installs the chart with
k8s/values/minikube.yaml, waits, asks the gateway what `make smoke` asks, and tells the address. Called again,
it changes what has changed. Standard library only. What is missing is one sentence and exit code 2; a step
that fails ends it with that step's exit code.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from scripts import images
from scripts.bootstrap import ROOT, Refusal

PROFILE = "grading"  # minikube's, and so kubectl's context
NAMESPACE = "ml"
RELEASE = "grading"
VERSION = "v1.35.0"
CPUS, MEMORY_GIB = 4, 10  # MINIKUBE_CPUS, MINIKUBE_MEMORY_GIB
OURS = ("gateway", "worker", "embeddings", "ui", "bot", "llm")
TOOLS = {
    "docker": "https://docs.docker.com/engine/install/",
    "minikube": "https://minikube.sigs.k8s.io/docs/start/",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
    "helm": "https://helm.sh/docs/intro/install/",
}
_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")

KUBECTL = ("kubectl", "--context", PROFILE, "--namespace", NAMESPACE)


class Failed(Exception):
    """A step did not end well; its own lines are above."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what} did not succeed: the lines above say why.")
        self.code = code


def refuse_missing_tools() -> None:
    for tool, where in TOOLS.items():
        if shutil.which(tool) is None:
            raise Refusal(f"{tool} is missing: {where}")
    if subprocess.run(["docker", "version"], capture_output=True).returncode:
        raise Refusal("docker does not answer: start it, or let this user ask it.")


def step(what: str, *command: str, environ: Mapping[str, str] | None = None) -> None:
    print(f"== {what}", flush=True)
    code = subprocess.run(command, cwd=ROOT, env=environ).returncode
    if code:
        raise Failed(what, code)


def told(what: str, *command: str) -> str:
    """What it prints, without the line's end."""
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        raise Failed(what, run.returncode)
    return run.stdout.strip()


def holds(*command: str) -> bool:
    return subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


def whole(name: str, default: int) -> str:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not int(text):
        raise Refusal(f"{name} must be a whole number above zero, not {text!r}.")
    return text


def start() -> None:
    step(
        "starting the cluster",
        *("minikube", "start", "--profile", PROFILE, "--driver=docker", f"--kubernetes-version={VERSION}"),
        *(f"--cpus={whole('MINIKUBE_CPUS', CPUS)}", f"--memory={whole('MINIKUBE_MEMORY_GIB', MEMORY_GIB)}g"),
        "--cni=calico",  # minikube's own network knows no policies
    )


def own_tag(image_id: str) -> str:
    """Of an image by what it holds. minikube does not replace an image that a pod uses (minikube#16032), and
    Kubernetes does not see that one with the same name is another: a change must change the name."""
    return f"sha-{image_id.removeprefix('sha256:')[:12]}"


def load() -> dict[str, str]:
    """The images that are not there yet; returns the tag of each."""
    there = told("listing images", "minikube", "--profile", PROFILE, "image", "ls").splitlines()
    tags = {}
    for name in OURS:
        built = images.tag(name)
        asked = ("docker", "image", "inspect", "--format", "{{.Id}}", built)
        tags[name] = own_tag(told(f"looking for {built}", *asked))
        tagged = f"{prefix()}/{name}:{tags[name]}"
        if any(line.endswith(tagged) for line in there):
            continue
        told(f"naming {tagged}", "docker", "tag", built, tagged)
        step(f"loading {tagged}", "minikube", "--profile", PROFILE, "image", "load", tagged)
    return tags


def prefix() -> str:
    return images.tag("gateway").rsplit("/", 1)[0]


def make_namespace() -> None:
    cluster = ("kubectl", "--context", PROFILE)
    if not holds(*cluster, "get", "namespace", NAMESPACE):
        step("making the namespace", *cluster, "create", "namespace", NAMESPACE)
    # The cluster itself refuses a pod that is not confined.
    strict = "pod-security.kubernetes.io/enforce=restricted"
    step("confining the namespace", *cluster, "label", "namespace", NAMESPACE, strict, "--overwrite")


def install(tags: Mapping[str, str]) -> None:
    said = [f"images.prefix={prefix()}", *(f"images.own.{name}.tag={tag}" for name, tag in tags.items())]
    step(
        "installing the release (the model server takes minutes)",
        *("helm", "upgrade", "--install", RELEASE, "k8s/chart", "--kube-context", PROFILE),
        *("--namespace", NAMESPACE, "--values", "k8s/values/minikube.yaml", "--set", ",".join(said)),
        *("--wait", "--timeout", "20m"),
    )


def key() -> str:
    asked = ("get", "secret", f"{RELEASE}-secrets", "--output", "jsonpath={.data.API_KEY}")
    return base64.b64decode(told("reading the key", *KUBECTL, *asked)).decode()


@contextmanager
def forwarded() -> Iterator[str]:
    """The gateway's address while this lasts."""
    command = (*KUBECTL, "port-forward", f"service/{RELEASE}-gateway", ":38300")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
        try:
            for line in forward.stdout or ():
                if found := _FORWARDING.search(line):
                    yield f"http://127.0.0.1:{found[1]}"
                    return
            raise Failed("forwarding a port", forward.wait() or 1)
        finally:
            forward.terminate()


def smoke() -> None:
    # The key is in the environment and not in the process list.
    environ = {**os.environ, "AUTH_TOKEN": key()}
    with forwarded() as url:
        asked = ("-m", "scripts.smoke", "--url", url, "--wait", "120", "--require", "classifier")
        step("asking it", sys.executable, *asked, environ=environ)


def up() -> None:
    refuse_missing_tools()
    start()
    step("building the images", sys.executable, "-m", "scripts.images", "build", *OURS, "--cpu")
    tags = load()
    make_namespace()
    install(tags)
    smoke()
    print(
        "\nIt stands. While these run, the gateway is at http://127.0.0.1:38300\n"
        "and the dashboard at http://127.0.0.1:8501:\n"
        f"  {' '.join(KUBECTL)} port-forward service/{RELEASE}-gateway 38300\n"
        f"  {' '.join(KUBECTL)} port-forward service/{RELEASE}-ui 8501\n"
        "The key:\n"
        f"  {' '.join(KUBECTL)} get secret {RELEASE}-secrets -o jsonpath='{{.data.API_KEY}}' | base64 -d"
    )


def down() -> None:
    if shutil.which("minikube") is None:
        raise Refusal(f"minikube is missing: {TOOLS['minikube']}")
    step("deleting the cluster, with all that it kept", "minikube", "delete", "--profile", PROFILE)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts.minikube", description=__doc__)
    parser.add_argument("what", choices=["up", "down"])
    options = parser.parse_args(arguments)
    try:
        up() if options.what == "up" else down()
    except Refusal as refusal:
        print(f"minikube: {refusal}", file=sys.stderr)
        return 2
    except Failed as failure:
        print(f"minikube: {failure}", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
