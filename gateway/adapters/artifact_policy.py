"""What may be fetched as a submission, and from where: decisions only, no network.

An address is read by a grammar narrower than RFC 3986 and never mended: what two readers could read in two
ways is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import idna

from gateway.errors import ArtifactRefused

MOST_CHARACTERS = 4096  # of an address; presigned ones have about 500
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]{2,45}\]|[^\s/?#@:\[\]\\%]{1,254})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*)?)"
    r"(?:\?(?P<query>(?:[a-z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*))?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
# A host whose last label is a number is an IPv4 address to somebody: https://url.spec.whatwg.org/#ends-in-a-number-checker
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ArtifactBounds:
    max_bytes: int
    timeout_s: float  # all of it: waiting for a place, the name, the connection, the answer
    read_timeout_s: float  # the longest silence
    concurrency: int
    content_types: str


class Reach(IntEnum):
    """How far an address may be trusted to be nobody's inside."""

    PUBLIC = 0
    PRIVATE = 1  # a cluster's own network, loopback too: only for hosts that the operator names for it
    NEVER = 2  # clouds hand out their credentials there, or nobody's files can be there


# Python's is_global (3.11) is no wall: it lets pass multicast, 192.88.99.0/24, 192.0.0.9 and its like, and of
# IPv6 the compatible ::a.b.c.d, NAT64 and 6to4 around any address, 3fff::/20, 5f00::/16, fec0::/10. The rest:
# https://www.iana.org/assignments/iana-ipv4-special-registry (and ipv6). Metadata services that lie
# outside of link-local: AWS fd00:ec2::/32, Google fd20:ce::254, Alibaba 100.100.100.200, Azure 168.63.129.16.
_NEVER_4 = tuple(
    map(
        IPv4Network,
        [
            "100.100.100.200/32",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "224.0.0.0/4",
        ],
    )
)
_PRIVATE_4 = tuple(
    map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
)
_NEVER_6 = tuple(map(IPv6Network, ("3fff::/20", "fd00:ec2::/32", "fd20:ce::/32")))
_PRIVATE_6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
_UNICAST_6 = IPv6Network("2000::/3")  # all that IANA has ever given out
_NAT64 = IPv6Network("64:ff9b::/96")


def reach(address: str) -> Reach:
    """Of a numeric address as a resolver writes it. Raises ValueError for anything else."""
    parsed = ip_address(address)
    return _reach_4(parsed) if isinstance(parsed, IPv4Address) else _reach_6(parsed)


def _reach_4(address: IPv4Address) -> Reach:
    if any(address in network for network in _NEVER_4):
        return Reach.NEVER
    if any(address in network for network in _PRIVATE_4):
        return Reach.PRIVATE
    return Reach.PUBLIC if address.is_global else Reach.NEVER


def _reach_6(address: IPv6Address) -> Reach:
    if address.ipv4_mapped is not None:
        return _reach_4(address.ipv4_mapped)
    inner = address.sixtofour or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
    if inner is not None:  # a tunnel's other end is somewhere else: it has no business inside
        return Reach.PUBLIC if _reach_4(inner) is Reach.PUBLIC else Reach.NEVER
    if any(address in network for network in _NEVER_6):
        return Reach.NEVER
    if any(address in network for network in _PRIVATE_6):
        return Reach.PRIVATE
    return Reach.PUBLIC if address in _UNICAST_6 and address.is_global else Reach.NEVER


@dataclass(frozen=True, slots=True)
class Location:
    """A presigned address that was read: all of it is a secret but the scheme."""

    scheme: str
    host: str = field(repr=False)  # as host_name() writes it
    port: int = field(repr=False)
    path: str = field(repr=False)  # as it came, or "/": a signature covers every byte of it
    query: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostRule:
    """One entry of a list of hosts."""

    name: str
    port: int | None  # None: the scheme's own
    below: bool  # every name that ends with `.name`, and not that name itself

    def covers(self, location: Location) -> bool:
        if location.port != (self.port or _DEFAULT_PORTS[location.scheme]):
            return False
        return location.host.endswith(f".{self.name}") if self.below else location.host == self.name


