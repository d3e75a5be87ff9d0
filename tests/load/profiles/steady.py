"""Two requests a second of each user: an exam as it usually is."""

from locust import constant_throughput

from tests.load.asking import Asking


class Student(Asking):
    wait_time = constant_throughput(2)

    def asks(self) -> None:
        self.chat("chat")

    def reads_along(self) -> None:
        self.stream("chat stream")

    def looks(self) -> None:
        self.ask("models", "/v1/models", method="GET")

    def is_classified(self) -> None:
        if self.target.classifier is None:
            self.chat("chat")
            return
        body = {"instances": [{"text": self.write.words(20)}]}
        self.ask("classifier", f"/v1/models/{self.target.classifier}:predict", body)

    turns = (asks, reads_along, asks, looks, is_classified, asks, reads_along, asks, reads_along, asks)
