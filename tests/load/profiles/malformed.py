"""What no client should send: each is refused at once, by the 4xx that fits; chats go on beside it."""

from functools import partial

from locust import constant_throughput

from tests.load.asking import Asking
from tests.load.broken import BROKEN, Broken


def _break(one: Broken, vandal: Asking) -> None:
    vandal.ask(
        f"malformed: {one.name}",
        one.path,
        one.body,
        good=(one.status,),
        method=one.method,
        headers=one.headers if one.keyless else {**vandal.key, **one.headers},
    )


class Vandal(Asking):
    wait_time = constant_throughput(20)
    turns = tuple(partial(_break, one) for one in BROKEN)


class Student(Asking):
    wait_time = constant_throughput(2)

    def asks(self) -> None:
        self.chat("chat beside")

    turns = (asks,)