@dataclass(frozen=True, slots=True)
class Allowed:
    """The addresses that may be asked: `hosts` by https, those of them that `http_hosts` has too by http, and
    those named in `private_hosts` also where they lie on a private address."""

    hosts: tuple[HostRule, ...] = ()
    http_hosts: tuple[HostRule, ...] = ()
    private_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, hosts: str, http_hosts: str = "", private_hosts: str = "") -> "Allowed":
        """From the settings' comma-separated lists. Raises ValueError."""
        return cls(host_rules(hosts), host_rules(http_hosts), host_names(private_hosts))

    def location(self, url: str) -> Location:
        """The address read and allowed. Raises ArtifactRefused."""
        if not self.hosts:
            raise ArtifactRefused(
                "Submissions by reference are off: ARTIFACT_HOSTS names no host.",
                param="artifact",
            )
        location = _read(url)
        if location is None:
            raise _refused("The artefact's address is not one that can be read in one way only.")
        if not any(rule.covers(location) for rule in self.hosts):
            raise _refused("The artefact's host is not one of ARTIFACT_HOSTS.")
        if location.scheme == "http" and not any(rule.covers(location) for rule in self.http_hosts):
            raise _refused("The artefact's address is not https, nor its host one of ARTIFACT_HTTP_HOSTS.")
        if _is_number(location.host):
            self.check(location.host, [location.host])
        return location

    def check(self, host: str, addresses: Iterable[str]) -> None:
        """Every address that a host lies at. Raises ArtifactRefused when one of them may not be asked."""
        furthest = Reach.PRIVATE if host in self.private_hosts else Reach.PUBLIC
        if any(reach(address) > furthest for address in addresses):
            raise _refused("The artefact's host lies at an address that may not be asked.")


def host_rules(entries: str) -> tuple[HostRule, ...]:
    """`host`, `host:port`, `*.host`, `*.host:port`, by commas. Raises ValueError."""
    return tuple(_rule(entry) for entry in _entries(entries))


def host_names(entries: str) -> frozenset[str]:
    """Exact hosts by commas, no ports. Raises ValueError."""
    rules = host_rules(entries)
    if any(rule.below or rule.port for rule in rules):
        raise ValueError("must be exact hosts, separated by commas")
    return frozenset(rule.name for rule in rules)


def host_name(host: str) -> str | None:
    """A host as it is compared: lower case, ASCII by IDNA (UTS 46), no dot at the end; a numeric address in
    its one usual form. None: no host, or an address in a disguise (octal, hex, short or whole numbers)."""
    if host.startswith("["):
        try:
            return str(IPv6Address(host[1:-1]))
        except ValueError:
            return None
    try:
        text = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except UnicodeError:  # idna's own error is one
        return None
    name = text.lower().removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name):
        return None
    return name if not _NUMBER.fullmatch(name) or _is_number(name) else None


def content_types(entries: str) -> re.Pattern[str]:
    """What matches one of `type/subtype` (a `*` at the end for anything), by commas. Raises ValueError."""
    patterns = []
    for entry in entries.lower().split(","):
        found = re.fullmatch(r"\s*([a-z0-9][a-z0-9!#$&^_.+-]*/)([a-z0-9!#$&^_.+-]*)(\*?)\s*", entry)
        if not found or not (found[2] or found[3]):
            raise ValueError("must be content types such as text/*, separated by commas")
        patterns.append(re.escape(found[1] + found[2]) + (r"[^\s/]+" if found[3] else ""))
    return re.compile("|".join(patterns))


def _read(url: str) -> Location | None:
    found = _URL.fullmatch(url) if len(url) <= MOST_CHARACTERS else None
    host = host_name(found["host"]) if found else None
    if found is None or host is None:
        return None
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else _DEFAULT_PORTS[scheme]
    return Location(scheme, host, port, found["path"] or "/", found["query"] or "")


def _is_number(host: str) -> bool:
    try:
        return str(ip_address(host)) == host
    except ValueError:
        return False


def _entries(entries: str) -> list[str]:
    return [entry.strip() for entry in entries.split(",") if entry.strip()]


def _rule(entry: str) -> HostRule:
    found = re.fullmatch(r"(\*\.)?(\[[0-9a-fA-F:.]+\]|[^:\[\]*]+)(?::([0-9]{1,5}))?", entry)
    name = host_name(found[2]) if found else None
    if found is None or name is None:
        raise ValueError("must be host, host:port or *.example.org, separated by commas")
    below, port = bool(found[1]), int(found[3]) if found[3] else None
    # `*.org` would be everybody.
    if (below and ("." not in name or _is_number(name))) or port == 0 or (port or 0) > 65535:
        raise ValueError("must be host, host:port or *.example.org, separated by commas")
    return HostRule(name, port, below)


def _refused(why: str) -> ArtifactRefused:
    return ArtifactRefused(why, param="artifact.url")
