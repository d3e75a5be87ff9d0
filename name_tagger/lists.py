"""Given names, surnames, cities, addresses, companies of many countries, from Faker; all in Latin letters.

The alphabets that are not Latin are transliterated, Chinese and Japanese are romanised by Faker itself.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from faker import Faker

_LATIN = """
az_AZ bs_BA cs_CZ da_DK de_AT de_CH de_DE en_AU en_BD en_CA en_GB en_IE en_IN en_KE en_NG en_NZ
en_PH en_PK en_TH en_US es_AR es_CA es_CL es_CO es_ES es_MX et_EE fi_FI fil_PH fr_BE fr_CA fr_CH
fr_FR ga_IE ha_NG hr_HR hu_HU id_ID ig_NG is_IS it_IT lt_LT lv_LV mt_MT nl_BE nl_NL no_NO pl_PL
pt_BR pt_PT ro_RO sk_SK sl_SI sq_AL sv_SE sw tr_TR tw_GH uz_UZ vi_VN yo_NG zu_ZA
"""
LATIN = _LATIN.split()
ROMANISED = ("ja_JP", "zh_CN", "zh_TW")
TRANSLITERATED = ("ru_RU", "uk_UA", "bg_BG", "mk_MK", "el_GR")
ENGLISH = ("en_US", "en_GB", "en_AU", "en_CA", "en_IE", "en_NZ")
_COUNTRIES = {"en_US": 300, "de_DE": 30, "es_ES": 30, "fr_FR": 30}
_UNORDERED = ("it_IT",)  # its cities stand in a set: another order in every process

_CYRILLIC = (
    "а=a б=b в=v г=g д=d е=e ё=yo ж=zh з=z и=i й=y к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ц=ts ч=ch"
    " ш=sh щ=shch ъ= ы=y ь= э=e ю=yu я=ya і=i ї=yi є=ye ґ=g ј=j љ=lj њ=nj ќ=kj ѓ=gj џ=dz ѕ=dz ў=w"
)
_GREEK = (
    "α=a β=v γ=g δ=d ε=e ζ=z η=i θ=th ι=i κ=k λ=l μ=m ν=n ξ=x ο=o π=p ρ=r σ=s ς=s τ=t υ=y φ=f χ=ch ψ=ps ω=o"
)
_LETTERS = dict(pair.split("=") for pair in f"{_CYRILLIC} {_GREEK}".split())

# "Allen, Wright and Sullivan": left out, for whoever reads it as a firm lets three people through.
_ONLY_SURNAMES = re.compile(r"[\w'’-]+(?:, [\w'’-]+)* (?:and|&|y|e|et|und) [\w'’-]+")


@dataclass(frozen=True, slots=True)
class Lists:
    """By locale, but for the last two."""

    given: dict[str, list[str]]
    surnames: dict[str, list[str]]
    cities: dict[str, list[str]]
    addresses: dict[str, list[str]]
    countries: list[str]
    companies: list[str]


def lists(seed: int, count: int = 220) -> Lists:
    """Up to `count` names of each sort a locale; takes about five seconds."""
    made = Lists({}, {}, {}, {}, [], [])
    companies: set[str] = set()
    for locale in (*LATIN, *ROMANISED, *TRANSLITERATED):
        source = Faker(locale)
        source.seed_instance(seed)
        romanised = locale in ROMANISED
        given = source.first_romanized_name if romanised else source.first_name
        surname = source.last_romanized_name if romanised else source.last_name
        made.given[locale] = _some(given, count)
        made.surnames[locale] = _some(surname, count)
        if not romanised and locale not in _UNORDERED:
            made.cities[locale] = _some(source.city, count // 3)
        if locale in LATIN:
            made.addresses[locale] = _some(source.address, count // 2)
            companies.update(_some(source.company, count // 5))
    countries: set[str] = set()
    for locale, some in _COUNTRIES.items():
        source = Faker(locale)
        source.seed_instance(seed)
        countries.update(_some(source.country, min(some, count)))
    made.countries.extend(sorted(countries))
    made.companies.extend(sorted(one for one in companies if not _ONLY_SURNAMES.fullmatch(one)))
    return made


def _some(make: Callable[[], str], count: int) -> list[str]:
    drawn = {latin(make()) for _ in range(count)}
    return sorted(one for one in drawn if one)


def latin(text: str) -> str:
    """Cyrillic and Greek letters transliterated; Latin text as it is."""
    if all(ord(letter) < 0x250 or not letter.isalpha() for letter in text):
        return text
    # Accents fall, but for the breve of the short i.
    apart = unicodedata.normalize("NFD", text)
    plain = "".join(sign for sign in apart if not unicodedata.combining(sign) or sign == "\u0306")
    return "".join(map(_transliterated, unicodedata.normalize("NFC", plain)))


def _transliterated(letter: str) -> str:
    spelt = _LETTERS.get(letter.lower(), letter)
    return spelt.capitalize() if letter.isupper() else spelt
