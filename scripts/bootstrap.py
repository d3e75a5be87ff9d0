"""Make the project's environments from nothing: `python3 -m scripts.bootstrap NAME...`, names as in `NAMES`.

Standard library only, because it runs before anything is installed. uv comes by hash from
`requirements/uv.txt` and installs the rest by hash. A stamp in each environment names the lock that it was
made from and is written last: an environment without it is half made and is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
STAMP = ".made-from"
GIB = 1 << 30


class Refusal(Exception):
    """Something only the person at the keyboard can mend, told in one sentence."""


class Environment(NamedTuple):
    folder: str
    lock: str
    what: str
    gib: float  # free disk needed to make it: its size, and room for the downloads
    cpu_torch: bool = False
    pythons: tuple[tuple[int, int], ...] = ((3, 11),)  # torch's CPU wheel is locked for one of them


DEV = Environment(
    ".venv", "requirements/dev.txt", "gateway, tests and linters", 2.0, pythons=((3, 11), (3, 12))
)
LLM_CPU = Environment(
    ".venv-vllm", "requirements/llm-cpu.txt", "model server (vLLM, CPU)", 5.0, cpu_torch=True
)
LLM_GPU = Environment(".venv-vllm", "requirements/llm-gpu.txt", "model server (vLLM, CUDA)", 20.0)
TRAIN = Environment(
    ".venv-train", "requirements/llm-train.txt", "the small local model's training", 3.0, cpu_torch=True
)
EMBEDDINGS = Environment(".venv-embeddings", "requirements/embeddings.txt", "embeddings service", 1.0)
WORKER = Environment(".venv-worker", "requirements/worker.txt", "training worker", 3.0)
UI = Environment(".venv-ui", "requirements/ui.txt", "dashboard", 1.5)
SHIP = Environment(".venv-ship", "requirements/ship.txt", "linters of images, charts and docs", 1.0)
EMBEDDINGS_TRAIN = Environment(
    ".venv-embeddings-train",
    "requirements/embeddings-train.txt",
    "training of the embeddings service's models",
    4.0,
    cpu_torch=True,
)
NAMES = ("dev", "worker", "embeddings", "embeddings-train", "ui", "ship", "llm", "llm-train")


def environment(name: str) -> Environment:
    if name == "llm":
        return LLM_GPU if has_gpu() else LLM_CPU
    made = {
        "dev": DEV,
        "worker": WORKER,
        "embeddings": EMBEDDINGS,
        "embeddings-train": EMBEDDINGS_TRAIN,
        "llm-train": TRAIN,
        "ui": UI,
        "ship": SHIP,
    }
    return made[name]


def has_gpu() -> bool:
    """LLM_DEVICE decides; `auto` asks nvidia-smi."""
    wish = os.environ.get("LLM_DEVICE") or "auto"
    if wish not in {"auto", "cpu", "gpu"}:
        raise Refusal(f"LLM_DEVICE must be auto, cpu or gpu, not {wish!r}.")
    if wish != "auto" or shutil.which("nvidia-smi") is None:
        return wish == "gpu"
    answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and "GPU" in answer.stdout


def stamp_of(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def is_made(folder: Path, lock: Path) -> bool:
    """A broken link to an interpreter that has gone makes an environment unmade again."""
    stamp = folder / STAMP
    return (folder / "bin/python").exists() and stamp.is_file() and stamp.read_text() == stamp_of(lock)


def write_stamp(folder: Path, lock: Path) -> None:
    new = folder / f"{STAMP}.new"
    new.write_text(stamp_of(lock))
    new.replace(folder / STAMP)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two terminals may say `make` at once; the second waits and then finds everything made."""
    root = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        yield
    finally:
        os.close(root)


def run(command: list[str], failed: str) -> None:
    settings = {"UV_HTTP_TIMEOUT": "300", **os.environ}
    if ssl.get_default_verify_paths().cafile:
        # The machine's own authorities: behind a company's proxy uv's built-in ones are not enough.
        settings.setdefault("UV_SYSTEM_CERTS", "true")
    settings.pop("VIRTUAL_ENV", None)  # uv would warn that it is not the one being made
    if subprocess.run(command, cwd=ROOT, env=settings, check=False).returncode:
        raise Refusal(f"{failed} The lines above say why; the same command goes on from here.")


