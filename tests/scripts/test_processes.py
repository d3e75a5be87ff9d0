"""One Ctrl-C stops all, a closed terminal too, and nobody's children stay behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROCFILE = "one: exec sh -c 'sleep 61 & echo $! > child; echo up; wait'\ntwo: exec sleep 62\n"


def kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)


@pytest.fixture
def stopping() -> Iterator[ExitStack]:
    """Whatever a failed test left running is stopped."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_stops_every_process_and_its_children(
    stop: int, code: int, tmp_path: Path, stopping: ExitStack
) -> None:
    (tmp_path / "Procfile").write_text(PROCFILE)
    log = tmp_path / "log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "scripts.processes"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=out,
            start_new_session=True,
        )
    stopping.callback(kill_group, running.pid)
    deadline = time.monotonic() + 20
    # Both lines: honcho stumbles over a signal that comes before its processes have started.
    while not all(line in log.read_text() for line in ("| up", "one started", "two started")):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    family = psutil.Process(running.pid).children(recursive=True)
    assert int((tmp_path / "child").read_text()) in {one.pid for one in family}
    os.killpg(running.pid, stop)  # as a terminal does: to the whole foreground group
    assert running.wait(20) == code
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_when_one_process_fails_the_others_are_stopped(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("one: exec sleep 61\ntwo: exit 3\n")
    answer = subprocess.run(
        [sys.executable, "-m", "scripts.processes"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert answer.returncode == 3


def test_the_environment_is_handed_on_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("one: echo port=$PORT; exit 4\ntwo: exec sleep 61\n")
    answer = subprocess.run(
        [sys.executable, "-m", "scripts.processes"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": "38301"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "port=38301" in answer.stdout
