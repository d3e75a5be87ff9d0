"""How a key is written."""

import re
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.key_text import mistyped, new_key, shown

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_key_is_what_scanners_of_secrets_look_for() -> None:
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(re.fullmatch(r"gg_[0-9A-Za-z]{49}", key) for key in keys)
    assert not any(mistyped(key.encode()) for key in keys)


def test_its_end_is_the_crc_of_the_rest_in_base_62() -> None:
    key = new_key()
    number = 0
    for digit in key[-6:]:
        number = number * 62 + DIGITS.index(digit)
    assert number == crc32(key[:-6].encode())


@given(st.integers(3, 51), st.sampled_from(DIGITS))
def test_one_wrong_character_is_seen(place: int, digit: str) -> None:
    key = new_key()
    other = key[:place] + digit + key[place + 1 :]
    assert mistyped(other.encode()) == (other != key)


@given(st.binary(max_size=80))
def test_any_bytes_may_be_asked_about(key: bytes) -> None:
    assert mistyped(key) in (True, False)


def test_what_has_another_form_is_not_judged() -> None:
    assert not any(map(mistyped, (b"", b"gg_", b"sk-1234", b"gg_" + b"A" * 43, b"xx_" + b"A" * 49)))


def test_a_person_sees_too_little_to_guess_the_rest() -> None:
    assert len(shown(new_key())) == 8
