"""`make lock`: compile pyproject's extras into hash-pinned requirement sets, one per service.

Pins that are there stay; `--upgrade` renews them, leaving out anything younger than a week.
A set names no index: packages come from wherever the installer's own settings point.
"""

import subprocess
import sys
from pathlib import Path

from scripts import bootstrap

ROOT = bootstrap.ROOT
REQUIREMENTS = ROOT / "requirements"

ANYWHERE = ("--universal",)
# One platform, because torch's CPU build and vLLM publish a wheel each for it and nothing that fits all.
LINUX = ("--python-platform", "x86_64-manylinux_2_28")
# What the encoder's wheel asks for and the service never imports.
NO_TORCH = ("--overrides", "requirements/embeddings.overrides")

# set -> (extras, options). A later set takes the pins of `gateway`, so that what is tested is what is served.
SETS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "gateway": (("gateway",), ANYWHERE),
    "dev": (
        ("gateway", "run", "test", "load", "lint", "bench"),
        (*ANYWHERE, "--constraint", "requirements/gateway.txt"),
    ),
    "worker": (("gateway", "worker", "test"), (*LINUX, "--constraint", "requirements/gateway.txt")),
    "embeddings": (
        ("embeddings", "embeddings-test"),
        # No universal set: its answer to the override is a marker, and torch and the rest would stay in it.
        (
            *LINUX,
            "--constraint",
            "requirements/gateway.txt",
            *NO_TORCH,
        ),
    ),
    "ui": (("ui", "ui-test"), (*LINUX, "--constraint", "requirements/worker.txt")),
    "bot": (("bot",), (*ANYWHERE, "--constraint", "requirements/dev.txt")),
    # What the images install: the pins that were tested, without the tests' packages.
    "worker-image": (
        ("gateway", "worker", "ray-cluster"),
        (*LINUX, "--constraint", "requirements/worker.txt"),
    ),
    "embeddings-image": (
        ("embeddings",),
        (
            *LINUX,
            "--constraint",
            "requirements/embeddings.txt",
            *NO_TORCH,
        ),
    ),
    "ui-image": (("ui",), (*LINUX, "--constraint", "requirements/ui.txt")),
    "ship": (("ship",), LINUX),
    "llm-cpu": (("llm-cpu",), (*LINUX, "--overrides", "requirements/llm-cpu.overrides")),
    "llm-gpu": (("llm-gpu",), LINUX),
    "llm-train": (("llm-train",), LINUX),
    # What is trained is served: the pins of the service win.
    "embeddings-train": (("embeddings-train",), (*LINUX, "--constraint", "requirements/embeddings.txt")),
}
# KServe's types ask for an older protobuf than our generated code, which is not imported beside them.
UNCONSTRAINED = frozenset({"ship"})
CPU_TORCH = frozenset({"llm-cpu", "llm-train", "embeddings-train"})


def compile_set(uv: Path, name: str, *, upgrade: bool) -> None:
    extras, options = SETS[name]
    command = [str(uv), "pip", "compile", "pyproject.toml", "--quiet", "--python-version", "3.11"]
    for extra in extras:
        command += ["--extra", extra]
    if name not in UNCONSTRAINED:
        command += ["--constraint", "requirements/constraints.in"]
    command += options
    command += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--custom-compile-command", "make lock", "--output-file", f"requirements/{name}.txt"]
    if name in CPU_TORCH:
        command += bootstrap.torch_source()
    if upgrade:
        command += ["--upgrade", "--exclude-newer", "7 days"]
    print(f"lock: {name}", flush=True)
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def compile_uv(uv: Path) -> None:
    """The installer itself, by hash: the only set that pip installs."""
    command = [str(uv), "pip", "compile", "requirements/uv.in", "--quiet", "--universal", "--generate-hashes"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock"]
    command += ["--output-file", "requirements/uv.txt"]
    print("lock: uv", flush=True)
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    uv = bootstrap.install_uv()
    upgrade = "--upgrade" in sys.argv[1:]
    compile_uv(uv)
    for name in SETS:
        compile_set(uv, name, upgrade=upgrade)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
