"""Model files by their hash, and one that is watched, wherever they lie.

Fails closed: what cannot be read, or is not what its name says, is a ModelUnavailable with constant text.
"""

import asyncio
import hashlib
import re

from gateway.adapters.objects import S3, Stamp, place_of
from gateway.errors import ModelUnavailable

_SHA256 = re.compile(r"[0-9a-f]{64}")


class StoredWeights:
    """Implements Weights: `<sha256>.onnx`."""

    def __init__(self, url: str, s3: S3) -> None:
        self._place = place_of(url, s3)

    async def has(self, sha256: str) -> bool:
        return await self._place.head(_key(sha256)) is not None

    async def put(self, sha256: str, data: bytes) -> None:
        if await asyncio.to_thread(_hash, data) != sha256:
            raise ModelUnavailable("The model's weights are not the ones that were registered.")
        await self._place.put(_key(sha256), data)

    async def get(self, sha256: str) -> bytes:
        found = await self._place.get(_key(sha256))
        if found is None:
            raise ModelUnavailable("The model's weights are not where they were put.")
        data, _ = found
        if await asyncio.to_thread(_hash, data) != sha256:
            raise ModelUnavailable("The model's weights are not the ones that were registered.")
        return data

    async def delete(self, sha256: str) -> None:
        await self._place.delete(_key(sha256))


class WatchedObject:
    """One object that may be replaced at any time: a file's path or `s3://bucket/key`."""

    def __init__(self, url: str, s3: S3) -> None:
        """Raises ValueError for an address that is none."""
        where, _, self._key = url.rpartition("/")
        if not self._key or ("://" in url and "://" not in where):
            raise ValueError("must be the path of a file or s3://bucket/key")
        self._place = place_of(where or ("/" if url.startswith("/") else "."), s3)

    async def head(self) -> Stamp | None:
        return await self._place.head(self._key)

    async def get(self) -> tuple[bytes, Stamp] | None:
        return await self._place.get(self._key)


def _key(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise ModelUnavailable("The model's hash is none.")
    return f"{sha256}.onnx"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
