"""Whole dialogues instead of a message: grown turn by turn, pasted as one text, handed in as an answer."""

from locust import constant_throughput

from tests.load.asking import Asking
from tests.load.payloads import transcript

_LONGEST = 61  # turns, then a new one begins


class Talker(Asking):
    wait_time = constant_throughput(3)

    def on_start(self) -> None:
        self._turns = 1

    def says(self) -> None:
        """Everything that was said, and one turn more, as chat clients do."""
        self.chat("dialogue as messages", self.write.turns(self._turns))
        self._turns = self._turns + 2 if self._turns < _LONGEST else 1

    def pastes(self) -> None:
        text = transcript(self.write.turns(_LONGEST // 2))
        self.chat("dialogue as one message", [{"role": "user", "content": text}])

    def hands_in(self) -> None:
        body = {"submission": transcript(self.write.turns(_LONGEST // 2)), "metadata": {"max_score": 10}}
        self.ask("dialogue as a submission", "/v1/models/grader-llm:predict", body)

    turns = (says, pastes, says, hands_in, says)
