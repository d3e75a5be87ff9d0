"""What the users of a load profile send. Every text is new, so that no memory answers in a model's place."""

import itertools
import random
from typing import Any

Json = dict[str, Any]

_SPEECH = (
    "Photosynthesis turns light water and carbon dioxide into sugar and oxygen. A binary search halves its "
    "interval at every step so it needs few comparisons. Friction acts against motion and turns energy into "
    "heat. The current divides because both branches are parallel. Сила равна массе умноженной на ускорение. "
    "Please write to anna.example@example.org or ask Maria Ivanova about it. Call +7 912 000-00-00 soon."
)
_WORDS = tuple(_SPEECH.split())
_PROGRAM = "def total(values):\n    return sum(values)\n\n"


class Writer:
    """Texts of one user, the same in every run that begins with the same seed."""

    _seeds = itertools.count(1)

    def __init__(self) -> None:
        self._seed = next(self._seeds)
        self._dice = random.Random(self._seed)
        self._numbers = itertools.count(1)

    def words(self, count: int) -> str:
        mark = f"{self._seed}.{next(self._numbers)}"
        return " ".join([*self._dice.choices(_WORDS, k=count), f"({mark})"])

    def characters(self, count: int) -> str:
        """Exactly that many, of ordinary words."""
        sentence = self.words(200) + " "
        return (sentence * (count // len(sentence) + 1))[:count]

    def message(self, count: int = 60) -> list[Json]:
        """The messages of one question."""
        return [{"role": "user", "content": self.words(count)}]

    def turns(self, count: int) -> list[Json]:
        """A dialogue that ends with the user's turn."""
        who = itertools.cycle(("user", "assistant"))
        first = {"role": "system", "content": "You help students. " + self.words(20)}
        spoken = [{"role": next(who), "content": self.words(self._dice.randint(5, 60))} for _ in range(count)]
        return [first, *spoken] if count % 2 else [first, *spoken[:-1]]

    def submission(self) -> Json:
        """The course's payload, of a program that nobody handed in before."""
        return {**SUBMISSION, "submission": f"{_PROGRAM}print({self.words(3)!r})"}


# The smallest grading request of the course's platform.
SUBMISSION: Json = {"submission": "print('Hello')", "language": "python", "metadata": {"max_score": 10}}
MOST_TOKENS = 16  # of an answer: what is loaded is the door, not the model's patience


def chat(model: str, messages: list[Json], **fields: Any) -> Json:
    return {"model": model, "messages": messages, "max_tokens": MOST_TOKENS, **fields}


def transcript(turns: list[Json]) -> str:
    """A whole dialogue as one text, as somebody pastes it."""
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
