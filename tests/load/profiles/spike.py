"""A tenth of the users, then all at once without a pause, then a tenth again: a deadline."""

from typing import ClassVar

from locust import LoadTestShape

from tests.load.asking import Asking

_CALM, _SPIKE = 1 / 3, 2 / 3  # shares of the run's time
_PER_SECOND = 2.0  # of a user outside the spike


class Deadline(LoadTestShape):
    use_common_options = True  # --users at the spike, --run-time for all of it
    phase: ClassVar[str] = "before"

    def tick(self) -> tuple[int, float] | None:
        options = self.runner.environment.parsed_options
        share = self.get_run_time() / options.run_time
        if share > 1:
            return None
        everybody = options.num_users
        few = max(1, everybody // 10)
        if share < _CALM:
            return few, few
        if share < _SPIKE:
            Deadline.phase = "in the spike"
            return everybody, everybody
        Deadline.phase = "after"
        return few, everybody


class Student(Asking):
    sheds = True

    def wait_time(self) -> float:
        return 0.0 if Deadline.phase == "in the spike" else 1 / _PER_SECOND

    def asks(self) -> None:
        self.chat(f"chat {Deadline.phase}")

    turns = (asks,)
