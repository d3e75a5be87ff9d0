"""One image of ours as a container: read-only root, no capability, no network; asked from inside."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scripts import images
from tests.ship import engine

# vLLM's processes share 160 MiB of memory; the engine's own bound is 64.
HARDENED = (
    *("--shm-size", "1g", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--network", "none"),
)
# Asks a server in its own container; while it says 503 again, since its parts start later than its door.
ASK = """
import sys, time, urllib.error, urllib.request
url, key, kind, body = sys.argv[1:]
headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
asked = urllib.request.Request(url, body.encode() or None, headers)
for _ in range(150):
    try:
        print(urllib.request.urlopen(asked, timeout=60).read().decode())
        break
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        time.sleep(0.2)
"""


@contextmanager
def running(host: str, name: str, environment: dict[str, str]) -> Iterator[str]:
    """The container's id, as soon as its own HEALTHCHECK says that it is well."""
    said = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
    container = engine.docker(host, "run", "--detach", *HARDENED, *said, images.tag(name))
    try:
        until = time.monotonic() + 300
        while (state := healthy(host, container)) != "healthy":
            assert state == "starting", logs(host, container)
            assert time.monotonic() < until, logs(host, container)
            time.sleep(0.5)
        yield container
    finally:
        engine.docker(host, "rm", "--force", "--volumes", container)


def healthy(host: str, container: str) -> str:
    state = json.loads(engine.docker(host, "inspect", "--format", "{{json .State}}", container))
    return str(state["Health"]["Status"] if state["Running"] else state["Status"])


def logs(host: str, container: str) -> str:
    run = subprocess.run(
        ["docker", "logs", container], env={**os.environ, "DOCKER_HOST": host}, capture_output=True
    )
    return (run.stdout + run.stderr).decode()[-4000:]


def asked(host: str, container: str, url: str, body: object = None, *, kind: str = "json") -> dict[str, Any]:
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    sort = f"{'text' if kind == 'csv' else 'application'}/{kind}"
    what = ["python3", "-c", ASK, url, "of-a-test", sort, text]
    found: dict[str, Any] = json.loads(engine.docker(host, "exec", container, *what))
    return found


def shell(host: str, name: str, command: str) -> str:
    run = ["run", "--rm", "--network", "none", "--entrypoint", "sh"]
    return engine.docker(host, *run, images.tag(name), "-c", command)
