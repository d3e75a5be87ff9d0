"""How an API key is written: `gg_`, 43 random characters, 6 of checksum, all of base 62.

As GitHub's tokens are (https://github.blog/engineering/behind-githubs-new-authentication-token-formats/): a
scanner of leaked secrets finds one by `gg_[0-9A-Za-z]{49}` and is sure of it by the checksum, and one that
was mistyped or made up is known without the file of keys. The checksum is the CRC-32 of what stands before
it; it protects against mistakes and nothing else. 43 characters are 256 bits.
"""

import secrets
from zlib import crc32

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM = 43
_CHECKSUM = 6
_LENGTH = len("gg_") + _RANDOM + _CHECKSUM
# Two digits at once: three divisions instead of six.
_PAIRS = [(high + low).encode() for high in _DIGITS for low in _DIGITS]


def new_key() -> str:
    """A key that nobody has."""
    body = "gg_" + "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM))
    return body + _checksum(body.encode()).decode()


def mistyped(key: bytes) -> bool:
    """True for what has a key's length and beginning and cannot be one. Keys from before the checksum have 46
    characters, and those that settings give any: neither is looked at."""
    if len(key) != _LENGTH or not key.startswith(b"gg_"):
        return False
    return key[-_CHECKSUM:] != _checksum(key[:-_CHECKSUM])


def shown(key: str) -> str:
    """What a person knows a key by in a list: of 43 random characters 5."""
    return key[:8]


def _checksum(body: bytes) -> bytes:
    rest, low = divmod(crc32(body), 62 * 62)
    high, middle = divmod(rest, 62 * 62)
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]
