"""`make up`, `make down`: everything on this machine's Docker engine, from compose/ (docs/compose.md).

`up` makes compose/.env with random secrets when there is none, builds our images, starts what is not running,
waits until all of it is healthy and tells the addresses. Standard library only; every refusal is one sentence
and exit code 2.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts import images, run
from scripts.bootstrap import ROOT, Refusal

FOLDER = ROOT / "compose"
SECRETS = (
    *("LLM_API_KEY", "EMBEDDINGS_API_KEY", "METRICS_KEY", "POSTGRES_PASSWORD", "GATEWAY_DB_PASSWORD"),
    *("MLFLOW_DB_PASSWORD", "REDIS_PASSWORD", "S3_SECRET_ACCESS_KEY", "GRAFANA_PASSWORD"),
)
IMAGES = ("gateway", "worker", "embeddings", "ui", "bot", "llm")
ENDS_BY_ITSELF = frozenset({"minio_bucket"})
PAGES = {
    "gateway": ("GATEWAY_PORT", 38300),
    "dashboard": ("UI_PORT", 8501),
    "bot": ("BOT_PORT", 6872),
    "drift reports": ("EVIDENTLY_PORT", 8502),
    "MLflow": ("MLFLOW_PORT", 5000),
    "MinIO": ("MINIO_CONSOLE_PORT", 9001),
    "Prometheus": ("PROMETHEUS_PORT", 9090),
    "Alertmanager": ("ALERTMANAGER_PORT", 9093),
    "Grafana": ("GRAFANA_PORT", 3000),
}


@dataclass(frozen=True, slots=True)
class Container:
    service: str
    status: str  # as `docker ps` tells it: "Up 5 seconds (healthy)", "Exited (0) 2 minutes ago"

    @property
    def is_well(self) -> bool:
        if self.service in ENDS_BY_ITSELF:
            return self.status.startswith("Exited (0)")
        return self.status.startswith("Up") and self.status.endswith("(healthy)")


@dataclass(frozen=True, slots=True)
class Stack:
    """What compose is told before its own command."""

    program: tuple[str, ...]
    files: tuple[Path, ...]
    env_file: Path
    project: str

    def command(self, *arguments: str) -> list[str]:
        files = [text for file in self.files for text in ("--file", str(file))]
        told = ["--project-directory", str(FOLDER), "--env-file", str(self.env_file)]
        return [*self.program, "--project-name", self.project, *told, *files, *arguments]

    def ask(self, *arguments: str) -> None:
        if subprocess.run(self.command(*arguments), cwd=ROOT).returncode:
            raise Refusal(f"`{self.program[-1]} {arguments[0]}` failed: what it says is above.")

    def containers(self) -> list[Container]:
        label = "com.docker.compose."
        asked = ["docker", "ps", "--all", "--filter", f"label={label}project={self.project}"]
        asked += ["--format", f'{{{{.Label "{label}service"}}}}\t{{{{.Status}}}}']
        said = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout
        return [Container(*line.split("\t", 1)) for line in sorted(said.splitlines())]


def filled(example: str, cores: int) -> str:
    """The example with a random value for every secret, and no more cores for the model than there are:
    Docker refuses a container that may use others."""
    text = re.sub(
        rf"^({'|'.join(SECRETS)})=$",
        lambda said: f"{said[1]}={secrets.token_urlsafe(24)}",
        example,
        flags=re.M,
    )
    return re.sub(r"^LLM_CPUS=(\d+)$", lambda said: f"LLM_CPUS={min(int(said[1]), cores)}", text, flags=re.M)


def first_start(env_file: Path, example: Path) -> bool:
    return run.made_once(env_file, filled(example.read_text(), os.cpu_count() or 1))


def refuse_unusable_secrets(settings: Mapping[str, str], env_file: Path) -> None:
    """A version that needs a new secret finds an old file, which is never written again."""
    lost = [name for name in SECRETS if name not in settings]
    if lost:
        raise Refusal(
            f"{env_file} has no {', '.join(lost)}: add a line NAME=value for each, of a random value "
            '(`python3 -c "import secrets; print(secrets.token_urlsafe(24))"`).'
        )
    # Compose reads `$` and `#` in its own way, and an address reads `@`, `/` and `:`.
    odd = [name for name in SECRETS if not re.fullmatch(r"[A-Za-z0-9_-]+", settings[name])]
    if odd:
        raise Refusal(f"{', '.join(odd)} of {env_file} may hold letters, digits, - and _ only.")


def compose_program() -> tuple[str, ...]:
    """The plug-in of Docker's client, else the program of its own that was before it."""
    if shutil.which("docker") is None:
        raise Refusal("docker is missing: install Docker Engine and its compose plug-in.")
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise Refusal("Docker has no `compose`: install its plug-in, or docker-compose 1.29.")


