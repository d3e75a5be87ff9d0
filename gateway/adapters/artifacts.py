"""Submissions by reference, from object stores, by presigned addresses (HTTP).

A caller chooses what is fetched, so this is the one place where a caller could reach inside: which addresses
may be asked is decided in artifact_policy.py, and what is connected to is exactly what was decided about.
"""

import asyncio
import codecs
import hashlib
import hmac
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.adapters.artifact_policy import Allowed, ArtifactBounds, Location, content_types
from gateway.domain import Artifact
from gateway.errors import ArtifactRefused, ArtifactUnavailable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host and port -> numeric addresses. Raises OSError."""

_CONNECT_TIMEOUT_S = 3.0  # for each address of a host
_LATER = frozenset({408, 425, 429})  # the only 4xx that the same address may answer otherwise in a while


class HttpArtifacts:
    """Implements Artifacts. Make it inside the running loop; `close()` releases connections and threads.

    `resolve` stands in for the system's own resolver, `tls` for the system's own authorities.
    """

    def __init__(
        self,
        allowed: Allowed,
        bounds: ArtifactBounds,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._bounds = bounds
        self._types = content_types(bounds.content_types)
        # A lookup cannot be stopped: in threads of its own, a dead name server takes nobody else's.
        self._threads = ThreadPoolExecutor(bounds.concurrency, thread_name_prefix="artifact names")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_CheckedNames(allowed, resolve or self._resolve),
                use_dns_cache=False,
                force_close=True,  # every fetch is checked anew, and what is refused is not read to its end
                limit=bounds.concurrency,
                ssl=tls or True,
            ),
            headers={"accept-encoding": "identity"},
            skip_auto_headers=("user-agent",),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=bounds.read_timeout_s
            ),
        )

    async def close(self) -> None:
        await self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, artifact: Artifact) -> tuple[str, str]:
        """The text that lies there, without a byte order mark, and the sha256 (hex) of its bytes."""
        location = self._allowed.location(artifact.url)
        # `from None`: what the client library raises tells hosts, and its answers the whole address.
        try:
            async with asyncio.timeout(self._bounds.timeout_s):
                content, found = await self._content(location)
        except TimeoutError:
            raise ArtifactUnavailable("The artefact did not arrive in time.", param="artifact.url") from None
        except (aiohttp.ClientError, OSError):
            raise ArtifactUnavailable("The artefact could not be fetched.", param="artifact.url") from None
        if artifact.sha256 is not None and not _equal(artifact.sha256, found):
            raise ArtifactRefused("The artefact is not the one of that sha256.", param="artifact.sha256")
        return _text(content), found

    async def _content(self, location: Location) -> tuple[bytes, str]:
        """The whole body and its sha256 in hex."""
        async with self._session.get(_url(location), allow_redirects=False) as response:
            self._check_head(response)
            # Hashed as it comes: a megabyte at once would hold the loop for a millisecond or two.
            parts, size, digest = [], 0, hashlib.sha256()
            async for part in response.content.iter_any():
                size += len(part)
                if size > self._bounds.max_bytes:
                    raise self._too_large()
                digest.update(part)
                parts.append(part)
            return b"".join(parts), digest.hexdigest()

    def _check_head(self, response: aiohttp.ClientResponse) -> None:
        if response.status != 200:
            raise _not_delivered(response.status)
        encodings = ",".join(response.headers.getall("content-encoding", [])).lower()
        if encodings.strip() not in ("", "identity"):
            raise _refused("The artefact is stored compressed.")
        told = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not self._types.fullmatch(told):
            raise _refused("The artefact's content type is not one of ARTIFACT_CONTENT_TYPES.")
        if (response.content_length or 0) > self._bounds.max_bytes:
            raise self._too_large()

    def _too_large(self) -> ArtifactRefused:
        return _refused(f"The artefact has more than {self._bounds.max_bytes} bytes.")

    async def _resolve(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, socket.getaddrinfo, host, port, socket.AF_UNSPEC, socket.SOCK_STREAM
        )
        return [str(entry[4][0]) for entry in found]


class _CheckedNames(AbstractResolver):
    """Asked once for each connection, which then goes to the addresses that were judged and no other."""

    def __init__(self, allowed: Allowed, resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - aiohttp's: both are asked for
    ) -> list[ResolveResult]:
        addresses = await self._resolve(host, port)
        if not addresses:
            raise OSError("the host has no address")
        self._allowed.check(host, addresses)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _url(location: Location) -> URL:
    return URL.build(
        scheme=location.scheme,
        host=location.host,
        port=location.port,
        path=location.path,
        query_string=location.query,
        encoded=True,  # a signature covers every byte of it
    )


def _not_delivered(status: int) -> ArtifactRefused | ArtifactUnavailable:
    """For a 4xx the address itself is at fault (expired, or nothing lies there): asking again is no cure."""
    if 300 <= status < 400:
        return _refused("The artefact's address leads to another one, which is not followed.")
    if status < 500 and status not in _LATER:
        return _refused("Whoever keeps the artefact refuses that address.")
    return ArtifactUnavailable("Whoever keeps the artefact cannot deliver it now.", param="artifact.url")


def _equal(wanted: str, found: str) -> bool:
    return hmac.compare_digest(wanted.lower().encode(), found.encode())


def _text(content: bytes) -> str:
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        raise _refused("The artefact is not UTF-8 text.") from None
    if "\0" in text:
        raise _refused("The artefact is not text: it has a NUL.")
    return text


def _refused(why: str) -> ArtifactRefused:
    return ArtifactRefused(why, param="artifact.url")
