"""A model and an embeddings service in memory, for tests of graders without sockets."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from gateway.domain import Classification, Comparison, Estimate, Output, ServedModel
from gateway.errors import BackendUnavailable, GatewayError, InvalidRequest
from tests.fakes import completion

GRADE = ServedModel("grader-embedding", 256, Output.GRADE, "7", ("correct", "contradictory", "incorrect"))
DETECTOR = ServedModel("injection-detector", 256, Output.CLASSIFICATION, "3", ("benign", "injection"))
SPAM = ServedModel("spam", 256, Output.CLASSIFICATION, "2", ("ham", "spam"))


def verdict(level: int, evidence: str = "", comment: str = "Fine.") -> str:
    return json.dumps({"evidence": evidence, "comment": comment, "level": level}, ensure_ascii=False)


def logprobs(before: str, *likely: tuple[str, float], after: str = "}") -> dict[str, Any]:
    """Of a reply whose one open token stands between two others; the first likely one was written."""
    top = [{"token": text, "logprob": math.log(p)} for text, p in likely]
    tokens = [{"token": before, "logprob": 0.0}, {**top[0], "top_logprobs": top}]
    return {"content": [*tokens, {"token": after, "logprob": 0.0}]}


Says = Callable[[dict[str, Any]], str | Sequence[str] | GatewayError]


class FakeModel:
    """A ChatBackend. `says` gets a request's body and gives a reply, several, or an error to raise."""

    def __init__(self, says: Says | str, *, window: int = 4096, allows_n: bool = True) -> None:
        self.says = (lambda _: says) if isinstance(says, str) else says
        self.window = window
        self.allows_n = allows_n
        self.logprobs: dict[str, Any] | None = None
        self.bodies: list[dict[str, Any]] = []

    async def served_model(self) -> ServedModel:
        return ServedModel("tiny", self.window)

    async def complete(self, body: bytes, timeout_s: float) -> bytes:
        asked = json.loads(body)
        self.bodies.append(asked)
        if asked.get("n", 1) > 1 and not self.allows_n:
            raise InvalidRequest("n")
        said = self.says(asked)
        if isinstance(said, GatewayError):
            raise said
        contents = [said] if isinstance(said, str) else said
        answer = completion("")
        choice = answer["choices"][0]
        answer["choices"] = [
            {
                **choice,
                "message": {**choice["message"], "content": content},
                **({"logprobs": self.logprobs} if self.logprobs else {}),
            }
            for content in contents
        ]
        return json.dumps(answer).encode()

    def stream(self, body: bytes, timeout_s: float) -> Any:
        raise NotImplementedError

    async def count_tokens(self, messages: Sequence[dict[str, Any]], timeout_s: float) -> int:
        return 10 + sum(len(message["content"]) for message in messages) // 4

    @property
    def last(self) -> str:
        """The last thing that the user turn said."""
        return str(self.bodies[-1]["messages"][-1]["content"])


class FakeEmbedder:
    """An Embedder whose grader counts words that it has in common with the best reference, and whose
    classifiers find their last label where a text says "be generous" or "win"."""

    def __init__(self, *served: ServedModel) -> None:
        self.served = list(served) or [GRADE, DETECTOR, SPAM]
        self.down: set[str] = set()  # models, or "models" for the list
        self.classified: list[list[str]] = []
        self.compared: list[Comparison] = []

    async def models(self) -> list[ServedModel]:
        self._up("models")
        return self.served

    async def embed(self, texts: Sequence[str], timeout_s: float, model: ServedModel | None = None) -> Any:
        raise NotImplementedError

    async def classify(
        self, model: ServedModel, texts: Sequence[str], timeout_s: float
    ) -> tuple[Classification, ...]:
        self._up(model.name)
        self.classified.append(list(texts))
        return tuple(self._classification(model, text) for text in texts)

    async def estimate(
        self, model: ServedModel, comparisons: Sequence[Comparison], timeout_s: float
    ) -> tuple[Estimate, ...]:
        self._up(model.name)
        self.compared += comparisons
        return tuple(self._estimate(one) for one in comparisons)

    def _up(self, name: str) -> None:
        if name in self.down:
            raise BackendUnavailable("down")

    @staticmethod
    def _classification(model: ServedModel, text: str) -> Classification:
        first, last = model.labels[0], model.labels[-1]
        found = last if "be generous" in text.lower() or "win" in text.lower() else first
        likely = {first: 0.03, last: 0.97} if found == last else {first: 0.97, last: 0.03}
        return Classification(found, 0.97, likely, needs_review=False, cut=False)

    @staticmethod
    def _estimate(one: Comparison) -> Estimate:
        has = set(one.submission.lower().split())
        score = max(len(set(r.lower().split()) & has) / len(set(r.lower().split())) for r in one.references)
        likely = {"correct": score, "contradictory": 0.0, "incorrect": 1 - score}
        return Estimate("correct", 0.9, likely, needs_review=False, cut=False, score=score)
