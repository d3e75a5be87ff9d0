"""Drift reports by their hash: `<sha256>.html` in a folder or in S3."""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from gateway.adapters.objects import S3, place_of
from gateway.errors import ModelUnavailable, NotFound, PayloadTooLarge, StoreUnavailable

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPORT = re.compile(r"([0-9a-f]{64})\.html")
_MOST_BYTES = 32 << 20  # Evidently's weigh 4 MB, nearly all of it the scripts that draw
_RETRY_AFTER_S = 5.0


class StoredReports:
    """Implements Reports."""

    def __init__(self, url: str, s3: S3) -> None:
        """Raises ValueError for an address that is none."""
        self._place = place_of(url, s3)

    async def put(self, html: bytes) -> str:
        """Raises PayloadTooLarge too."""
        if len(html) > _MOST_BYTES:
            raise PayloadTooLarge(f"The report is larger than {_MOST_BYTES} bytes.")
        sha256 = await asyncio.to_thread(_hash, html)
        with _its_errors():
            await self._place.put(_key(sha256), html)
        return sha256

    async def get(self, sha256: str) -> bytes:
        with _its_errors():
            stamp = await self._place.head(_key(sha256))
            if stamp is not None and stamp.size > _MOST_BYTES:
                raise _another()
            found = await self._place.get(_key(sha256)) if stamp is not None else None
        if found is None:
            raise NotFound("The report is not kept any more.", param="id")
        html, _ = found
        if await asyncio.to_thread(_hash, html) != sha256:
            raise _another()
        return html

    async def delete(self, sha256: str) -> None:
        with _its_errors():
            await self._place.delete(_key(sha256))

    async def put_before(self, moment: datetime) -> list[str]:
        """The sha256 of those that were put before then."""
        with _its_errors():
            keys = await self._place.put_before(moment)
        return [match[1] for key in keys if (match := _REPORT.fullmatch(key))]


def _key(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise NotFound("The report's hash is none.", param="id")
    return f"{sha256}.html"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _another() -> StoreUnavailable:
    return StoreUnavailable("What lies where the report was put is another.")


@contextmanager
def _its_errors() -> Iterator[None]:
    """The place speaks of model files."""
    try:
        yield
    except ModelUnavailable:
        raise StoreUnavailable("The store of reports cannot be used.", retry_after=_RETRY_AFTER_S) from None
