"""`python3 -m tests.ship.engine up|vllm|down --folder DIR`: a Docker engine of our own where none answers.

Root only, with Debian's `docker.io` and `mmdebstrap`. Its socket is DIR/docker.sock, and everything that it
keeps lies in DIR. For where no image can be pulled `up` makes one to stand for the official Python image,
`gateway-base:bookworm`: Debian bookworm with Python 3.11 and this machine's way to the package registries
(certificates, proxies, index). `vllm` makes `gateway-vllm:cpu`, to stand for the official vLLM image.
Standard library only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import bootstrap
from scripts.bootstrap import Refusal

BASE = "gateway-base:bookworm"
VLLM = "gateway-vllm:cpu"
_ROOT = "gateway-root:bookworm"
_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "grading-gateway"
_STANDINS = Path(__file__).parent / "standins"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_START_S, _STOP_S = 60.0, 30.0
# How this machine reaches the registries; pip and uv read the same names inside.
_PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "UV_DEFAULT_INDEX")


def socket_of(folder: Path) -> str:
    return f"unix://{folder.resolve()}/docker.sock"


def docker(host: str, *arguments: str, timeout_s: float = 600.0) -> str:
    """What `docker` said. Raises subprocess.CalledProcessError."""
    run = subprocess.run(
        ["docker", *arguments],
        env={**os.environ, "DOCKER_HOST": host, "DOCKER_BUILDKIT": "0"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout_s,
    )
    return run.stdout.strip()


def answers(host: str) -> bool:
    try:
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        settings = {**os.environ, "DOCKER_HOST": host}
        return subprocess.run(asked, env=settings, capture_output=True, timeout=20).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def up(folder: Path, cache: Path) -> str:
    """The address of an engine that answers and has the base; started unless it is there. Raises Refusal."""
    if os.geteuid() != 0:
        raise Refusal("A Docker engine of our own needs root.")
    for program in ("dockerd", "docker", "mmdebstrap"):
        if shutil.which(program) is None:
            raise Refusal(
                f"{program} is missing: apt-get install --no-install-recommends docker.io mmdebstrap"
            )
    folder.mkdir(parents=True, exist_ok=True)
    host = socket_of(folder)
    if not answers(host):
        _start(folder, host)
    if not docker(host, "images", "--quiet", BASE):
        _make_base(host, cache)
    return host


def _start(folder: Path, host: str) -> None:
    folder = folder.resolve()
    command = ["dockerd", "--host", host, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/run"]
    command += ["--pidfile", f"{folder}/dockerd.pid", "--log-level", "warn"]
    with (folder / "dockerd.log").open("ab") as log:
        engine = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    until = time.monotonic() + _START_S
    while not answers(host):
        if engine.poll() is not None or time.monotonic() > until:
            engine.kill()
            raise Refusal(f"dockerd did not start: {folder}/dockerd.log says why.")
        time.sleep(0.2)


def way_to_the_registries(environ: Mapping[str, str]) -> dict[str, str]:
    """What a container must be told to reach the registries as this machine does."""
    told = {name: environ[name] for name in (*_PASSED_ON, *map(str.lower, _PASSED_ON)) if environ.get(name)}
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    )
    index = asked.stdout.strip()
    if index.startswith("http"):
        told = {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index} | told
    if _AUTHORITIES.is_file():
        told |= {"SSL_CERT_FILE": str(_AUTHORITIES), "PIP_CERT": str(_AUTHORITIES)}
    return told


def _make_base(host: str, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    tree = cache / "bookworm-python.tar"
    if not tree.exists():
        new = tree.with_suffix(f".{os.getpid()}.tar")
        asked = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(new)]
        subprocess.run(asked, check=True)
        new.replace(tree)
    docker(host, "import", str(tree), _ROOT)
    with tempfile.TemporaryDirectory() as context:
        lines = [f"FROM {_ROOT}"]
        if _AUTHORITIES.is_file():
            shutil.copy(_AUTHORITIES, context)
            lines.append(f"COPY {_AUTHORITIES.name} {_AUTHORITIES}")
        lines += [f'ENV {name}="{value}"' for name, value in way_to_the_registries(os.environ).items()]
        (Path(context) / "Dockerfile").write_text("\n".join(lines))
        docker(host, "build", "--quiet", "--tag", BASE, context)


def make_vllm(host: str) -> None:
    """What stands for the official vLLM image; minutes, and 2 GB."""
    if docker(host, "images", "--quiet", VLLM):
        return
    source = bootstrap.torch_source()
    with tempfile.TemporaryDirectory() as made:
        context = Path(made)
        for lock in ("uv", "llm-cpu"):
            shutil.copy(bootstrap.ROOT / f"requirements/{lock}.txt", context)
        if source[0] == "--find-links":
            shutil.copytree(source[1], context / "wheels")
            source = ["--find-links", "wheels"]
        command = ["build", "--quiet", "--network", "host", "--tag", VLLM]
        command += ["--build-arg", f"PYTHON_IMAGE={BASE}", "--build-arg", f"TORCH_SOURCE={' '.join(source)}"]
        docker(host, *command, "--file", str(_STANDINS / "vllm.Dockerfile"), made, timeout_s=1800)


def down(folder: Path, *, keep: bool = False) -> None:
    """Stops containers and engine; takes away the mounts and, unless they are to be kept, the files."""
    host, pid_file = socket_of(folder), folder / "dockerd.pid"
    if answers(host):
        running = docker(host, "ps", "--quiet").split()
        if running:
            docker(host, "kill", *running)
    if pid_file.exists():
        _stop(int(pid_file.read_text()))
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place.startswith(f"{folder.resolve()}/"):
            subprocess.run(["umount", "--lazy", place])
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def _stop(process: int) -> None:
    until = time.monotonic() + _STOP_S
    try:
        os.kill(process, signal.SIGTERM)
        while time.monotonic() < until:
            os.kill(process, 0)
            time.sleep(0.2)
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.ship.engine", description=__doc__)
    parser.add_argument("what", choices=["up", "vllm", "down"])
    parser.add_argument(
        "--folder", type=Path, required=True, help="of the socket and of all that the engine keeps"
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="of the base's tree, which takes two minutes"
    )
    parser.add_argument(
        "--keep", action="store_true", help="down: leave images and volumes for the next start"
    )
    options = parser.parse_args(arguments)
    try:
        if options.what == "down":
            down(options.folder, keep=options.keep)
            return 0
        host = up(options.folder, options.cache)
        if options.what == "vllm":
            make_vllm(host)
        sys.stdout.write(f"export DOCKER_HOST={host}\n")
    except (Refusal, bootstrap.Refusal) as refusal:
        sys.stderr.write(f"engine: {refusal}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
