"""What stands in a template's slots, with its kind."""

import random
import unicodedata
from collections.abc import Callable

from name_tagger.addresses import Addresses
from name_tagger.lists import Lists
from name_tagger.people import People
from name_tagger.words import words

Part = tuple[str, str | None]  # words, their kind

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_HOSTS = ("example.com", "mail.org", "uni.edu", "school.net", "gmail.com")
_PHONES = (
    "+## ### #### ###",
    "(###) ###-####",
    "###-###-####",
    "### ### ###",
    "### ####",
    "##-##-##-##",
    "0### ### ## ##",
)


class Values:
    def __init__(self, known: Lists, draw: random.Random) -> None:
        self._draw = draw
        self._words = words()
        people = self._people = People(known, draw)
        places = Addresses(known, people, draw)
        self._slots: dict[str, tuple[str | None, Callable[[], str]]] = {
            "PERSON": ("PERSON", people.person),
            "FIRST": ("PERSON", lambda: people.recased(people.given())),
            "LAST": ("PERSON", lambda: people.recased(people.surname())),
            "FULL": ("PERSON", lambda: people.recased(people.full())),
            "SCHOLAR": ("PERSON", people.scholar),
            "ADDRESS": ("ADDRESS", places.address),
            "LINE": ("ADDRESS", places.line),
            "STREET": ("ADDRESS", places.street),
            "POSTCODE": ("ADDRESS", places.postcode),
            "PLACE": ("LOCATION", people.place),
            "CITY": ("LOCATION", people.city),
            "COUNTRY": ("LOCATION", people.country),
            "ORG": ("ORGANIZATION", people.company),
            "DATE": ("DATE", self._date),
            "AGE": ("AGE", lambda: str(draw.randint(6, 90))),
            "NRP": ("NRP", lambda: draw.choice(self._words.nations)),
            "TITLE": ("TITLE", lambda: draw.choice(self._words.titles)),
            "PHONE": (None, self._phone),
            "EMAIL": (None, self._email),
            "NUM": (None, lambda: str(draw.randint(1, draw.choice((5, 30, 2000))))),
            "LETTER": (None, people.letter),
            "ROLE": (None, self._role),
            "TERM": (None, self._term),
            "EPONYM": (None, self._eponym),
        }

    def slot(self, name: str) -> list[Part]:
        """The parts of a slot of templates.txt. Raises KeyError for one that does not exist."""
        if name == "TITLED":
            person = self._people.surname() if self._draw.random() < 0.65 else self._people.full()
            title = self._draw.choice(self._words.titles)
            return [(title, "TITLE"), (" ", None), (self._people.recased(person), "PERSON")]
        kind, make = self._slots[name]
        return [(make(), kind)]

    def _date(self) -> str:
        day, month = self._draw.randint(1, 28), self._draw.randint(1, 12)
        year = self._draw.randint(1930, 2026)
        name = _MONTHS[month - 1]
        return self._draw.choice(
            (
                f"{day}/{month}/{year}",
                f"{year}-{month:02d}-{day:02d}",
                f"{year}-{month:02d}-{day:02d} {day % 24:02d}:{month * 4:02d}:{day:02d}",
                f"{day:02d}.{month:02d}.{year}",
                f"{name} {day}, {year}",
                f"{name} {day}",
                f"{name} {year}",
                f"{day} {name} {year}",
                f"{day} {name[:3]} {year}",
                str(year),
                self._draw.choice(_DAYS),
            )
        )

    def _phone(self) -> str:
        digits = (
            str(self._draw.randint(1, 9)) if sign == "#" else sign for sign in self._draw.choice(_PHONES)
        )
        return "".join(digits)

    def _email(self) -> str:
        name = f"{self._people.given()}{self._draw.choice('._')}{self._people.surname()}".replace(" ", "")
        plain = unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode()
        return f"{plain if self._draw.random() < 0.3 else plain.lower()}@{self._draw.choice(_HOSTS)}"

    def _role(self) -> str:
        role = self._draw.choice(self._words.roles)
        return role if self._draw.random() < 0.5 else role.title()

    def _term(self) -> str:
        term = self._draw.choice(self._words.terms)
        case = self._draw.random()
        return term.lower() if case < 0.1 else term.upper() if case < 0.2 else term

    def _eponym(self) -> str:
        if self._draw.random() < 0.6:
            return self._draw.choice(self._words.eponyms)
        return self._people.surname().split()[-1]
