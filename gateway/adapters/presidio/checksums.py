"""Check digits that python-stdnum has no rule for. Pure functions over strings of digits."""

_SNILS_WITHOUT_CHECK = 1_001_998  # numbers up to 001-001-998 were given without check digits


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