def install_uv() -> Path:
    folder, lock = ROOT / ".venv-uv", ROOT / "requirements/uv.txt"
    python = folder / "bin/python"
    if not is_made(folder, lock):
        shutil.rmtree(folder, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, check=False)
        if made.returncode:
            raise Refusal(
                "This Python cannot make virtual environments: install its venv module "
                "(on Debian and Ubuntu: apt-get install python3-venv)."
            )
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run([*pip, "--require-hashes", "-r", str(lock)], "uv could not be installed.")
        write_stamp(folder, lock)
    return folder / "bin/uv"


def folders_pip_knows() -> list[str]:
    """uv does not read pip's configuration, where a machine may name its folder of wheels."""
    places = os.environ.get("PIP_FIND_LINKS", "")
    for scope in ("global", "user", "site"):
        ask = [sys.executable, "-m", "pip", "config", "get", f"{scope}.find-links"]
        places += "\n" + subprocess.run(ask, capture_output=True, text=True, check=False).stdout
    return list(dict.fromkeys(places.split()))


def torch_source() -> list[str]:
    """Where torch's CPU build comes from; without care the CUDA build of several GB arrives."""
    wish = os.environ.get("TORCH_WHEELS", "")
    if "://" in wish:
        # The hashes make it safe to look for every package at both places.
        return ["--index", wish, "--index-strategy", "unsafe-best-match"]
    for place in [wish] if wish else folders_pip_knows():
        if any(Path(place).glob("torch-*+cpu*.whl")):
            return ["--find-links", place]
    if wish:
        raise Refusal(f"TORCH_WHEELS names {wish}, where no CPU build of torch (torch-*+cpu*.whl) lies.")
    return ["--torch-backend", "cpu"]


def interpreter(wanted: Environment) -> str:
    """This Python where it fits; otherwise uv finds one, or fetches it."""
    if sys.version_info[:2] in wanted.pythons:
        return sys.executable
    return ".".join(map(str, wanted.pythons[-1]))


def missing(names: list[str]) -> list[Environment]:
    every = [environment(name) for name in names]
    return [one for one in every if not is_made(ROOT / one.folder, ROOT / one.lock)]


def free_gib() -> float:
    return shutil.disk_usage(ROOT).free / GIB


def refuse_what_cannot_be_made(environments: list[Environment]) -> None:
    """Before the first byte is fetched."""
    need = sum(one.gib for one in environments)
    if (free := free_gib()) < need:
        raise Refusal(f"Too little disk: {need:.0f} GB are needed to install, {free:.1f} GB are free.")
    here = f"{platform.system()} {platform.machine()}"
    if here != "Linux x86_64" and any(one is not DEV for one in environments):
        raise Refusal(f"The model server's pinned packages are for Linux x86_64; this is {here}.")


def make(names: list[str]) -> None:
    with one_at_a_time():
        todo = missing(names)
        refuse_what_cannot_be_made(todo)
        for one in todo:
            build(install_uv(), one)


def build(uv: Path, wanted: Environment) -> None:
    started = time.monotonic()
    print(f"== installing {wanted.what} into {wanted.folder}", flush=True)
    folder, lock = ROOT / wanted.folder, ROOT / wanted.lock
    shutil.rmtree(folder, ignore_errors=True)
    failed = f"{wanted.folder} could not be made."
    run([str(uv), "venv", "--quiet", "--python", interpreter(wanted), str(folder)], failed)
    # A lock is complete, and llm-cpu's leaves out what its packages ask for: --no-deps.
    install = [
        str(uv),
        "pip",
        "install",
        "--python",
        str(folder / "bin/python"),
        "--no-deps",
        "--require-hashes",
    ]
    if wanted.cpu_torch:
        install += torch_source()
    run([*install, "-r", str(lock)], failed)
    write_stamp(folder, lock)
    print(f"== {wanted.folder} made in {time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    names = sys.argv[1:]
    if not names or not set(names) <= set(NAMES):
        print(f"{__doc__}\nNames: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    try:
        make(names)
    except Refusal as refusal:
        print(f"bootstrap: {refusal}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
