"""Made-up people, places and companies. Names are Faker's or spelt from syllables: the tagger shall learn
what a name does in a sentence, not only which names there are."""

import random

from name_tagger.lists import ENGLISH, Lists
from name_tagger.words import words

_ENGLISH = 0.34  # of all people
_SPELT = 0.14


class People:
    def __init__(self, known: Lists, draw: random.Random) -> None:
        self._known = known
        self._draw = draw
        self._words = words()
        self._locales = sorted(known.given)
        self._towns = sorted(known.cities)

    def locale(self) -> str:
        return self._draw.choice(ENGLISH if self._draw.random() < _ENGLISH else self._locales)

    def given(self, locale: str | None = None) -> str:
        if self._draw.random() < _SPELT:
            return self.spelt()
        name = self._draw.choice(self._known.given[locale or self.locale()])
        name = name.split()[-1] if "." in name else name
        if self._draw.random() < 0.03:
            name = f"{name}-{self._draw.choice(self._known.given[locale or self.locale()])}"
        return name

    def surname(self, locale: str | None = None) -> str:
        locale = locale or self.locale()
        spelt = self._draw.random() < _SPELT
        name = self.spelt() if spelt else self._draw.choice(self._known.surnames[locale])
        form = self._draw.random()
        if form < 0.035 and " " not in name and "-" not in name:
            return f"{name}-{self._draw.choice(self._known.surnames[locale])}"
        if form < 0.07 and " " not in name:
            return f"{self._draw.choice(self._words.particles)} {name}"
        if form < 0.085:
            return self._draw.choice(self._words.prefixes) + name
        return name

    def full(self) -> str:
        """Given name and surname, in one of a dozen forms."""
        form = self._draw.random()
        locale = self.locale()
        given, surname = self.given(locale), self.surname(locale)
        if form < 0.70:
            return f"{given} {surname}"
        if form < 0.77:
            return f"{given} {self.letter()}{self._draw.choice(('.', '.', ''))} {surname}"
        if form < 0.82:
            return f"{given} {self.given(locale)} {surname}"
        if form < 0.86:
            return f"{given} {surname} {self.surname(locale)}"
        if form < 0.92:
            return f"{self.letter()}. {surname}"
        if form < 0.95:
            return f"{self.letter()}.{self._draw.choice(('', ' '))}{self.letter()}. {surname}"
        return f"{surname} {given}" if form < 0.97 else f"{surname}, {given}"

    def person(self) -> str:
        form = self._draw.random()
        return self.recased(self.full() if form < 0.56 else self.given() if form < 0.88 else self.surname())

    def scholar(self) -> str:
        return f"{self.given('en_GB')} {self._draw.choice(self._words.eponyms)}"

    def letter(self) -> str:
        return self._draw.choice("ABCDEFGHIJKLMNOPRSTVWYZ")

    def recased(self, name: str) -> str:
        chance = self._draw.random()
        return name.lower() if chance < 0.05 else name.upper() if chance < 0.09 else name

    def spelt(self) -> str:
        syllables = self._words.syllables[self._draw.choice(sorted(self._words.syllables))]
        name = self._draw.choice(syllables["begin"].split())
        for _ in range(self._draw.choice((1, 1, 1, 2))):
            name += self._draw.choice(syllables["rest"].split())
        return name

    def city(self) -> str:
        if self._draw.random() < 0.3:
            return self._draw.choice(self._words.cities)
        locale = self._draw.choice((self._draw.choice(self._towns), "en_US", "en_GB"))
        return self._draw.choice(self._known.cities[locale])

    def country(self) -> str:
        return self._draw.choice(self._known.countries)

    def place(self) -> str:
        name = self.country() if self._draw.random() < 0.45 else self.city()
        return name.upper() if self._draw.random() < 0.05 else name

    def company(self) -> str:
        form = self._draw.random()
        if form < 0.4:
            return self._draw.choice(self._known.companies)
        end = self._draw.choice(self._words.company_ends)
        if form < 0.6:
            return f"{self.surname()} {end}"
        if form < 0.64:
            return f"{self.surname()}-{self.surname()}"
        if form < 0.87:
            name = [
                self._draw.choice(self._words.company_words) for _ in range(self._draw.choice((1, 2, 2, 3)))
            ]
            return " ".join([*name, end] if self._draw.random() < 0.4 else name)
        ends = ("", "", "ly", "ify", "tech", "soft", ".com", "Data", "Cloud", "Point")
        coined = self.spelt() + self._draw.choice(ends)
        return coined if form < 0.94 else f"{coined} {end}"
