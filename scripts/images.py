"""`python3 -m scripts.images build [NAME...]`: the images, by `docker build`; `sizes`: how large they are.

Standard library only. An image is called IMAGE_PREFIX/NAME:IMAGE_TAG (grading-gateway/gateway:dev).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.bootstrap import ROOT, Refusal

DOCKERFILES = ROOT / "docker"
NAMES = ("gateway", "worker", "embeddings", "ui", "bot", "predict", "llm")
# The official vLLM for a CPU, which llm.Dockerfile's own base is not.
VLLM_CPU = (
    "docker.io/vllm/vllm-openai-cpu:v0.31.0-x86_64"
    "@sha256:8024248339dc6878daa5349344ed29d49c8a6732f6bdf7400fda32ce33e4b30b"
)
_BASE = re.compile(r"^ARG ((?:PYTHON|VLLM)_IMAGE)=(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bases:
    """What the images stand on, where it is not what their Dockerfiles say."""

    python: str = ""
    vllm: str = ""

    def of(self, name: str) -> tuple[str, str]:
        """The build argument's name, and the base."""
        found = _BASE.search((DOCKERFILES / f"{name}.Dockerfile").read_text())
        if found is None:
            raise Refusal(f"docker/{name}.Dockerfile names no base.")
        argument, written = found.groups()
        return argument, (self.python if argument == "PYTHON_IMAGE" else self.vllm) or written


def tag(name: str, environ: Mapping[str, str] = os.environ) -> str:
    return f"{environ.get('IMAGE_PREFIX') or 'grading-gateway'}/{name}:{environ.get('IMAGE_TAG') or 'dev'}"


def version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    return found[1] if found else "dev"


def revision() -> str:
    """The commit, marked where the tree differs from it; empty outside a repository."""
    asked = ["git", "describe", "--always", "--abbrev=40", "--match=", "--dirty"]
    try:
        run = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def build_command(name: str, bases: Bases, *, network: str, commit: str) -> list[str]:
    argument, base = bases.of(name)
    command = ["docker", "build", "--file", f"docker/{name}.Dockerfile", "--tag", tag(name)]
    command += ["--build-arg", f"{argument}={base}", "--build-arg", f"VERSION={version()}"]
    command += ["--build-arg", f"REVISION={commit}"]
    if network:
        command += ["--network", network]
    return [*command, "."]


def build(names: Sequence[str], bases: Bases, *, network: str) -> None:
    commit = revision()
    for name in names:
        print(f"== building {tag(name)}", flush=True)
        if subprocess.run(build_command(name, bases, network=network, commit=commit), cwd=ROOT).returncode:
            raise Refusal(f"{tag(name)} could not be built: the lines above say why.")


def size(image: str) -> int:
    """Bytes, unpacked. Raises Refusal."""
    asked = ["docker", "image", "inspect", "--format", "{{.Size}}", image]
    run = subprocess.run(asked, capture_output=True, text=True)
    if run.returncode:
        raise Refusal(f"{image} is not in this engine: `make images` builds the images.")
    return int(run.stdout)


def over_base(name: str, bases: Bases) -> tuple[int, int]:
    """Bytes of the image, and of them those over its base. Raises Refusal."""
    whole = size(tag(name))
    return whole, whole - size(bases.of(name)[1])


def sizes(names: Sequence[str], bases: Bases) -> None:
    for name in names:
        whole, over = over_base(name, bases)
        print(f"{tag(name):40} {whole / 1e6:7.0f} MB, {over / 1e6:6.0f} MB over its base")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts.images", description=__doc__)
    parser.add_argument("what", choices=["build", "sizes"])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; none: all")
    parser.add_argument(
        "--network", default="", help="of a build's commands: `host` where it needs the machine's"
    )
    parser.add_argument("--python-image", default="", help="the base of all but llm")
    parser.add_argument("--vllm-image", default="", help="the base of llm")
    parser.add_argument("--cpu", action="store_true", help="llm on the official image for a CPU")
    options = parser.parse_args(arguments)
    names = options.names or list(NAMES)
    bases = Bases(options.python_image, options.vllm_image or (VLLM_CPU if options.cpu else ""))
    try:
        if unknown := sorted({*names} - {*NAMES}):
            raise Refusal(f"There is no image {', '.join(unknown)}; there are {', '.join(NAMES)}.")
        if shutil.which("docker") is None:
            raise Refusal("docker is missing.")
        if options.what == "build":
            build(names, bases, network=options.network)
        else:
            sizes(names, bases)
    except Refusal as refusal:
        print(f"images: {refusal}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
