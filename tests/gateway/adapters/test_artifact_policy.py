"""Which addresses may be asked at all: nobody gets inside by a way of writing, and no list can be misread."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from yarl import URL

from gateway.adapters.artifact_policy import Allowed, Reach, content_types, host_name, reach
from gateway.errors import ArtifactRefused
from gateway.settings import Settings

ALLOWED = Allowed.of("files.example.org, *.store.example.org, minio:9000, münchen.example.org", "minio:9000")
OPEN = {"files.example.org", "minio", "xn--mnchen-3ya.example.org"}


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://files.example.org/a?b=c%2Fd&e=", "files.example.org", 443),
        ("HTTPS://Files.Example.ORG./a", "files.example.org", 443),
        ("https://files.example.org:443", "files.example.org", 443),
        ("https://a.b.store.example.org/a", "a.b.store.example.org", 443),
        ("http://minio:9000/bucket/key?X-Amz-Signature=0a", "minio", 9000),
        ("https://MÜNCHEN.example.org/", "xn--mnchen-3ya.example.org", 443),
        ("https://files。example．org/", "files.example.org", 443),
    ],
)
def test_an_address_of_a_listed_host_is_read(url: str, host: str, port: int) -> None:
    location = ALLOWED.location(url)
    assert (location.host, location.port) == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example.org/",  # listed for https only
        "https://files.example.org:8443/",
        "https://minio/",
        "ftp://files.example.org/",
        "//files.example.org/",
        "https:files.example.org/",
        "https:///files.example.org/",
        "https://store.example.org/",  # the wildcard is for what is below
        "https://evilstore.example.org/",
        "https://files.example.org.evil.test/",
        "https://evil.test/files.example.org",
        "https://evil.test#@files.example.org/",
        "https://evil.test\\@files.example.org/",
        "https://files.example.org@evil.test/",
        "https://me:secret@files.example.org/",
        "https://files.example.org/#part",
        "https://files.example.org/\r\nhost: evil",
        "https://files.example.org/a b",
        "https://files.example.org/ä",
        "https://files.example.org/%zz",
        "https://files.example.org\t/",
        " https://files.example.org/",
        "https://files.example.org/\n",
        "https://files%2eexample.org/",
        "https://files..example.org/",
        "https://files.example.org../",
        "https://files.example.org:/",
        "https://files.example.org:0443000/",
        "https://files.example.org/" + "a" * 4096,
        "https://\ud800.store.example.org/",
        "https://" + "ü" * 250 + "/",
        "",
    ],
)
def test_what_is_not_plainly_a_listed_host_is_refused(url: str) -> None:
    with pytest.raises(ArtifactRefused):
        ALLOWED.location(url)


_NUMERIC = """127.0.0.1 127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 127.0.0.1. 127.00.0.1
1.2.3 0x １２７.0.0.1 ①②⑦.0.0.1 0.0.0.0 [::1] [::] [::ffff:127.0.0.1] [0:0:0:0:0:0:0:1] [::1%25lo]
4294967297"""
_PUBLIC = "8.8.8.8 2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::"
_PRIVATE = """10.1.2.3 172.16.0.1 172.31.255.255 192.168.0.1 127.0.0.1 127.255.0.1 100.64.0.1 100.127.255.255
::1 fc00::1 fd12:3456::1 ::ffff:10.0.0.1"""
_METADATA = """169.254.169.254 169.254.170.2 fe80::1 fe80::1%eth0 fd00:ec2::254 fd20:ce::254 100.100.100.200
168.63.129.16 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::"""
_NOBODYS = """0.0.0.0 0.1.2.3 192.0.0.1 192.0.0.9 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1
203.0.113.1 224.0.0.1 239.1.2.3 240.0.0.1 255.255.255.255 :: ::7f00:1 ::808:808 ::ffff:0:808:808
64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::808:808 100::1 2001::1 2001:2::1 2001:10::1 2001:db8::1
2002:7f00:1:: 2002:a00:1:: 3fff::1 4000::1 5f00::1 fec0::1 ff02::1 ff0e::1"""


@pytest.mark.parametrize("address", _NUMERIC.split())
@pytest.mark.parametrize("hosts", ["files.example.org", "*.example.org, 8.8.8.8"])
def test_a_numeric_address_in_any_writing_is_refused_unless_it_is_listed(address: str, hosts: str) -> None:
    with pytest.raises(ArtifactRefused):
        Allowed.of(hosts, hosts).location(f"https://{address}/")


def test_a_listed_numeric_address_is_read_in_its_usual_form_only() -> None:
    listed = Allowed.of("8.8.8.8, [2001:4860:4860::8888]:8443")
    assert listed.location("https://8.8.8.8/").host == "8.8.8.8"
    assert listed.location("https://[2001:4860:4860:0::8888]:8443/").host == "2001:4860:4860::8888"
    for other in ("https://134744072/", "https://8.8.8.010/", "https://[::ffff:8.8.8.8]/"):
        with pytest.raises(ArtifactRefused):
            listed.location(other)


def test_a_listed_inside_address_must_be_named_as_private_too() -> None:
    with pytest.raises(ArtifactRefused, match="may not be asked"):
        Allowed.of("127.0.0.1").location("https://127.0.0.1/")
    assert Allowed.of("127.0.0.1", "", "127.0.0.1").location("https://127.0.0.1/")
    with pytest.raises(ArtifactRefused, match="may not be asked"):
        Allowed.of("169.254.169.254", "", "169.254.169.254").location("https://169.254.169.254/")


def test_http_needs_both_lists_and_without_hosts_nothing_may_be_asked() -> None:
    for nothing in (Allowed(), Allowed.of("", "minio:9000", "minio")):
        with pytest.raises(ArtifactRefused, match="ARTIFACT_HOSTS"):
            nothing.location("http://minio:9000/")
    with pytest.raises(ArtifactRefused, match="ARTIFACT_HTTP_HOSTS"):
        Allowed.of("minio:9000").location("http://minio:9000/")


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (_PUBLIC, Reach.PUBLIC),
        (_PRIVATE, Reach.PRIVATE),
        (_METADATA, Reach.NEVER),
        (_NOBODYS, Reach.NEVER),
    ],
)
def test_an_address_is_public_inside_or_nobodys(addresses: str, expected: Reach) -> None:
    found = {address: reach(address) for address in addresses.split()}
    assert found == dict.fromkeys(addresses.split(), expected)


def test_every_address_of_a_host_counts() -> None:
    allowed = Allowed.of("minio:9000, files.example.org", "", "minio")
    allowed.check("minio", ["10.0.0.1", "8.8.8.8"])
    allowed.check("files.example.org", ["8.8.8.8", "2001:4860::1"])
    for host, addresses in {
        "files.example.org": ["8.8.8.8", "127.0.0.1"],
        "minio": ["10.0.0.1", "169.254.169.254"],
    }.items():
        with pytest.raises(ArtifactRefused):
            allowed.check(host, addresses)


@pytest.mark.parametrize(
    "entry",
    ["*", "*.org", "*.1.2.3.4", "a b", "http://a", "a:0", "a:65536", "a:b", "0x7f.1", "[::1", "a/", "-a"],
)
def test_a_list_that_could_mean_something_else_is_a_wrong_setting(entry: str) -> None:
    for setting in ("artifact_hosts", "artifact_http_hosts", "artifact_private_hosts"):
        with pytest.raises(ValidationError, match="must be host, host:port"):
            Settings(**{setting: f"files.example.org, {entry}"})
    for inexact in ("*.example.org", "minio:9000"):
        with pytest.raises(ValidationError, match="must be exact hosts"):
            Settings(artifact_private_hosts=inexact)


def test_content_types_are_matched_whole() -> None:
    types = content_types("text/*, application/x-*,application/json")
    for told in ("text/plain", "text/x-python", "application/x-c++src", "application/json"):
        assert types.fullmatch(told)
    for told in ("", "text/", "image/png", "application/json5", "application/xml", "text/plain/x"):
        assert not types.fullmatch(told)
    for wrong in ("", "text", "*", "*/*", "text/plain,", "text/ plain"):
        with pytest.raises(ValidationError, match="must be content types"):
            Settings(artifact_content_types=wrong)


_HOST = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["files.example.org", "minio", "a.store.example.org", "evil.test", *_NUMERIC.split()]),
    st.ip_addresses().map(str),
)
_PIECE = st.one_of(
    st.text(max_size=8), st.sampled_from(["@", "#", "?", "/", "\\", ":", "%2e", "。", "..", "[", "]"])
)
_URL = st.tuples(
    st.sampled_from(["https://", "http://", "HTTPS://", "https:", "//", ""]),
    st.lists(_PIECE, max_size=2).map("".join),
    _HOST,
    st.one_of(st.just(""), st.integers(-1, 99999).map(":{}".format)),
    st.lists(_PIECE, max_size=3).map("".join),
).map("".join)


@given(st.one_of(st.text(), _URL))
@settings(max_examples=1500)
@example("https://a.store.example.org")
def test_no_text_at_all_leads_to_a_host_that_is_not_listed(url: str) -> None:
    """And where an address is read, two other readers read the same host in it."""
    try:
        location = ALLOWED.location(url)
    except ArtifactRefused:
        return
    assert location.host in OPEN or location.host.endswith(".store.example.org")
    assert host_name(urlsplit(url).hostname or "") == location.host
    assert host_name(URL(url).raw_host or "") == location.host
