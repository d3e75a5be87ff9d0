"""Fetching submissions from an object store that lies, stalls, cuts off and points inward. Loopback only.

Over 250 lines: one store, one client, and all that can go wrong between them.
"""

import asyncio
import gzip
import hashlib
import logging
import socket
import ssl
import subprocess
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from gateway.adapters.artifact_policy import Allowed, ArtifactBounds
from gateway.adapters.artifacts import HttpArtifacts
from gateway.domain import Artifact
from gateway.errors import ArtifactRefused, ArtifactUnavailable, GatewayError
from tests.gateway.adapters.object_store import PLAIN, Names, Reply, Store, answer, listening, says

HOST = "files.example.org"
SIGNATURE = "0a1b2c3d4e"
TARGET = f"/bucket/a%2Fb%20c.py?X-Amz-Signature={SIGNATURE}&b=%2B+1&empty="
BOUNDS = ArtifactBounds(
    max_bytes=1000, timeout_s=5.0, read_timeout_s=2.0, concurrency=4, content_types="text/*,application/x-*"
)


@pytest.fixture(autouse=True)
def _silent_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever happens, no logger of any library tells a presigned address."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert SIGNATURE not in caplog.text


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def store(stack: AsyncExitStack) -> Store:
    return await listening(stack)


Client = Callable[..., HttpArtifacts]


@pytest.fixture
async def client(stack: AsyncExitStack, store: Store) -> Client:
    """The adapter with the store's host allowed, by http and on loopback; closed with the test."""

    def made(
        *answers: Sequence[str],
        names: Names | None = None,
        private: str = HOST,
        host: str = HOST,
        **bounds: Any,
    ) -> HttpArtifacts:
        place = f"{host}:{store.port}"
        artifacts = HttpArtifacts(
            Allowed.of(place, place, private),
            replace(BOUNDS, **bounds),
            resolve=names or Names(*answers),
        )
        stack.push_async_callback(artifacts.close)
        return artifacts

    return made


def address(store: Store, host: str = HOST, scheme: str = "http") -> str:
    return f"{scheme}://{host}:{store.port}{TARGET}"


async def refusal(artifacts: HttpArtifacts, artifact: Artifact) -> GatewayError:
    """What a fetch raises, which never tells where the artefact lies."""
    with pytest.raises(GatewayError) as raised:
        await artifacts.fetch(artifact)
    error = raised.value
    told = "".join(traceback.format_exception(error))
    told += f"{error!r} {error.message} {error.detail} {error.param} {artifact!r}"
    for secret in (SIGNATURE, "bucket", HOST, "127.0.0.1"):
        assert secret not in told
    return error


async def test_a_text_is_fetched_by_its_exact_address_and_nothing_else_is_sent(
    client: Client, store: Store
) -> None:
    body = b"\xef\xbb\xbf" + "печать('привет')\r\n".encode()
    store.reply = says(PLAIN + b"content-length: %d\r\n\r\n" % len(body) + body)
    digest = hashlib.sha256(body).hexdigest()
    text, found = await client().fetch(Artifact(address(store), digest.upper()))
    assert (text, found) == ("печать('привет')\r\n", digest)
    request, *headers = store.heads[0].rstrip().split("\r\n")
    assert request == f"GET {TARGET} HTTP/1.1"
    assert {header.lower() for header in headers} == {
        f"host: {HOST}:{store.port}",
        "accept: */*",
        "accept-encoding: identity",
        "connection: close",
    }


async def test_without_a_setting_nothing_is_fetched(stack: AsyncExitStack, store: Store) -> None:
    artifacts = HttpArtifacts(Allowed(), BOUNDS)
    stack.push_async_callback(artifacts.close)
    error = await refusal(artifacts, Artifact(address(store)))
    assert isinstance(error, ArtifactRefused)
    assert "ARTIFACT_HOSTS" in error.message
    assert store.heads == []


