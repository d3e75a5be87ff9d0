"""Each pod of ours starts on a real Docker engine as the chart says: its image, command, settings, user,
read-only root and volumes; its probes pass, and what `helm test` runs finds nothing wrong.

No cluster: one network of containers under the names of the chart's Services, without PostgreSQL and so
without a worker. DOCKER_HOST names an engine that has the images (`make images`, llm with `--cpu`).
"""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ship import charted, engine
from tests.ship.charted import Object, merged, objects_of, one, pods

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

CPU = {"gpus": 0, "hub": False, "settings": {"LLM_MODEL": "local"}}
VALUES = merged(charted.SQLITE, {"llm": CPU, "bot": {"enabled": True}, "evidently": {"enabled": True}})
SERVERS = ("embeddings", "llm", "gateway", "ui", "bot", "evidently", "mlflow")
ASK = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=float(sys.argv[2]))"


@dataclass(frozen=True, slots=True)
class Release:
    host: str
    network: str
    found: list[Object]
    folder: Path

    def pod(self, name: str) -> Object:
        return dict(pods(self.found))[f"grading-{name}"]["spec"]

    def settings(self, container: Object) -> dict[str, str]:
        """As the kubelet puts them together: whole ConfigMaps, then single values, then those of Secrets."""
        said: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            said |= one(self.found, "ConfigMap", source["configMapRef"]["name"])["data"]
        secret = one(self.found, "Secret", "grading-secrets")["stringData"]
        for entry in container.get("env", ()):
            key = entry.get("valueFrom", {}).get("secretKeyRef", {}).get("key")
            if key is None:
                said[entry["name"]] = entry["value"]
            elif key in secret:
                said[entry["name"]] = secret[key]
        return said

    def mounts(self, name: str) -> list[str]:
        """Files of Secrets and ConfigMaps as they are; every other volume is empty and in memory."""
        pod, options = self.pod(name), []
        files = {volume["name"]: volume for volume in pod.get("volumes", ())}
        for mount in pod["containers"][0]["volumeMounts"]:
            volume = files.get(mount["name"], {})
            if "secret" in volume or "configMap" in volume:
                folder = self.folder / name / mount["name"]
                folder.mkdir(parents=True)
                for file, text in self._texts(volume).items():
                    (folder / file).write_text(text)
                options += ["--volume", f"{folder}:{mount['mountPath']}:ro"]
            else:
                group = pod["securityContext"]["fsGroup"]
                options += ["--tmpfs", f"{mount['mountPath']}:uid={group},gid={group},exec"]
        return options

    def _texts(self, volume: Object) -> dict[str, str]:
        if "configMap" in volume:
            return one(self.found, "ConfigMap", volume["configMap"]["name"])["data"]
        data = one(self.found, "Secret", volume["secret"]["secretName"])["stringData"]
        return {item["path"]: data[item["key"]] for item in volume["secret"]["items"]}

    def command(self, name: str) -> list[str]:
        """`docker run`'s words."""
        pod = self.pod(name)
        (container,) = pod["containers"]
        user, inner = pod["securityContext"], container["securityContext"]
        words = ["--name", f"{self.network}-{name}", "--network", self.network]
        words += ["--network-alias", f"grading-{name}", "--network-alias", f"grading-{name}-0.grading-{name}"]
        words += ["--user", f"{user['runAsUser']}:{user['runAsGroup']}"]
        words += ["--cap-drop", *inner["capabilities"]["drop"], "--security-opt", "no-new-privileges"]
        words += ["--read-only"] * inner["readOnlyRootFilesystem"]
        memory = container["resources"]["limits"]["memory"]
        words += ["--memory", memory.removesuffix("i").lower(), *self.mounts(name)]
        for setting, value in self.settings(container).items():
            words += ["--env", f"{setting}={value}"]
        if "workingDir" in container:
            words += ["--workdir", container["workingDir"]]
        said = [*container.get("command", ()), *container.get("args", ())]
        if "command" in container:
            words += ["--entrypoint", said.pop(0)]
        return [*words, container["image"], *said]

    def passes(self, name: str, probe: str) -> bool:
        (container,) = self.pod(name)["containers"]
        asked = container[probe]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        url = f"http://127.0.0.1:{ports[asked['httpGet']['port']]}{asked['httpGet']['path']}"
        words = ["python3", "-c", ASK, url, str(asked["timeoutSeconds"])]
        command = ["docker", "--host", self.host, "exec", f"{self.network}-{name}", *words]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0

    def waits(self, name: str, probe: str, seconds: float) -> None:
        container, until = f"{self.network}-{name}", time.monotonic() + seconds
        while not self.passes(name, probe):
            running = engine.docker(self.host, "inspect", "--format", "{{.State.Running}}", container)
            if running.strip() != "true" or time.monotonic() > until:
                command = ["docker", "--host", self.host, "logs", "--tail", "20", container]
                log = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                pytest.fail(f"{probe} of {name} does not pass:\n{log.stdout}")
            time.sleep(1)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    host = os.environ.get("DOCKER_HOST", "")
    if not host:
        pytest.fail("DOCKER_HOST names no engine with the images.")
    network = f"chart-{os.getpid()}"
    folder = tmp_path_factory.mktemp("release")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # read by the pods' user, who is not this one
    made = Release(host, network, objects_of(VALUES), folder)
    engine.docker(host, "network", "create", network)
    try:
        for name in SERVERS:
            engine.docker(host, "run", "--detach", *made.command(name))
        yield made
    finally:
        for name in (*SERVERS, "smoke"):
            subprocess.run(
                ["docker", "--host", host, "rm", "--force", "--volumes", f"{network}-{name}"],
                capture_output=True,
            )
        engine.docker(host, "network", "rm", network)


@pytest.mark.parametrize("name", SERVERS)
def test_a_pod_starts_and_its_probes_pass(release: Release, name: str) -> None:
    startup = release.pod(name)["containers"][0]["startupProbe"]
    release.waits(name, "startupProbe", 3 * startup["periodSeconds"] * startup["failureThreshold"])
    release.waits(name, "livenessProbe", 30)
    release.waits(name, "readinessProbe", 60)


def test_what_helm_test_runs_finds_nothing_wrong(release: Release) -> None:
    command = ["docker", "--host", release.host, "run", *release.command("smoke")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stdout + run.stderr
    for check in ("chat", "grade", "embeddings", "classifier", "masking"):
        assert f"ok      {check} " in run.stdout, run.stdout
