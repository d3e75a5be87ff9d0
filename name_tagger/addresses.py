"""Made-up postal addresses in the habits of many countries, on one line or several."""

import random

from name_tagger.lists import Lists
from name_tagger.people import People
from name_tagger.words import words

_BREAKS = (", ", ", ", "\n", "\n", " ", "\n ", ",\n", "\n    ")


class Addresses:
    def __init__(self, known: Lists, people: People, draw: random.Random) -> None:
        self._known = known
        self._people = people
        self._draw = draw
        self._words = words()
        self._locales = sorted(known.addresses)

    def address(self) -> str:
        """With the city and the postcode that belong to it or without."""
        form = self._draw.random()
        if form < 0.2:
            text = self._draw.choice(self._known.addresses[self._draw.choice(self._locales)])
            text = text if self._draw.random() < 0.5 else text.replace("\n", ", ")
        elif form < 0.45:
            text = self.street()
        elif form < 0.5:
            text = self._box()
        else:
            text = self._draw.choice(_BREAKS).join(self._lines())
        case = self._draw.random()
        return text.lower() if case < 0.05 else text.upper() if case < 0.08 else text

    def line(self) -> str:
        return ", ".join(line.strip(" ,") for line in self.address().splitlines())

    def _lines(self) -> list[str]:
        lines = [self.street()]
        if self._draw.random() < 0.35:
            number = self._draw.randint(1, self._draw.choice((20, 999)))
            padded = number < 99 and self._draw.random() < 0.2
            unit = self._draw.choice(self._words.units)
            lines.append(unit.format(n=f"{number:03d}" if padded else number, s=number % 9 + 1))
        city, code = self._people.city(), self.postcode()
        if self._draw.random() < 0.1:
            city = city.upper()
        form = self._draw.random()
        if form < 0.3:
            lines.append(f"{city}, {self._draw.choice(self._words.states)} {code}")
        elif form < 0.45:
            lines.append(f"{code} {city}")
        elif form < 0.6:
            lines += [city, code]
        elif form < 0.8:
            lines.append(city)
        if self._draw.random() < 0.35:
            with_code = form >= 0.6 and self._draw.random() < 0.35
            lines.append(f"{self._people.country()} {code}" if with_code else self._people.country())
        return lines

    def _box(self) -> str:
        number = self._draw.randint(10, 9999)
        crossing = f"{self._proper()} {self._draw.choice(self._words.streets)}"
        return self._draw.choice(
            (
                f"P.O. Box {number}",
                f"PO Box {number}",
                f"PSC {number}, Box {number + 37}\nAPO AE {self.postcode()}",
                f"Unit {number} Box {number + 11}\nDPO AP {self._draw.randint(10000, 99999)}",
                f"the corner of {crossing} and {self.street()}",
            )
        )

    def street(self) -> str:
        """House and street."""
        number = str(self._draw.randint(1, self._draw.choice((40, 300, 9999, 99999))))
        if self._draw.random() < 0.06:
            number += self._draw.choice("abcAB")
        form = self._draw.random()
        if self._draw.random() < 0.5:
            street = f"{self._proper()} {self._draw.choice(self._words.streets)}"
            if self._draw.random() < 0.12:
                street = (
                    f"{self._draw.choice(('North', 'South', 'East', 'West', 'N', 'S', 'N.', 'W.'))} {street}"
                )
            if self._draw.random() < 0.05:
                return street
            return f"{number} {street}" if form < 0.9 else f"{street} {number}"
        street = self._draw.choice(self._words.foreign_streets).format(self._proper())
        if self._draw.random() < 0.3:
            street = f"{self._proper()}{self._draw.choice(('s', '', 'a'))}"
        if form < 0.62:
            return f"{street} {number}" if form < 0.55 else f"{street}, {number}"
        return f"{number} {street}"

    def _proper(self) -> str:
        form = self._draw.random()
        if form < 0.35:
            return self._people.surname()
        if form < 0.5:
            return self._people.given()
        if form < 0.7:
            return self._people.city()
        if form < 0.8:
            return f"{self._draw.randint(1, 99)}{self._draw.choice(('th', 'st', 'nd', 'rd'))}"
        return self._draw.choice(self._words.street_names)

    def postcode(self) -> str:
        form, digits, letter = self._draw.random(), self._draw.randint, self._people.letter
        if form < 0.55:
            return f"{digits(0, 99999):05d}"
        if form < 0.65:
            return f"{digits(1000, 9999)}"
        if form < 0.8:
            area = letter() + self._draw.choice((letter(), ""))
            return f"{area}{digits(1, 29)} {digits(1, 9)}{letter()}{letter()}"
        if form < 0.86:
            return f"{letter()}{digits(0, 9)}{letter()} {digits(0, 9)}{letter()}{digits(0, 9)}"
        if form < 0.93:
            return f"{digits(100000, 999999)}"
        return f"{digits(1000, 9999)} {letter()}{letter()}"
