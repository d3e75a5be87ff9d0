"""Recognisers of what looks the same in every language: e-mail, card, IBAN, IP, phone, URL with a password.

Every pattern starts at a fixed boundary and is bounded or possessive: time is linear in the text.
"""

import ipaddress
import re

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer
from presidio_analyzer.predefined_recognizers.generic.credit_card_recognizer import CreditCardRecognizer
from presidio_analyzer.predefined_recognizers.generic.iban_recognizer import IbanRecognizer
from presidio_analyzer.predefined_recognizers.generic.ip_recognizer import IpRecognizer
from tldextract import TLDExtract

from gateway.adapters.presidio.checksums import passes_luhn

LANGUAGE = "xx"  # texts are mixed: every recogniser reads every text
SURE, LIKELY, NEEDS_CONTEXT = 0.9, 0.6, 0.3  # findings under 0.5 fall unless a context word stands near

# Where a number may begin and end: «тел.8921...» and «ИНН7707...» do, the tail of a hash or of 3.14 does not.
BEGIN, END = r"(?<![A-Za-z0-9_])(?<!\d[.-])", r"(?!\w)(?![.-]\d)"

_FLAGS = re.MULTILINE
_INTERNAL_DOMAINS = frozenset(
    {"local", "lan", "internal", "localhost", "example", "test", "invalid", "home", "corp"}
)