def stack_of(options: argparse.Namespace, settings: Mapping[str, str]) -> Stack:
    files = [FOLDER / "compose.yml"]
    if options.profile == "gpu":
        files.append(FOLDER / "gpu.yml")
    files += [file for file in (FOLDER / "local.yml",) if file.exists()]
    project = settings.get("COMPOSE_PROJECT_NAME", "grading-gateway")
    return Stack(compose_program(), (*files, *options.file), options.env_file, project)


def wait(stack: Stack, limit_s: float) -> None:
    """Until every container is healthy, telling each as it becomes so. Raises Refusal."""
    began, told = time.monotonic(), set[str]()
    while True:
        containers = stack.containers()
        for found in containers:
            if found.is_well and found.service not in told:
                told.add(found.service)
                print(f"up: {found.service} is well after {time.monotonic() - began:.0f} s", flush=True)
        ill = [found for found in containers if not found.is_well]
        if containers and not ill:
            return
        if time.monotonic() - began > limit_s:
            names = ", ".join(f"{found.service} ({found.status})" for found in ill)
            raise Refusal(f"not healthy after {limit_s:.0f} s: {names or 'nothing runs'}.")
        time.sleep(1)


def addresses(settings: Mapping[str, str]) -> str:
    rows = [(name, settings.get(port, str(default))) for name, (port, default) in PAGES.items()]
    return "\n".join(f"  {name:<14} http://127.0.0.1:{port}" for name, port in rows)


def fetch(how: str, profile: str, settings: Mapping[str, str]) -> None:
    """Our images: built here, pulled from where IMAGE_PREFIX says, or there already."""
    if how == "there":
        return
    told = {**os.environ, **settings}
    build = [sys.executable, "-m", "scripts.images", "build", *IMAGES]
    build += ["--cpu"] if profile == "cpu" else []
    pull = [["docker", "pull", images.tag(name, told)] for name in IMAGES]
    for command in [build] if how == "build" else pull:
        if subprocess.run(command, cwd=ROOT, env=told).returncode:
            raise Refusal("an image cannot be had: what is said above tells why.")


def up(options: argparse.Namespace) -> None:
    if first_start(options.env_file, FOLDER / ".env.example"):
        print(f"up: made {options.env_file.name} from .env.example, with new secrets.", flush=True)
    settings = run.read_settings(options.env_file)
    refuse_unusable_secrets(settings, options.env_file)
    stack = stack_of(options, settings)
    fetch(options.images, options.profile, settings)
    stack.ask("up", "--detach", "--remove-orphans")
    wait(stack, options.wait)
    print(f"{addresses(settings)}\nup: the gateway's key is API_KEY of {options.env_file}.")
    if settings.get("API_KEY") == run.DEMONSTRATION_KEY:
        print("WARNING: that is the course's key: fine on this machine only.", file=sys.stderr)


def down(options: argparse.Namespace) -> None:
    if not options.env_file.exists():
        raise Refusal(f"{options.env_file} is not there: nothing was started by `make up`.")
    stack = stack_of(options, run.read_settings(options.env_file))
    stack.ask("down", "--remove-orphans", *(["--volumes"] if options.volumes else []))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts.compose", description=__doc__)
    parser.add_argument("what", choices=["up", "down"])
    parser.add_argument("--profile", choices=["cpu", "gpu"], default="cpu", help="of the model server")
    parser.add_argument("--file", type=Path, action="append", default=[], help="a further file of Compose")
    parser.add_argument("--env-file", type=Path, default=FOLDER / ".env")
    parser.add_argument("--images", choices=["build", "pull", "there"], default="build", help="up: ours")
    parser.add_argument("--wait", type=float, default=1800, help="up: seconds until all are healthy, at most")
    parser.add_argument("--volumes", action="store_true", help="down: with everything that was stored")
    options = parser.parse_args(arguments)
    try:
        {"up": up, "down": down}[options.what](options)
    except (Refusal, subprocess.CalledProcessError) as refusal:
        print(f"{options.what}: {refusal}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
