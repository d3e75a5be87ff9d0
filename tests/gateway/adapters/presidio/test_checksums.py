import pytest

from gateway.adapters.presidio.checksums import is_inn, is_snils, passes_luhn


@pytest.mark.parametrize("digits", ["7707083893", "7830002293", "500100732259"])
def test_a_real_inn_passes(digits: str) -> None:
    assert is_inn(digits)


@pytest.mark.parametrize(
    "digits", ["7707083894", "500100732258", "500100732269", "0000000000", "77070838", ""]
)
def test_any_other_is_no_inn(digits: str) -> None:
    assert not is_inn(digits)


@pytest.mark.parametrize("digits", ["11223344595", "08765430300"])
def test_a_real_snils_passes(digits: str) -> None:
    assert is_snils(digits)


@pytest.mark.parametrize("digits", ["11223344596", "00100199800", "00000000000", "1122334459", "1122334459a"])
def test_any_other_is_no_snils(digits: str) -> None:
    assert not is_snils(digits)


def test_one_changed_digit_fails_luhn() -> None:
    number = "4111111111111111"
    assert passes_luhn(number)
    for i in range(len(number)):
        changed = number[:i] + str((int(number[i]) + 1) % 10) + number[i + 1 :]
        assert not passes_luhn(changed)
