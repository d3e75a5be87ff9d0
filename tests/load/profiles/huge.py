"""As much as is taken, and more: what fits is answered or too long for the model, what does not is refused.

Small chats are answered beside it. The bounds are those that the deployment tells in /v1/status.
"""

from locust import constant_pacing, constant_throughput

from tests.load.asking import CHAT, Asking
from tests.load.payloads import chat

_FITS = (200, 400)  # 400: longer than the served model's window, in tokens
_REFUSED = (413,)
_TOKENS, _CHARS_PER_TOKEN = 100_000, 4
_MESSAGES = 10_000  # more than any deployment takes


class Hoarder(Asking):
    wait_time = constant_pacing(0.5)

    def _texts(self, name: str, texts: list[str], good: tuple[int, ...]) -> None:
        messages = [{"role": "user", "content": text} for text in texts]
        self.ask(name, CHAT, chat(self.target.chat_model, messages), good=good)

    def _at_the_bound(self) -> None:
        text = self.write.characters(self._most_chars)
        self._texts("chat of one message at the bound", [text], _FITS)

    def _many_tokens(self) -> None:
        most = self._most_chars
        wanted = min(_TOKENS * _CHARS_PER_TOKEN, self.target.max_body_bytes // 2)
        texts = [self.write.characters(min(most, wanted - at)) for at in range(0, wanted, most)]
        self._texts("chat of 100k tokens", texts, _FITS)

    def _long_message(self) -> None:
        text = "a" * (self.target.max_message_chars + 1)
        self._texts("message over the bound", [text], _REFUSED)

    def _large_body(self) -> None:
        self.ask("body over the bound", CHAT, b" " * (self.target.max_body_bytes + 1), good=_REFUSED)

    def _messages(self) -> None:
        self._texts("message count over the bound", ["a"] * _MESSAGES, _REFUSED)

    # The dear ones apart: in a short run two users ask them both.
    turns = (_many_tokens, _long_message, _large_body, _at_the_bound, _messages)

    @property
    def _most_chars(self) -> int:
        """Of a message that also fits the body, with characters of two bytes in it."""
        return min(self.target.max_message_chars, self.target.max_body_bytes // 4)


class Student(Asking):
    wait_time = constant_throughput(4)

    def asks(self) -> None:
        self.chat("chat beside")

    turns = (asks,)