_BOMB = gzip.compress(bytes(1 << 20))[:900]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer("301 Moved Permanently", location="http://127.0.0.1/"), "leads to another"),
        (answer("302 Found", location=f"/bucket/other?X-Amz-Signature={SIGNATURE}"), "leads to another"),
        (answer("307 Temporary Redirect", location="http://169.254.169.254/"), "leads to another"),
        (answer("304 Not Modified", b"", content_length=""), "leads to another"),
        (answer("403 Forbidden"), "refuses that address"),
        (answer("404 Not Found"), "refuses that address"),
        (answer("204 No Content", b"", content_length=""), "refuses that address"),
        (answer("206 Partial Content"), "refuses that address"),
        (answer(content_encoding="gzip", body=_BOMB), "stored compressed"),
        (answer(content_encoding="identity, br"), "stored compressed"),
        (answer(body=_BOMB), "not UTF-8"),
        (answer(content_type=""), "content type"),
        (answer(content_type="image/svg+xml"), "content type"),
        (answer(content_type="application/json"), "content type"),
        (answer(content_length="1001"), "more than 1000 bytes"),
        (answer(content_length="99999999999"), "more than 1000 bytes"),
        (answer(body=b"a" * 1001), "more than 1000 bytes"),
        (answer(body="привет".encode("cp1251")), "not UTF-8"),
        (answer(body=b"\xff\xfeh\x00i\x00"), "not UTF-8"),
        (answer(body=b"print('hi')\0"), "NUL"),
    ],
)
async def test_what_may_not_be_a_submission_is_refused(
    client: Client, store: Store, said: bytes, why: str
) -> None:
    store.reply = says(said)
    error = await refusal(client(), Artifact(address(store)))
    assert isinstance(error, ArtifactRefused)
    assert why in error.message
    assert len(store.heads) == 1


async def test_another_content_than_was_announced_is_refused(client: Client, store: Store) -> None:
    for wanted in (hashlib.sha256(b"ho").hexdigest(), "", "й" * 64):
        error = await refusal(client(), Artifact(address(store), wanted))
        assert (type(error), error.param) == (ArtifactRefused, "artifact.sha256")


@pytest.mark.parametrize("framing", [b"transfer-encoding: chunked\r\n\r\n", b"\r\n"])
async def test_a_body_without_end_is_cut_off_at_the_limit(
    client: Client, store: Store, framing: bytes
) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(PLAIN + framing)
        while True:
            writer.write(b"40\r\n" + b"a" * 64 + b"\r\n" if b"chunked" in framing else b"a" * 64)
            await writer.drain()

    store.reply = endless
    error = await refusal(client(), Artifact(address(store)))
    assert isinstance(error, ArtifactRefused)
    assert "more than 1000 bytes" in error.message
    await asyncio.wait_for(store.gone.wait(), 5)


_SILENT = {"timeout_s": 30.0, "read_timeout_s": 0.05}
_DRIPPING = {"timeout_s": 0.2, "read_timeout_s": 5.0}


@pytest.mark.parametrize(
    ("reply", "bounds"),
    [
        (says(answer("500 Internal Server Error")), {}),
        (says(answer("503 Service Unavailable")), {}),
        (says(answer("429 Too Many Requests")), {}),
        (says(PLAIN + b"content-length: 100\r\n\r\nhal"), {}),
        (says(PLAIN + b"transfer-encoding: chunked\r\n\r\n5\r\nhal"), {}),
        (says(b""), {}),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), {}),
        (says(PLAIN + b"x: " + b"a" * 100_000 + b"\r\n\r\n"), {}),
        (says(b"", pause_s=60.0), _SILENT),
        (says(PLAIN + b"content-length: 100\r\n\r\nhal", pause_s=60.0), _SILENT),
        (says(*(bytes([byte]) for byte in answer(body=b"a" * 900)), pause_s=0.01), _DRIPPING),
        (says(PLAIN + b"\r\n", *([b"a"] * 900), pause_s=0.01), _DRIPPING),
    ],
)
async def test_a_store_that_does_not_deliver_is_unavailable(
    client: Client, store: Store, reply: Reply, bounds: Any
) -> None:
    store.reply = reply
    async with asyncio.timeout(3):
        error = await refusal(client(**bounds), Artifact(address(store)))
    assert isinstance(error, ArtifactUnavailable)
    assert ("in time" in error.message) == bool(bounds)


