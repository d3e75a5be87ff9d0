"""DVC's command, run in one of its repositories: one at a time, with a deadline, alone with its settings.

The command and not its library: half a gigabyte of foreign modules and their threads end with it, and a step
that hangs can be killed. Starting it costs 1.5 s, so the commands of a step share a process.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from gateway.adapters.objects import S3
from gateway.training.ports import StepFailed

REMOTE = "store"  # its name in DVC's settings

_ROOT = Path(__file__).parents[2]
_BOOT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from gateway.adapters.lifeline import die_with
die_with(int(sys.argv[2]))
from dvc.cli import main
for arguments in json.loads(sys.argv[3]):
    if code := main(arguments):
        sys.exit(code)
"""
_LOOK_S = 0.2  # between two tries at a lock that somebody has
_CONNECT_S, _READ_S = 10, 60
TOO_SLOW = "DVC took too long."
# What its words mean, first match wins. DVC has exit codes for nothing of this.
_FAULTS = (
    (("No space left on device", "Disk quota exceeded"), "The disk of data sets or of their remote is full."),
    (
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "Access Denied", "Forbidden",
         "Unable to locate credentials", "authentication"),
        "The remote of data sets refuses the key.",
    ),
    (("NoSuchBucket", "bucket does not exist"), "The remote of data sets has no such bucket."),
    (
        ("Could not connect", "Connect timeout", "Read timeout", "Connection refused", "Cannot connect",
         "Connection was closed", "Connection reset", "Name or service not known", "InternalError",
         "ServiceUnavailable", "SlowDown"),
        "The remote of data sets cannot be reached.",
    ),
    (("Unable to acquire lock", "is busy"), "Somebody else works in the folder of data sets."),
    (("missing-files", "do not exist neither in cache", "failed to pull", "Checkout failed"),
     "The remote does not have the file."),
    (("unable to read: ", ".dvc' is invalid", ".dvc' validation failed"),
     "A '.dvc' file in the folder of data sets is damaged."),
    (("Permission denied", "Read-only file system"), "The folder of data sets cannot be written."),
)  # fmt: skip


class DvcCommand:
    """`folder`: the repository, made where it is none. `remote`: a folder or s3://bucket/prefix; empty: none.
    `timeout_s`: of one step, its wait included. `cache`: another repository's, as seen from `.dvc`."""

    def __init__(self, folder: Path, remote: str, s3: S3, timeout_s: float, cache: str = "") -> None:
        self._folder = folder.absolute()
        self._settings = _config(remote, s3, cache).encode()
        self._s3 = s3
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._lock = -1

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """A step: nobody else of ours works in the folder, also in another process. Raises StepFailed."""
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                self._lock = await asyncio.to_thread(self._prepared)
                try:
                    while not _locked(self._lock):  # noqa: ASYNC110 - other processes set no event
                        await asyncio.sleep(_LOOK_S)
                    # Whoever wrote it is gone. DVC would look for its process id, which another process, or
                    # one in another container, may have by now.
                    (self._folder / ".dvc/tmp/rwlock").unlink(missing_ok=True)
                    await asyncio.to_thread(self._configure)
                    yield
                finally:
                    os.close(self._lock)
        except TimeoutError:
            raise StepFailed(TOO_SLOW) from None
        except OSError as error:
            raise StepFailed(_fault(os.strerror(error.errno or 0))) from None

    async def run(self, *commands: list[str], within_s: float | None = None) -> None:
        """Inside a step, one after the other; killed after `within_s`, or with the step. Raises StepFailed at
        the first that fails."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _BOOT, str(_ROOT), str(os.getpid()), json.dumps(commands)),
            cwd=self._folder,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # With the lock in its hands too the folder is not free before the command has ended as well.
            pass_fds=(self._lock,),
        )
        try:
            async with asyncio.timeout(within_s):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise StepFailed(_fault(said.decode(errors="replace")))

    def _prepared(self) -> int:
        own = self._folder / ".dvc-worker"
        own.mkdir(parents=True, exist_ok=True)
        return os.open(own / "lock", os.O_RDWR | os.O_CREAT, 0o640)

    def _environment(self) -> dict[str, str]:
        """No settings of a user or a machine; keys here only, because files and arguments are read."""
        own = self._folder / ".dvc-worker"
        ours = {
            "DVC_NO_ANALYTICS": "1",
            "DVC_GLOBAL_CONFIG_DIR": str(own / "global"),
            "DVC_SYSTEM_CONFIG_DIR": str(own / "system"),
            "DVC_SITE_CACHE_DIR": str(own / "site"),
            "AWS_MAX_ATTEMPTS": "2",  # the worker itself tries again, with longer pauses
        }
        given = dict(os.environ)
        if self._s3.access_key_id:
            for other in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
                given.pop(other, None)
        return {**given, **ours, **self._s3.environment()}

    def _configure(self) -> None:
        """The settings as they are now, so that a person's `dvc pull` finds the remote too. `dvc init` would
        write no more, and refuse a `.dvc` that a crash has left without them."""
        file = self._folder / ".dvc/config"
        if not file.exists() or file.read_bytes() != self._settings:
            write_whole(file, self._settings)


def write_whole(file: Path, content: bytes) -> None:
    """All of it or nothing, also after a power cut. Its folder is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    with part.open("wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    part.replace(file)


def _config(remote: str, s3: S3, cache: str) -> str:
    core = {"no_scm": "true", "analytics": "false", "check_update": "false"}
    lines = [_section("core", {**core, **({"remote": REMOTE} if remote else {})})]
    kept = {"type": '"reflink,hardlink,copy"'}
    lines.append(_section("cache", kept | ({"dir": cache} if cache else {})))
    if remote.startswith("s3://"):
        told = {"url": remote, "connect_timeout": str(_CONNECT_S), "read_timeout": str(_READ_S)}
        if s3.endpoint_url:
            told["endpointurl"] = s3.endpoint_url
        lines.append(_section(f"'remote \"{REMOTE}\"'", told))
    elif remote:
        lines.append(_section(f"'remote \"{REMOTE}\"'", {"url": str(Path(remote).absolute())}))
    return "".join(lines)


def _section(name: str, values: Mapping[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"    {key} = {value}\n" for key, value in values.items())


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fault(said: str) -> str:
    for words, meaning in _FAULTS:
        if any(word in said for word in words):
            return meaning
    return "DVC failed."
