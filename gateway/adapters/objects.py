"""A folder, or a bucket of S3, as one kind of place for model files.

What cannot be used is a ModelUnavailable with constant text: an address or a key of the store in an error
would travel to logs.

Over 250 lines: both kinds keep the same promises and are read side by side.
"""

import asyncio
import os
import re
import stat
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from gateway.adapters.daemon_threads import DaemonThreads
from gateway.errors import ModelUnavailable

T = TypeVar("T")
MAX_BYTES = 256 << 20  # of a model file
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
# A connection; a short question, or the silence amid a file that is fetched; a whole file.
_CONNECT_S, _ASK_S, _CARRY_S = 3.0, 10.0, 120.0
_PIECE = 64 << 10  # bytes of a file that are not silence
_PAGE = 1000  # objects that are listed at once
_FOLDER_THREADS = 4
_PART = re.compile(r"\.[0-9a-f]{32}\.part")  # a file that is being written
_ABANDONED_S = 86_400.0  # a file that is written for so long is written by nobody
_RETRIES = 1


@dataclass(frozen=True, slots=True)
class S3:
    """How S3 is reached. Without an endpoint it is Amazon's; without keys what the platform grants."""

    endpoint_url: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    region: str = "us-east-1"

    def environment(self) -> dict[str, str]:
        """For programs that read Amazon's variables."""
        told = {"AWS_DEFAULT_REGION": self.region}
        if self.access_key_id:
            told |= {
                "AWS_ACCESS_KEY_ID": self.access_key_id,
                "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            }
        return told


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which content lies there: another one has another tag."""

    tag: str  # an ETag, or time and inode of a file
    size: int  # bytes


class Place(Protocol):
    """Where objects lie. Raises ModelUnavailable when it cannot be used."""

    async def head(self, key: str) -> Stamp | None: ...

    async def get(self, key: str) -> tuple[bytes, Stamp] | None:
        """Raises ModelUnavailable for more than MAX_BYTES too."""

    async def put(self, key: str, data: bytes) -> None:
        """Whole or not at all."""

    async def delete(self, key: str) -> None:
        """Nothing when it is not there."""

    async def put_before(self, moment: datetime) -> list[str]:
        """The keys of what was put before then, but for keys with a slash."""


def place_of(url: str, s3: S3) -> Place:
    """The folder, or the bucket of `s3://bucket/prefix`. Raises ValueError."""
    if "://" not in url:
        return _Folder(Path(url))
    bucket = _BUCKET.fullmatch(url)
    if not bucket:
        raise ValueError("must be a path or s3://bucket/prefix")
    return _Bucket(bucket[1], (bucket[2] or "").strip("/"), s3)


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root
        # A folder of a file server that is gone holds threads for ever: its own, and no process for them.
        self._threads = DaemonThreads(_FOLDER_THREADS, "model files")

    async def head(self, key: str) -> Stamp | None:
        return await self._threaded(_ASK_S, _file_stamp, self._root / key)

    async def get(self, key: str) -> tuple[bytes, Stamp] | None:
        return await self._threaded(_CARRY_S, _read, self._root / key)

    async def put(self, key: str, data: bytes) -> None:
        await self._threaded(_CARRY_S, _write, self._root / key, data)

    async def delete(self, key: str) -> None:
        await self._threaded(_ASK_S, lambda: (self._root / key).unlink(missing_ok=True))

    async def put_before(self, moment: datetime) -> list[str]:
        return await self._threaded(_CARRY_S, _put_before, self._root, moment.timestamp())

    async def _threaded(self, timeout_s: float, work: Callable[..., T], *given: Any) -> T:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._threads.run(work, *given)
        except OSError:  # TimeoutError is one
            raise _unusable() from None


class _Bucket:
    def __init__(self, bucket: str, prefix: str, s3: S3) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._s3 = s3
        self._store: Any = None

    async def head(self, key: str) -> Stamp | None:
        async def ask(obstore: Any, store: Any) -> Stamp:
            return _stamp(await obstore.head_async(store, key))

        return await self._asked(ask, _ASK_S)

    async def get(self, key: str) -> tuple[bytes, Stamp] | None:
        async def ask(obstore: Any, store: Any) -> tuple[bytes, Stamp]:
            data, now = bytearray(), asyncio.get_running_loop().time
            async with asyncio.timeout(_ASK_S) as silence:
                found = await obstore.get_async(store, key)
                stamp = _stamp(found.meta)
                _check_size(stamp.size)
                async for piece in found.stream(_PIECE):
                    data += piece
                    silence.reschedule(now() + _ASK_S)
            return bytes(data), stamp

        return await self._asked(ask, _CARRY_S)

    async def put(self, key: str, data: bytes) -> None:
        async def ask(obstore: Any, store: Any) -> bool:
            # In parts a put that is cut off would leave some of them behind, unseen and paid for.
            await obstore.put_async(store, key, data, use_multipart=False)
            return True

        if not await self._asked(ask, _CARRY_S):
            raise _unusable()  # there is no such bucket

    async def delete(self, key: str) -> None:
        async def ask(obstore: Any, store: Any) -> None:
            await obstore.delete_async(store, key)

        await self._asked(ask, _ASK_S)

    async def put_before(self, moment: datetime) -> list[str]:
        async def ask(obstore: Any, store: Any) -> list[str]:
            found = []
            async for page in obstore.list(store, chunk_size=_PAGE):
                found += [one["path"] for one in page if one["last_modified"] < moment]
            return [key for key in found if "/" not in key]

        return await self._asked(ask, _CARRY_S) or []

    async def _asked(self, ask: Callable[[Any, Any], Awaitable[T]], timeout_s: float) -> T | None:
        """What `ask` gives; None when there is no such object."""
        if self._store is None:
            self._store = await asyncio.to_thread(self._opened)
        import obstore  # noqa: PLC0415 - as below
        from obstore.exceptions import BaseError, NotFoundError  # noqa: PLC0415 - as below

        try:
            async with asyncio.timeout(timeout_s):
                return await ask(obstore, self._store)
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError, TimeoutError):
            raise _unusable() from None

    def _opened(self) -> Any:
        # Only deployments with an S3 address load the client: 13 ms, and threads of its own.
        from obstore.store import S3Store  # noqa: PLC0415

        chosen: dict[str, Any] = {"region": self._s3.region}
        if self._s3.endpoint_url:
            chosen["endpoint"] = self._s3.endpoint_url
        if self._s3.access_key_id:
            # Not as settings of the store: those would be mixed with a session's token of the environment.
            chosen["credential_provider"] = self._credentials
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            client_options={
                "allow_http": self._s3.endpoint_url.startswith("http://"),
                "connect_timeout": timedelta(seconds=_CONNECT_S),
                "timeout": timedelta(seconds=_CARRY_S),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_ASK_S)},
            **chosen,
        )

    def _credentials(self) -> dict[str, Any]:
        return {
            "access_key_id": self._s3.access_key_id,
            "secret_access_key": self._s3.secret_access_key,
            "expires_at": None,
        }


def _stamp(meta: Any) -> Stamp:
    return Stamp(meta["e_tag"] or meta["last_modified"].isoformat(), meta["size"])


def _file_stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return _checked_stamp(found)


def _read(path: Path) -> tuple[bytes, Stamp] | None:
    try:  # a pipe would wait for its writer
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(opened, "rb") as file:
        stamp = _checked_stamp(os.fstat(opened))
        _check_size(stamp.size)
        return file.read(MAX_BYTES), stamp


def _put_before(root: Path, moment: float) -> list[str]:
    """Nobody else walks over the folder: what a writer left who was killed goes by the way."""
    found = []
    with suppress(FileNotFoundError), os.scandir(root) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # another process deletes too
                if not entry.is_file():
                    continue
                put = entry.stat().st_mtime
                if _PART.fullmatch(entry.name):
                    if put < time.time() - _ABANDONED_S:
                        Path(entry.path).unlink()
                elif put < moment:
                    found.append(entry.name)
    return found


def _checked_stamp(found: os.stat_result) -> Stamp:
    if not stat.S_ISREG(found.st_mode):
        raise _unusable()
    return Stamp(f"{found.st_mtime_ns}-{found.st_ino}", found.st_size)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        part.unlink(missing_ok=True)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ModelUnavailable(f"The model file is larger than {MAX_BYTES} bytes.")


def _unusable() -> ModelUnavailable:
    return ModelUnavailable("The store of model files cannot be used.", retry_after=5.0)
