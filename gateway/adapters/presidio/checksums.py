"""Check digits of Russian numbers. Pure functions over strings of digits."""

_INN10 = (2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN12_FIRST = (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN12_SECOND = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_SNILS_WITHOUT_CHECK = 1_001_998  # numbers up to 001-001-998 were given without check digits


def is_inn(digits: str) -> bool:
    """Tax number of an organisation (10 digits) or a person (12).

    Rule: the Federal Tax Service's order on INN, ММВ-7-6/435@ of 29.06.2012: weighted sum mod 11 mod 10.
    """
    if not digits.isdecimal() or digits.startswith("00"):
        return False
    if len(digits) == 10:
        return _weighted(digits, _INN10) == int(digits[9])
    if len(digits) == 12:
        first, second = _weighted(digits, _INN12_FIRST), _weighted(digits, _INN12_SECOND)
        return (first, second) == (int(digits[10]), int(digits[11]))
    return False


def is_snils(digits: str) -> bool:
    """Insurance number of a person, 11 digits.

    Rule: the Pension Fund of Russia on SNILS (Постановление Правления ПФ РФ 192п of 31.07.2006): the sum of
    nine digits weighted 9..1, mod 101, where 100 counts as 00. Old numbers have no check digits and cannot be
    told from noise: they are refused here.
    """
    if not digits.isdecimal() or len(digits) != 11 or int(digits[:9]) <= _SNILS_WITHOUT_CHECK:
        return False
    weighted = sum(int(digit) * weight for digit, weight in zip(digits, range(9, 0, -1), strict=False))
    return weighted % 101 % 100 == int(digits[9:])


def passes_luhn(digits: str) -> bool:
    """Check digit of payment cards. Rule: ISO/IEC 7812-1, annex B."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 11 % 10
