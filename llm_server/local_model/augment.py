"""Answers made from other texts: negations, copies, noise, attacks, and word-by-word Russian of English."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence


def _entries(text: str) -> list[str]:
    """A table's entries, parted by bars and line ends."""
    return text.strip().replace("\n", "|").split("|")


IGNORANCE = _entries("""
I don't know|i dont know|idk|no idea|I do not know.|not sure|?|-|...|no answer|n/a|I don't know the answer
I have no idea, sorry|I forgot|we did not learn this|nothing|dunno
не знаю|Не знаю.|понятия не имею|нет ответа|я не знаю|забыл|без понятия|не помню
затрудняюсь ответить|не учили|ничего
""")
_ENGLISH_VERB = re.compile(
    r"\b(is|are|was|were|can|could|will|would|should|must|may|might|does|do|did|has|have|had)\b"
    r"(?!\s+not|n't)",
    re.I,
)
_ENGLISH_NOT = re.compile(r"\b(not\s+|never\s+)|(?<=\w)n't\b", re.I)
_OPPOSITES = _entries("""
increase/decrease|increases/decreases|more/less|higher/lower|high/low|open/closed|positive/negative
connected/separated|hot/cold|fast/slow|faster/slower|large/small|larger/smaller|before/after|first/last|all/none
always/never|same/different|with/without|hard/soft|harder/softer|up/down|longer/shorter|most/least|true/false
больше/меньше|первый/последний|выше/ниже|быстро/медленно|быстрее/медленнее|увеличивается/уменьшается
теплее/холоднее|всегда/никогда|можно/нельзя|сильнее/слабее|до/после|одинаковый/разный|большой/маленький|без/с
""")
_TURN = {a: b for pair in _OPPOSITES for a, b in (pair.split("/"), pair.split("/")[::-1])}
_RUSSIAN_VERB = re.compile(
    r"\b(?<!не )(?:[а-яё]{2,}(?:ет|ит|ют|ят|ается|яется|ется|ится|ются|ятся|ала|али|ило|ать)"
    r"|равен|равна|может|могут|есть)\b"
)
_SMALL_RUSSIAN = dict(
    entry.split("=")
    for entry in _entries("""
the=|a=|an=|is=это|are=это|was=был|not=не|no=нет|and=и|or=или|of=|in=в|on=на|to=к|it=это|that=что|this=это
because=потому что|for=для|with=с|from=из|by=по|at=у|than=чем|if=если|when=когда|they=они|you=вы|be=быть
can=может|so=так|but=но|as=как
""")
)
_ENDINGS = ("а", "у", "ы", "и", "ом", "е", "ой", "ов", "ам", "")


def negated(text: str, draw: random.Random) -> str | None:
    """The text with its meaning turned: a negation put in or out, or a word swapped for its opposite."""
    ways = []
    swaps = [word for word in re.findall(r"\w+", text.lower()) if word in _TURN]
    if swaps:
        word = draw.choice(swaps)
        ways.append(re.sub(rf"\b{word}\b", _TURN[word], text, count=1, flags=re.I))
    if _ENGLISH_NOT.search(text):
        ways.append(_ENGLISH_NOT.sub("", text, count=1))
    elif _ENGLISH_VERB.search(text):
        contract = draw.random() < 0.3
        ways += [
            _ENGLISH_VERB.sub(lambda found: found[0] + ("n't" if contract else " not"), text, count=1)
        ] * 2
    if re.search(r"\bне\s+", text, re.I):
        ways.append(re.sub(r"\bне\s+", "", text, count=1, flags=re.I))
    elif _RUSSIAN_VERB.search(text):
        ways += [_RUSSIAN_VERB.sub(lambda found: "не " + found[0], text, count=1)] * 2
    if not ways and re.search(r"[а-яё]", text, re.I):
        ways.append(f"не {text[:1].lower()}{text[1:]}")
    if not ways and re.match(r"[a-z]+ ", text, re.I):
        ways.append(draw.choice(("it is not true that ", "not ")) + text)
    return draw.choice(ways) if ways else None


def copied_question(question: str, draw: random.Random) -> str:
    """The question itself as an answer: whole, its last sentence, a part, or dressed up."""
    words = question.split()
    sentences = re.split(r"(?<=[.!?])\s+", question.strip())
    ways = (
        question,
        question,
        sentences[-1],
        sentences[-1].rstrip("?"),
        " ".join(words[len(words) // 3 :]),
        " ".join(words[: 2 * len(words) // 3]),
        f"the answer is {sentences[-1]}",
        f"{question} {question}",
    )
    return draw.choice(ways)


def noise(answer: str, draw: random.Random) -> str:
    """No answer at all: letters, or a few of the answer's words in disorder."""
    words = answer.split()
    if draw.random() < 0.5 or len(words) < 4:
        return "".join(draw.choice("asdfghjklqwertyйцукенгшщз  ") for _ in range(draw.randint(3, 25)))
    return " ".join(draw.sample(words, max(1, len(words) // 4)))


def with_payload(answer: str, payload: str, draw: random.Random) -> str:
    """An attack before, after, or in place of a weak answer, sometimes on its own line."""
    join = draw.choice((" ", "\n", ". "))
    return draw.choice((f"{answer}{join}{payload}", f"{payload}{join}{answer}", payload))


def misspelt(text: str, draw: random.Random, rate: float) -> str:
    """Keyboard slips inside longer words."""
    words = text.split(" ")
    for number, word in enumerate(words):
        if len(word) > 4 and draw.random() < rate:
            place = draw.randrange(1, len(word) - 2)
            slip = draw.choice(
                (
                    word[:place] + word[place + 1 :],
                    word[:place] + word[place + 1] + word[place] + word[place + 2 :],
                )
            )
            words[number] = slip
    return " ".join(words)


class Glosser:
    """Word-by-word Russian: known words by the glossary, others by a Russian word drawn once per question.

    The texts are no Russian, but which words of the reference an answer holds stays, so that Russian pieces
    learn the same comparison; endings vary as they would.
    """

    def __init__(self, glossary: Mapping[str, str], words: Sequence[str]) -> None:
        self.known: dict[str, str] = {}
        for stem, meaning in glossary.items():
            self.known.setdefault(meaning, stem)
        self.words = [word for word in words if len(word) > 3]

    def translate(self, texts: Sequence[str], draw: random.Random) -> list[str]:
        drawn: dict[str, str] = {}

        def word(found: re.Match[str]) -> str:
            english = found[0].lower()
            if english in _SMALL_RUSSIAN:
                return _SMALL_RUSSIAN[english]
            root = re.sub(r"(?:ing|ed|es|s)$", "", english) if len(english) > 4 else english
            if root not in drawn:
                drawn[root] = self.known.get(english) or self.known.get(root) or draw.choice(self.words)
            base = drawn[root]
            if draw.random() < 0.35 and len(base) > 4:
                return base.rstrip("аеиоуыьюяй") + draw.choice(_ENDINGS)
            return base

        return [
            re.sub(r"\s{2,}", " ", re.sub(r"[A-Za-z]+(?:'[a-z]+)?", word, text)).strip() for text in texts
        ]