async def test_a_store_or_a_name_that_is_not_there_is_unavailable(client: Client, store: Store) -> None:
    async def unknown(_: str, __: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async def stuck(_: str, __: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError

    for names in (unknown, stuck, Names([])):
        error = await refusal(client(names=names, timeout_s=0.05), Artifact(address(store)))
        assert isinstance(error, ArtifactUnavailable)
    # Nobody listens at 127.0.0.3.
    error = await refusal(client(["127.0.0.3"]), Artifact(address(store)))
    assert isinstance(error, ArtifactUnavailable)
    assert store.heads == []


@pytest.mark.parametrize(
    ("answers", "private"),
    [
        (["8.8.8.8", "127.0.0.1"], ""),
        (["127.0.0.1"], ""),
        (["::ffff:127.0.0.1"], ""),
        (["127.0.0.1", "169.254.169.254"], HOST),
        (["fd00:ec2::254"], HOST),
    ],
)
async def test_one_inside_address_of_a_host_is_enough_to_refuse_it(
    client: Client, store: Store, answers: list[str], private: str
) -> None:
    error = await refusal(client(answers, private=private), Artifact(address(store)))
    assert isinstance(error, ArtifactRefused)
    assert store.heads == []


async def test_a_name_that_changes_its_address_leads_nowhere_else(
    stack: AsyncExitStack, client: Client, store: Store
) -> None:
    """DNS rebinding: the address that was judged is the one that is asked, and the next fetch judges anew."""
    inside = await listening(stack, "127.0.0.2", store.port)
    names = Names(["127.0.0.1"], ["127.0.0.2", "169.254.169.254"])
    artifacts = client(names=names)
    assert (await artifacts.fetch(Artifact(address(store))))[0] == "hi"
    assert (names.asked, len(store.heads)) == ([HOST], 1)
    assert isinstance(await refusal(artifacts, Artifact(address(store))), ArtifactRefused)
    assert (len(names.asked), len(store.heads), inside.heads) == (2, 1, [])


async def test_a_listed_numeric_address_is_judged_as_well(client: Client, store: Store) -> None:
    artifact = Artifact(address(store, "127.0.0.1"))
    names = Names()
    assert (await client(host="127.0.0.1", private="127.0.0.1", names=names).fetch(artifact))[0] == "hi"
    with pytest.raises(ArtifactRefused):
        await client(host="127.0.0.1", private="", names=names).fetch(artifact)
    assert (len(store.heads), names.asked) == (1, [])


async def test_the_systems_own_names_are_judged(stack: AsyncExitStack, store: Store) -> None:
    place = f"localhost:{store.port}"
    for private in ("localhost", ""):
        artifacts = HttpArtifacts(Allowed.of(place, place, private), BOUNDS)
        stack.push_async_callback(artifacts.close)
        if private:
            assert (await artifacts.fetch(Artifact(address(store, "localhost"))))[0] == "hi"
        else:
            assert isinstance(
                await refusal(artifacts, Artifact(address(store, "localhost"))), ArtifactRefused
            )
    assert len(store.heads) == 1


async def test_neither_proxies_nor_netrc_nor_cookies_are_used(
    client: Client, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.3:9")
    store.reply = says(answer(set_cookie="a=b; Path=/"))
    artifacts = client()
    for _ in range(2):
        await artifacts.fetch(Artifact(address(store)))
    assert not [head for head in store.heads if "cookie" in head.lower() or "authorization" in head.lower()]


async def test_only_so_many_are_fetched_at_once(client: Client, store: Store) -> None:
    two, opened = asyncio.Event(), asyncio.Event()

    async def waits(writer: asyncio.StreamWriter) -> None:
        if len(store.heads) == 2:
            two.set()
        await opened.wait()
        await says(answer())(writer)

    store.reply = waits
    artifacts = client(concurrency=2)
    fetches = [asyncio.create_task(artifacts.fetch(Artifact(address(store)))) for _ in range(4)]
    await asyncio.wait_for(two.wait(), 5)
    # Another client goes all the way meanwhile: so could the third fetch have done.
    store.reply = says(answer())
    await client().fetch(Artifact(address(store)))
    assert len(store.heads) == 3
    opened.set()
    assert [text for text, _ in await asyncio.gather(*fetches)] == ["hi"] * 4


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of our own for the store's name, and its key."""
    openssl = which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    ask = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]
    subprocess.run(
        [openssl, *ask, *subject, "-keyout", key, "-out", made], check=True, capture_output=True, timeout=30
    )
    return made, key


async def test_by_https_the_store_must_prove_the_name_that_was_asked_for(
    stack: AsyncExitStack, store: Store, certificate: tuple[Path, Path]
) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(*certificate)
    secure = await listening(stack, ssl=own)
    own.sni_callback = lambda _, name, __: secure.names.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    other = "other.example.org"
    hosts = f"{HOST}:{secure.port},{other}:{secure.port}"

    def client(tls: ssl.SSLContext | None) -> HttpArtifacts:
        made = HttpArtifacts(Allowed.of(hosts, "", f"{HOST},{other}"), BOUNDS, resolve=Names(), tls=tls)
        stack.push_async_callback(made.close)
        return made

    assert (await client(trusting).fetch(Artifact(address(secure, scheme="https"))))[0] == "hi"
    assert (secure.names, len(secure.heads)) == ([HOST], 1)
    assert f"Host: {HOST}:{secure.port}" in secure.heads[0]
    for tls, host in ((None, HOST), (trusting, other)):
        error = await refusal(client(tls), Artifact(address(secure, host, "https")))
        assert isinstance(error, ArtifactUnavailable)
    assert len(secure.heads) == 1
