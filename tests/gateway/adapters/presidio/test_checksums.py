"""Check digits of our own; python-stdnum's are its own affair."""

import pytest

from gateway.adapters.presidio.checksums import is_snils


@pytest.mark.parametrize("digits", ["11223344595", "08765430300"])
def test_a_real_snils_passes(digits: str) -> None:
    assert is_snils(digits)


@pytest.mark.parametrize("digits", ["11223344596", "00100199800", "00000000000", "1122334459", "1122334459a"])
def test_any_other_is_no_snils(digits: str) -> None:
    assert not is_snils(digits)
