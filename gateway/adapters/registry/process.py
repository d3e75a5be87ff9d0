"""The Registry port over one child process that holds MLflow or ClearML.

In a process of its own because both may hang without an end of their own (ClearML's SDK more than 100 s when
its server is down), print where they please, and weigh 160 to 170 MB that a worker without trainings need not
carry. One call at a time; at the deadline the process is killed, and the next call starts another.
"""

import asyncio
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.adapters.frames import frame, received
from gateway.adapters.registry.entries import Entry, model_version, run_of
from gateway.adapters.registry.places import MlflowPlace, Place
from gateway.errors import InvalidRequest
from gateway.training.facts import DatasetVersion, ModelVersion, TrainingJob
from gateway.training.ports import Fitted, RegistryUnavailable, WeightsRefused
from gateway.training.worker_ports import RegistryTask

log = logging.getLogger(__name__)

_ROOT = Path(__file__).parents[3]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from gateway.adapters.registry.child import serve; serve(int(sys.argv[2]))"
)
_START_S = 120.0  # importing a tool takes 3 to 6 s, MLflow's first schema 3 more; a busy machine is slow
_GIT_S = 5.0


class RegistryProcess:
    """A Registry.

    `project`: MLflow's experiment, ClearML's project.
    `timeout_s`: seconds a call may take from its turn on.
    `git_commit`: of the code that trains; see git_commit().
    """

    def __init__(self, place: Place, project: str, timeout_s: float = 120.0, git_commit: str = "") -> None:
        self._place = place
        self._project = project
        self._timeout_s = timeout_s
        self._git_commit = git_commit
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._printing: asyncio.Task[None] | None = None
        self._printed = 0  # lines of the tool, since they were last told
        self._folder: Path | None = None  # of the process: its configuration, cache and downloads
        self._closed = False
        self.faults = 0  # versions that could not be read when all were last asked for

    async def register(self, job: TrainingJob, data: DatasetVersion, fitted: Fitted) -> ModelVersion:
        run = asdict(run_of(job, data, fitted, self._git_commit))
        # The child's folder is this process's too, but relative paths need not be.
        run["folder"] = str(fitted.folder.absolute())
        return _version(await self._ask("register", run))

    async def registered(self, job_id: str) -> ModelVersion | None:
        made = await self._ask("registered", job_id)
        return None if made is None else _version(made)

    async def versions(self) -> list[tuple[ModelVersion, str]]:
        told, faults = await self._ask("versions")
        found = []
        for fields in told:
            entry = Entry(**fields)
            try:
                found.append((model_version(entry), entry.where))
            except (ValueError, InvalidRequest):
                faults += 1
        if faults != self.faults:
            log.warning("%s versions in the registry cannot be served", faults)
        self.faults = faults
        return found

    async def weights(self, name: str, version: int) -> bytes:
        """Raises WeightsRefused when they are not there, or not those that were registered."""
        file, sha256 = await self._ask("weights", name, version)
        data = await asyncio.to_thread(_taken, Path(file))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise WeightsRefused("The registry holds other weights than were registered.")
        return data

    async def tell(self, task: RegistryTask) -> None:
        if task.kind == "delete":
            await self._ask("delete", task.name, task.version, task.sha256)
        else:
            await self._ask(task.kind, task.name, task.version)

    @property
    def pid(self) -> int | None:
        """Of the child, for measuring and for tests."""
        return None if self._process is None else self._process.pid

    async def close(self) -> None:
        """A call under way fails."""
        self._closed = True
        await self._end()

    async def _ask(self, call: str, *arguments: object) -> Any:
        async with self._turn:
            try:
                if self._process is None or self._process.returncode is not None:
                    await self._end()
                    async with asyncio.timeout(_START_S):
                        await self._begin()
                async with asyncio.timeout(self._timeout_s):
                    answer = await self._exchange({"call": call, "arguments": arguments})
                if call == "register" and "failed" in answer:
                    await self._end()  # the tool may still think itself inside a run
            except TimeoutError:  # an OSError too
                await self._end()
                raise RegistryUnavailable("The registry did not answer in time.") from None
            except (OSError, EOFError, ValueError):
                await self._end()
                raise RegistryUnavailable("The registry's process died.") from None
            except BaseException:  # cancelled: the answer that is still to come would be the next call's
                await self._end()
                raise
            finally:
                self._tell_printed()
        return _value(answer)

    async def _begin(self) -> None:
        if self._closed:
            raise RegistryUnavailable("The registry's process is closed.")
        self._folder = Path(tempfile.mkdtemp(prefix="registry-"))  # mode 700
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _BOOT, str(_ROOT), str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None  # noqa: S101
        self._printing = asyncio.create_task(self._count(self._process.stderr))
        # Through the pipe: what people may see of a process are its arguments.
        _value(await self._exchange(self._start(self._folder)))

    def _start(self, folder: Path) -> dict[str, object]:
        place = self._place
        start: dict[str, object] = {
            "project": self._project,
            "folder": str(folder),
            "environment": place.environment(folder),
        }
        if isinstance(place, MlflowPlace):
            options = {"tracking_uri": place.tracking_uri, "artifact_location": place.artifact_location}
            return start | {"tool": "mlflow", "options": options}
        options = {"upload_uri": place.upload_uri, "web_host": place.web_host}
        return start | {"tool": "clearml", "options": options, "configuration": place.configuration()}

    async def _exchange(self, message: object) -> dict[str, Any]:
        process = self._process
        assert process is not None  # noqa: S101
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(frame(message))
        await process.stdin.drain()
        answer: dict[str, Any] = await received(process.stdout)
        return answer

    async def _count(self, stream: asyncio.StreamReader) -> None:
        while piece := await stream.read(1 << 16):
            self._printed += piece.count(b"\n")

    def _tell_printed(self) -> None:
        """What a tool prints may hold its owner's words: it is counted, not kept."""
        if self._printed:
            log.info("the registry's tool printed %s lines", self._printed)
            self._printed = 0

    async def _end(self) -> None:
        process, self._process = self._process, None
        printing, self._printing = self._printing, None
        folder, self._folder = self._folder, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if printing is not None:
            printing.cancel()
            await asyncio.gather(printing, return_exceptions=True)
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def git_commit(otherwise: str = "") -> str:
    """Of the repository that this code lies in; `otherwise` where git does not say. Blocks."""
    command: Sequence[str] = ("git", "-C", str(_ROOT), "rev-parse", "HEAD")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return otherwise
    return done.stdout.strip()


def _version(fields: dict[str, Any]) -> ModelVersion:
    try:
        return model_version(Entry(**fields))
    except (ValueError, InvalidRequest):
        raise RegistryUnavailable("The registry's own version of the model cannot be read.") from None


def _value(answer: dict[str, Any]) -> Any:
    if "value" in answer:
        return answer["value"]
    if answer.get("refused"):
        raise WeightsRefused("The registry has no such weights.")
    log.warning("the registry's tool failed: %s at %s", answer["failed"], " > ".join(answer["places"]))
    raise RegistryUnavailable("The registry's tool failed.")


def _taken(file: Path) -> bytes:
    data = file.read_bytes()
    file.unlink()
    return data
