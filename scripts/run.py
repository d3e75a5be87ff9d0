"""`make run`: look before leaping, install what is missing, hand over to honcho (`scripts/processes.py`).

Standard library only: it runs before anything is installed. Every refusal is one sentence and exit code 2.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
from pathlib import Path
from typing import NoReturn

from scripts import bootstrap
from scripts.bootstrap import ROOT, Refusal

DEMONSTRATION_KEY = "cu_prodml_hw_week13"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
ENVIRONMENTS = ["dev", "worker", "ui", "embeddings", "llm"]
# Whose address is asked for under these names, and where each listens by default.
LISTENING = {
    "PORT": ("HOST", 38300),
    "RPC_PORT": ("HOST", 50051),
    "LLM_PORT": ("LLM_HOST", 8000),
    "EMBEDDINGS_PORT": ("EMBEDDINGS_HOST", 8081),
    "UI_PORT": ("UI_HOST", 8501),
    "EVIDENTLY_PORT": ("EVIDENTLY_HOST", 8502),
    "API_PORT": ("BOT_HOST", 6872),
}


def first_start(env_file: Path, example: Path) -> bool:
    text = example.read_text()
    text = text.replace("\nLLM_API_KEY=\n", f"\nLLM_API_KEY={secrets.token_urlsafe(32)}\n")
    return made_once(env_file, text)


def made_once(env_file: Path, text: str) -> bool:
    """For its owner's eyes only, and never written again."""
    try:
        handle = os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return True


def read_settings(env_file: Path) -> dict[str, str]:
    """NAME=value lines; an empty value counts as not said. What the environment says already wins."""
    said: dict[str, str] = {}
    for number, line in enumerate(env_file.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise Refusal(f"{env_file.name} line {number} is not of the form NAME=value.")
        said[name.strip()] = value.strip().strip("'\"")
    merged = said | dict(os.environ)
    return {name: value for name, value in merged.items() if value or name not in said}


def port_of(settings: dict[str, str], name: str, default: int) -> int:
    text = settings.get(name, str(default))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise Refusal(f"{name} must be a port number, not {text!r}.")
    return int(text)


def refuse_demonstration_key_in_public(settings: dict[str, str]) -> None:
    host = settings.get("HOST", "127.0.0.1")
    if settings.get("API_KEY") != DEMONSTRATION_KEY:
        return
    if host not in LOOPBACK and settings.get("ALLOW_DEMO_KEY", "").lower() not in {"1", "true", "yes", "on"}:
        raise Refusal(
            f"HOST={host} listens beyond this machine, but API_KEY is still the course's demonstration key: "
            "set another API_KEY in .env first."
        )
    print(
        "WARNING: API_KEY is the course's demonstration key, known to everybody: fine on this machine only.",
        file=sys.stderr,
    )


def refuse_taken_port(host: str, port: int, name: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as failure:
            raise Refusal(
                f"Cannot listen on {host}:{port} ({failure.strerror or failure}){owner_of(port)}: "
                f"stop what is there, or set {name} in .env."
            ) from None


def owner_of(port: int) -> str:
    """The program that listens there, where Linux lets us see it."""
    listening = f":{port:04X}"
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = row.split()
            if not fields[1].endswith(listening) or fields[3] != "0A":
                continue
            for link in Path("/proc").glob("[0-9]*/fd/*"):
                try:
                    if str(link.readlink()) == f"socket:[{fields[9]}]":
                        process = link.parent.parent
                        return f", taken by {(process / 'comm').read_text().strip()} (process {process.name})"
                except OSError:
                    continue  # it ended, or belongs to somebody else
    return ""


def refuse_machine() -> None:
    """Tools that vLLM's CPU build calls at its start; it needs no compiler, since nothing is compiled."""
    if not bootstrap.has_gpu() and shutil.which("lscpu") is None:
        raise Refusal("vLLM asks `lscpu` for the processor's layout: install util-linux.")


def preflight() -> dict[str, str]:
    env_file = ROOT / ".env"
    if first_start(env_file, ROOT / ".env.example"):
        print("run: made .env from .env.example, with a new key between gateway and model server.")
    settings = read_settings(env_file)
    os.environ.update({name: settings[name] for name in ("LLM_DEVICE", "TORCH_WHEELS") if name in settings})
    if "LLM_API_KEY" not in settings:
        raise Refusal(
            "LLM_API_KEY is empty in .env: give it a long random value, or delete .env to start anew."
        )
    refuse_demonstration_key_in_public(settings)
    for name in LISTENING:
        if settings.get(name) != "0":  # no gRPC
            refuse_taken_port(*address(settings, name), name)
    refuse_machine()
    bootstrap.refuse_what_cannot_be_made(bootstrap.missing(ENVIRONMENTS))
    return with_addresses(settings)


def address(settings: dict[str, str], name: str) -> tuple[str, int]:
    """Where the one of that port's name listens."""
    host, port = LISTENING[name]
    return settings.get(host, "127.0.0.1"), port_of(settings, name, port)


def url_of(settings: dict[str, str], name: str) -> str:
    """How the others on this machine reach it."""
    host, port = address(settings, name)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # that of listening everywhere
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def with_addresses(settings: dict[str, str]) -> dict[str, str]:
    """The settings, with the addresses where `make run` serves everything unless they say others."""

    evidently_host, evidently_port = address(settings, "EVIDENTLY_PORT")
    return {
        "LLM_URL": url_of(settings, "LLM_PORT"),
        "EMBEDDINGS_URL": url_of(settings, "EMBEDDINGS_PORT"),
        "GATEWAY_URL": url_of(settings, "PORT"),
        "PROXY_URL": url_of(settings, "PORT"),
        "OPEN_AI_API_KEY": settings.get("API_KEY", ""),
        "EVIDENTLY_URL": url_of(settings, "EVIDENTLY_PORT"),
        "EVIDENTLY_HOST": evidently_host,
        "EVIDENTLY_PORT": str(evidently_port),
        **settings,
    }


def hand_over(settings: dict[str, str]) -> NoReturn:
    pages = url_of(settings, "UI_PORT")
    print(f"run: the dashboard will be at {pages}, drift reports at {settings['EVIDENTLY_URL']}.")
    sys.stdout.flush()
    python = str(ROOT / ".venv/bin/python")
    os.chdir(ROOT)
    os.execve(python, [python, "-m", "scripts.processes"], settings)


def main() -> int:
    try:
        settings = preflight()
        if "--check" in sys.argv[1:]:
            print("run: nothing stands in the way of `make run`.")
            return 0
        bootstrap.make(ENVIRONMENTS)
    except Refusal as refusal:
        print(f"run: {refusal}", file=sys.stderr)
        return 2
    hand_over(settings)


if __name__ == "__main__":
    raise SystemExit(main())