class Email(PatternRecognizer):
    """Any script, sub-addresses, internal domains. Presidio's own knows ASCII letters only."""

    _PATTERN = r"(?<![\w.+%-])(?<!\w')[\w.+%-]++(?:'[\w.+%-]++)*+@[^\W_](?:[\w-]*+)(?:\.[\w-]++)++"

    def __init__(self) -> None:
        # The list of public suffixes inside the wheel; never fetched from the network, never cached on disk.
        self._suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)
        super().__init__(
            "EMAIL",
            supported_language=LANGUAGE,
            patterns=[Pattern("email", self._PATTERN, SURE)],
            global_regex_flags=_FLAGS,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        """`weights@self.bias` is a product of matrices: the last part must be a domain of this world."""
        domain = pattern_text.rpartition("@")[2]
        last = domain.rpartition(".")[2].lower()
        return last not in _INTERNAL_DOMAINS and not self._suffixes.extract_str(domain).suffix


class Ip(IpRecognizer):
    """Presidio's patterns without what answers are full of: `a[1::2]`, `127.0.0.1`, `10.0.0.0/8`, masks."""

    def __init__(self) -> None:
        labelled = Pattern(  # "IP:2001:db8::1": Presidio's patterns allow no colon before
            "IPv6 after a label",
            r"(?<=[G-Zg-zА-яё]:)[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])",
            LIKELY,
        )
        super().__init__(
            patterns=[*self.PATTERNS, labelled], supported_language=LANGUAGE, supported_entity="IP"
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        try:
            address = ipaddress.ip_interface(pattern_text).ip
        except ValueError:
            return True
        if address.is_loopback or address.is_unspecified or address.is_multicast:
            return True
        if address.version == 4:  # networks, masks and broadcast are subject matter, hosts are somebody's
            return "/" in pattern_text or address.packed[0] in (0, 255) or address.packed[3] in (0, 255)
        return not re.match(r"(?i)[23][0-9a-f]{3}:|f[cdef][0-9a-f]{2}:|::ffff:\d+\.", pattern_text)


_CARD_CONTEXT = [
    "card",
    "visa",
    "mastercard",
    "maestro",
    "amex",
    "карт",
    "credit",
    "debit",
    "мир",
    "счёт",
    "счет",
]
_CARD = [
    Pattern("16 digits", BEGIN + r"(?<!\d )[2-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}(?! ?\d)" + END, SURE),
    Pattern("amex, diners", BEGIN + r"3[04-9]\d{2}[ -]?\d{6}[ -]?\d{4,5}(?! ?\d)" + END, SURE),
    Pattern("Visa 13, JCB 15", BEGIN + r"(?:4\d{12}|(?:1800|2131)\d{11})" + END, SURE),
    Pattern("UnionPay, MIR 17-19", BEGIN + r"(?:62|220[0-4])\d{14,17}" + END, SURE),
]
_CARD_IN_CONTEXT = [Pattern("12 to 19 digits", BEGIN + r"\d{12,19}" + END, NEEDS_CONTEXT)]


class Card(CreditCardRecognizer):
    """Presidio's Luhn check over patterns that also know MIR, Mastercard's second series and 19 digits."""

    def __init__(self) -> None:
        super().__init__(patterns=_CARD, supported_language=LANGUAGE, supported_entity="CARD")


class CardInContext(PatternRecognizer):
    """One in ten long numbers passes Luhn: any of 12 to 19 digits is a card only near a word that says so."""

    def __init__(self) -> None:
        super().__init__(
            "CARD",
            supported_language=LANGUAGE,
            patterns=_CARD_IN_CONTEXT,
            context=_CARD_CONTEXT,
            global_regex_flags=_FLAGS,
        )

    def invalidate_result(self, pattern_text: str) -> bool:
        return not passes_luhn(pattern_text)


_PHONE_CONTEXT = [
    "phone", "telephone", "tel", "cell", "cellphone", "mobile", "mob", "call", "fax", "desk", "office",
    "contact", "whatsapp", "viber", "sms", "answering", "messages",
    "телефон", "тел", "моб", "мобильн", "сотов", "звон", "позвон", "факс", "ватсап", "вотсап",
]  # fmt: skip
_SEP = r"[ .-]?"
_PHONE = [
    Pattern("international", r"(?<![A-Za-z0-9_+])\+[1-9]\d{0,2}(?:[ .()-]{0,3}\d){6,12}(?!\w)(?!-\d)", SURE),
    Pattern("00 prefix", r"(?<![\w.])00[1-9](?:[ .()-]{1,2}\d{2,4}){3,5}(?!\w)", LIKELY),
    Pattern(
        "North America",
        BEGIN + r"(?:1[ .-])?(?:\([2-9]\d{2}\)[ ]?|[2-9]\d{2}[.-])[2-9]\d{2}[ .-]\d{4}"
        r"(?: ?x\d{1,5})?(?!\w)(?![.-]\d)",
        LIKELY,
    ),
    Pattern(
        "after a label",
        r"(?i)(?:(?<!\w)(?:phone|tel|mobile|cell|fax|тел|телефон)\.?:?\s{1,2})"
        r"\K\(?\d(?:[ .()/-]{0,2}\d){5,14}(?!\w)",
        LIKELY,
    ),
    Pattern("near a word", r"(?<![\w.+-])\(?0?\d(?:[ .()-]{0,2}\d){6,12}(?!\w)(?![.,-]\d)", NEEDS_CONTEXT),
]


def recognizers() -> list[EntityRecognizer]:
    """E-mail, URL with credentials, card, IBAN, IP and phones of the world."""
    return [
        Email(),
        PatternRecognizer(
            "URL",
            name="UrlWithCredentials",
            supported_language=LANGUAGE,
            patterns=[
                Pattern(
                    "user:password@",
                    r"(?<![\w+.-])[a-zA-Z][\w+.-]{1,20}+://[^\s/@:\"'<>]{0,256}+:[^\s/@\"'<>]{1,256}+@[^\s\"'<>]++",
                    SURE,
                )
            ],
            global_regex_flags=_FLAGS,
        ),
        Card(),
        CardInContext(),
        IbanRecognizer(supported_language=LANGUAGE, supported_entity="IBAN"),
        Ip(),
        PatternRecognizer(
            "PHONE",
            name="Phone",
            supported_language=LANGUAGE,
            patterns=_PHONE,
            context=_PHONE_CONTEXT,
            global_regex_flags=_FLAGS,
        ),
    ]
