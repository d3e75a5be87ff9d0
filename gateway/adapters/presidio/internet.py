"""Recognisers of what people have on the network: e-mail, IP, URL with a password."""

import ipaddress
import re
from collections.abc import Iterator

from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from tldextract import TLDExtract

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.reading import TextRecognizer
from gateway.adapters.presidio.writing import LANGUAGE, LIKELY, SURE

_INTERNAL_DOMAINS = frozenset(
    {"local", "lan", "internal", "localhost", "example", "test", "invalid", "home", "corp"}
)
_FILE_ENDINGS = frozenset(
    (
        "pdf", "doc", "docx", "odt", "rtf", "txt", "md", "csv", "xlsx", "py", "ipynb", "java", "zip", "rar",
        "7z", "tar", "gz", "jpg", "png",
    )
)  # fmt: skip
_COMMON_ENDINGS = frozenset(("ru", "рф", "su", "by", "kz", "com", "net", "org", "edu", "de", "uk"))
_SPELLED_AT = re.compile(
    r"[\[({<]\s?(?:[Aa][Tt]|@|[Сс]обак(?:а|чка)|эт)\s?[\])}>]|@(?:(?=\s)|(?<=\s@))|собака(?<=\sсобака)(?=\s)"
)
_SPELLED_DOMAIN = re.compile(
    r"\s?[^\W_][\w-]{0,40}(?:\s?(?:\.|[\[({<]\s?(?:dot|точка|тчк)\s?[\])}>]|\s(?:dot|точка)(?=\s))\s?"
    r"(?P<last>[^\W_][\w-]{0,40})){1,3}(?![\w@(])",
    re.IGNORECASE,
)


class Email(TextRecognizer):
    """Any script, sub-addresses, internal domains. Presidio's own knows ASCII letters only."""

    _SHAPE = re.compile(r"@(?<=[\w.+%'-]@)[^\W_][\w-]*+(?:\.[\w-]++)++")
    _LOCAL_PART = re.compile(r"(?<![\w.+%-])(?<!\w')[\w.+%-]++(?:'[\w.+%-]++)*+\s?\Z")
    _LONGEST = 80  # characters before the @; the standard allows 64

    def __init__(self) -> None:
        # The list of public suffixes inside the wheel; never fetched from the network, never cached on disk.
        self._suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)
        super().__init__(["EMAIL"], supported_language=LANGUAGE, name="Email")

    def read(self, text: str) -> list[RecognizerResult]:
        results = [
            found(self, "EMAIL", start, end, LIKELY)
            for at in _SPELLED_AT.finditer(text)
            for start, end in self._spelled(text, at)
        ]
        for match in self._SHAPE.finditer(text):
            at = match.start()
            local_part = self._LOCAL_PART.search(text, max(0, at - self._LONGEST), at)
            domain = self._domain(match[0][1:])
            if local_part and domain:
                results.append(found(self, "EMAIL", local_part.start(), at + 1 + len(domain), SURE))
        return results

    def _spelled(self, text: str, at: re.Match[str]) -> Iterator[tuple[int, int]]:
        """`lena (at) mail (dot) ru`, `lena @ mail.ru`: of these a common ending is asked for."""
        local_part = self._LOCAL_PART.search(text, max(0, at.start() - self._LONGEST), at.start())
        domain = _SPELLED_DOMAIN.match(text, at.end())
        if local_part and domain and domain["last"].lower() in _COMMON_ENDINGS:
            yield local_part.start(), domain.end()

    def _domain(self, name: str) -> str:
        """The part of `name` that is a domain of this world, or nothing: `weights@self.bias` is a product of
        matrices, `resume-lena@mail.ru.pdf` a file."""
        rest, _, last = name.rpartition(".")
        while rest:
            if last.lower() in _INTERNAL_DOMAINS or self._suffixes.extract_str(name).suffix:
                return name
            if last.lower() not in _FILE_ENDINGS:
                break
            name = rest
            rest, _, last = name.rpartition(".")
        return ""


class Url(PatternRecognizer):
    """A URL with a password, or with a token in its query. Of any other URL only what is personal in it is
    found, by the other recognisers."""

    def __init__(self) -> None:
        scheme = r"(?<![\w+.-])[a-zA-Z][\w+.-]{1,20}+://"
        # No backslash: in JSON it belongs to the quote behind the URL. And no mark that ends a sentence.
        rest = r"(?:[.,;:!?]*+[^\s\"'<>`\\.,;:!?])++"
        super().__init__(
            "URL",
            name="UrlWithCredentials",
            supported_language=LANGUAGE,
            patterns=[
                Pattern(
                    "user:password@",
                    scheme + rf"[^\s/@:\"'<>]{{0,256}}+:[^\s/@\"'<>]{{1,256}}+@{rest}",
                    SURE,
                ),
                Pattern(
                    "token in the query or behind #",
                    scheme + rf"[^\s?#\"'<>`\\]{{1,256}}+[?#](?:[^\s&?#\"'<>`\\]{{0,256}}+[&?#]){{0,12}}?"
                    r"(?i:(?:[\w.-]{0,20}?(?:token|password|passwd|pwd|secret|signature|credential|api[_-]?key)"
                    rf"|(?:[\w.-]{{0,20}}?[._-])?sig))={rest}",
                    SURE,
                ),
            ],
            global_regex_flags=re.MULTILINE,
        )

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,
        regex_flags: int | None = None,
    ) -> list[RecognizerResult]:
        """Nothing is asked of a text without "://"."""
        if "://" not in text:
            return []
        results: list[RecognizerResult] = super().analyze(text, entities, nlp_artifacts, regex_flags)
        return results


class Ip(PatternRecognizer):
    """Addresses of hosts, without what answers are full of: `a[1::2]`, `127.0.0.1`, `10.0.0.0/8`, masks.

    Presidio's own tries ten shapes of IPv6 at every character (0.2 ms per KB); one is left, and `ipaddress`.
    """

    def __init__(self) -> None:
        super().__init__(
            "IP",
            name="Ip",
            supported_language=LANGUAGE,
            patterns=[
                Pattern("IPv4", r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?!\w)(?!\.\d)", LIKELY),
                Pattern(  # "IP:2001:db8::1": a colon before is allowed after a label
                    "IPv6",
                    r"(?:(?<![\w:])|(?<=[G-Zg-zА-яё]:))[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{2,38}+"
                    r"(?:(?<=:\d{1,3})(?:\.\d{1,3}){3})?(?:%\w{1,16})?(?:/\d{1,3})?(?![\w:])",
                    LIKELY,
                ),
            ],
            context=["ip", "ipv4", "ipv6", "айпи", "host", "хост", "server", "сервер", "address"],
            global_regex_flags=re.MULTILINE,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        try:
            address = ipaddress.ip_interface(pattern_text).ip
        except ValueError:
            return True
        if address.is_loopback or address.is_unspecified or address.is_multicast:
            return True
        if address.version == 4:  # networks, masks and broadcast are subject matter, hosts are somebody's
            octets = address.packed
            numbers_a_section = max(octets) < 10
            return "/" in pattern_text or numbers_a_section or octets[0] in (0, 255) or octets[3] in (0, 255)
        return not re.match(r"(?i)[23][0-9a-f]{3}:|f[cdef][0-9a-f]{2}:|::ffff:\d+\.", pattern_text)
