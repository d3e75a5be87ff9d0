"""Processes that are started, looked at and killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
START_S = 60.0
STOP_S = 40.0


class NotThere(Exception):
    """What was waited for did not come about, or what a row needs is not installed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One that can be killed and started again with what it was started with. Its output goes to `log`."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._command = command
        self._log = log
        # Nothing of the caller's settings: DATABASE_URL of a deployment must not be what is shot at.
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        self._environment = {**kept, **(environment or {})}
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def kill(self) -> None:
        """kill -9, and of nothing else: what its children do then is their own affair."""
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.wait()

    def ask_to_stop(self) -> None:
        assert self._running is not None
        self._running.send_signal(signal.SIGTERM)

    async def ended(self, within_s: float = STOP_S) -> int:
        """Its exit code."""
        assert self._running is not None
        running = self._running
        await until(lambda: _async(running.poll() is not None), within_s, f"{self.name} ends")
        return int(running.returncode)

    async def close(self) -> None:
        """Stops it and whatever it has left behind in its session."""
        if self._running is None:
            return
        if self._running.poll() is None:
            self._running.terminate()
            try:
                await self.ended(10.0)
            except NotThere:
                self._running.kill()
                self._running.wait()
        with suppress(ProcessLookupError):  # nothing was left
            os.killpg(self._running.pid, signal.SIGKILL)

    def family(self) -> list[psutil.Process]:
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]

    def memory(self) -> int:
        """Bytes that it and its children hold."""
        return sum(one.memory_info().rss for one in self.family())

    def descriptors(self) -> int:
        """Of the process itself."""
        return int(psutil.Process(self.pid).num_fds())

    def sockets(self) -> int:
        """Of its descriptors those that are no files: the store opens more of those as it needs them."""
        found = 0
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed while we looked
                found += not str(descriptor.readlink()).startswith("/")
        return found

    def connections_to(self, port: int) -> int:
        """Sockets towards a port, in whatever state."""
        found = psutil.Process(self.pid).net_connections("tcp")
        return sum(bool(one.raddr) and one.raddr.port == port for one in found)

    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        return next((line for line in reversed(lines) if line.strip()), "")[:300]


async def _async(value: bool) -> bool:
    return value


async def until(holds: Callable[[], Awaitable[bool]], within_s: float, what: str) -> float:
    """Seconds until it held. Raises NotThere."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not await holds():
        if loop.time() - began > within_s:
            raise NotThere(f"within {within_s:.0f} s not: {what}")
        await asyncio.sleep(0.05)
    return loop.time() - began


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
