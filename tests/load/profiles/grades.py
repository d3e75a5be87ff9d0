"""The course's own request, of programs that nobody handed in before, and now and then of one that was."""

from locust import constant_throughput

from tests.load.asking import Asking
from tests.load.payloads import SUBMISSION

_GRADER = "/v1/models/grader-llm:predict"


class Platform(Asking):
    wait_time = constant_throughput(2)

    def on_start(self) -> None:
        # Graded once, by whoever is first; afterwards the gateway knows it.
        self.ask("grade", _GRADER, SUBMISSION)

    def grades(self) -> None:
        self.ask("grade", _GRADER, self.write.submission())

    def grades_again(self) -> None:
        self.ask("grade again", _GRADER, SUBMISSION)

    turns = (grades, grades, grades_again, grades, grades)
