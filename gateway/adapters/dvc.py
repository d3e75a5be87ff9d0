"""Data sets under DVC: the folder of data sets is its workspace, without Git, a `.dvc` file beside each file.

What speaks with the remote does so from a repository of its own, which has the same cache: a remote that does
not answer holds up no step in the workspace.

A kill at any moment is mended by doing the step again. Relinking a fresh file (DVC takes it away and puts a
link to the cache in its place) therefore comes behind the step that writes the `.dvc` file.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.adapters.dvc_command import TOO_SLOW, DvcCommand, write_whole
from gateway.adapters.objects import S3, place_of
from gateway.errors import ModelUnavailable
from gateway.training.facts import DatasetVersion
from gateway.training.ports import StepFailed

_MD5 = re.compile(r"^- md5: ([0-9a-f]{32})$", re.MULTILINE)
_PATH = re.compile(r"^  path: (\S+)\n", re.MULTILINE)  # what a `.dvc` file ends with
_CARRY_S = 60.0  # from or to the remote, and for each byte:
_BYTE_S = 1e-6  # a line of 1 MB/s
_OTHER_CONTENT = "The data set's file is not the one that was checked."


class Dvc:
    """Implements DataVersions. `remote`: a folder or s3://bucket/prefix; empty: none. `timeout_s`: of one
    step."""

    def __init__(self, folder: Path, remote: str, s3: S3, timeout_s: float) -> None:
        """Raises ValueError for a remote that is none."""
        self._folder = folder.absolute()
        self._timeout_s = timeout_s
        self._workspace = DvcCommand(folder, remote, s3, timeout_s)
        self._carried = self._folder / ".dvc-worker/remote/data.dvc"
        own = self._carried.parent
        self._carrier = DvcCommand(own, remote, s3, timeout_s, cache="../../../.dvc/cache")
        self._objects = place_of(remote, s3) if remote else None

    async def add(self, version: DatasetVersion) -> str:
        """See the port."""
        async with self._workspace.alone():
            if not await self._is_there(version):
                raise StepFailed(_OTHER_CONTENT)
            return await self._added(version)

    async def push(self, version: DatasetVersion) -> None:
        """See the port."""
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._workspace.alone():
                    if not self._cached(_md5(version)).exists() and await self._is_there(version):
                        await self._added(version)
                    await asyncio.to_thread(self._point, version)
                await self._carry("push", version)
        except TimeoutError:  # both turns together
            raise StepFailed(TOO_SLOW) from None

    async def pull(self, version: DatasetVersion) -> Path:
        """See the port. A file that is there waits for nobody's push."""
        if not await self._is_there(version):
            await self._restore(version)
        return self._folder / version.file

    async def remove(self, version: DatasetVersion, shared: Callable[[], Awaitable[bool]]) -> None:
        """See the port. Exactly this object goes: `dvc gc` would take whatever else lies at the remote."""
        async with self._workspace.alone():
            md5 = version.dvc_hash or await asyncio.to_thread(self._pointed, version)
            if md5 is not None and not await shared():
                if self._objects is not None:
                    try:
                        await self._objects.delete(_object(md5))
                    except ModelUnavailable:
                        raise StepFailed("The remote of data sets cannot be reached.") from None
                await asyncio.to_thread(self._cached(md5).unlink, missing_ok=True)
            # The `.dvc` file last: it may be all that knows the hash.
            await asyncio.to_thread(self._forget, version)

    async def _restore(self, version: DatasetVersion) -> None:
        async with self._workspace.alone():
            await asyncio.to_thread(self._clear, version)
        if not self._cached(_md5(version)).exists():
            if self._objects is None:
                raise StepFailed("The data set's file is gone, and there is no remote.")
            await self._carry("fetch", version)
        async with self._workspace.alone():
            await asyncio.to_thread(self._point, version)
            await self._work(["checkout", "--force", self._pointer(version)])
            if not await self._is_there(version):
                raise StepFailed(_OTHER_CONTENT)

    async def _carry(self, verb: str, version: DatasetVersion) -> None:
        """Between cache and remote."""
        async with self._carrier.alone():
            await asyncio.to_thread(write_whole, self._carried, _pointing(version, "data"))
            within_s = _CARRY_S + _BYTE_S * version.table.size
            await self._carrier.run([verb, self._carried.name], within_s=within_s)

    async def _work(self, *commands: list[str]) -> None:
        """In the workspace. DVC reads every `.dvc` file there is: one that a power cut has damaged would stop
        all data sets, and can be written again."""
        try:
            await self._workspace.run(*commands)
        except StepFailed:
            if not await asyncio.to_thread(self._mend):
                raise
            await self._workspace.run(*commands)

    def _mend(self) -> bool:
        """Removes what is damaged; whether anything was. DVC's own words do not always tell."""
        pointers = self._folder.glob("[a-z0-9]*/[0-9]*/data.*.dvc")
        damaged = [pointer for pointer in pointers if not _is_whole(pointer)]
        for pointer in damaged:
            pointer.unlink(missing_ok=True)
        return bool(damaged)

    async def _added(self, version: DatasetVersion) -> str:
        await self._work(
            ["add", "--no-relink", version.file.as_posix()],
            ["checkout", "--relink", self._pointer(version)],
        )
        md5 = await asyncio.to_thread(self._pointed, version)
        if md5 is None:
            raise StepFailed("DVC wrote no hash.")
        return md5

    async def _is_there(self, version: DatasetVersion) -> bool:
        """Whether the workspace has the file that was checked."""
        found = await asyncio.to_thread(_digest, self._folder / version.file, "sha256")
        return found == version.table.sha256

    def _pointer(self, version: DatasetVersion) -> str:
        return f"{version.file.as_posix()}.dvc"

    def _pointed(self, version: DatasetVersion) -> str | None:
        try:
            found = _MD5.search(_read(self._folder / self._pointer(version)))
        except FileNotFoundError:
            return None
        return found[1] if found else None

    def _point(self, version: DatasetVersion) -> None:
        """A lost `.dvc` file is written again: with the store and the remote all else can be restored."""
        pointer = self._folder / self._pointer(version)
        if self._pointed(version) != version.dvc_hash or not _is_whole(pointer):
            write_whole(pointer, _pointing(version, version.file.name))

    def _clear(self, version: DatasetVersion) -> None:
        """Takes away what is not what it should be; as hard links both are broken by one hand."""
        (self._folder / version.file).unlink(missing_ok=True)
        cached = self._cached(_md5(version))
        if cached.exists() and _digest(cached, "md5") != version.dvc_hash:
            cached.unlink()

    def _forget(self, version: DatasetVersion) -> None:
        file = self._folder / version.file
        file.unlink(missing_ok=True)
        (self._folder / self._pointer(version)).unlink(missing_ok=True)
        for folder in (file.parent, file.parent.parent):
            try:
                folder.rmdir()
            except OSError:  # another version's, or gone
                return

    def _cached(self, md5: str) -> Path:
        return self._folder / ".dvc/cache" / _object(md5)


def _md5(version: DatasetVersion) -> str:
    if version.dvc_hash is None:
        raise StepFailed("The data set is not under DVC yet.")
    return version.dvc_hash


def _pointing(version: DatasetVersion, path: str) -> bytes:
    """A `.dvc` file."""
    size = version.table.size
    return f"outs:\n- md5: {_md5(version)}\n  size: {size}\n  hash: md5\n  path: {path}\n".encode()


def _is_whole(pointer: Path) -> bool:
    text = _read(pointer)
    return bool(_MD5.search(text)) and _PATH.findall(text) == [pointer.stem]


def _read(pointer: Path) -> str:
    return pointer.read_text(encoding="utf-8", errors="replace")  # a damaged one may be anything


def _object(md5: str) -> str:
    """Where DVC 3 has a file's content, in its cache and at a remote."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def _digest(file: Path, kind: str) -> str | None:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, kind).hexdigest()
    except FileNotFoundError:
        return None
