"""The non-generative models' line: vectors, classifications and comparisons of masked texts."""

from collections.abc import Sequence
from typing import Any

from gateway.catalog import Catalog
from gateway.domain import Caller, Classified, Compared, Comparison, Embedded, Output, Passage, Server, Usage
from gateway.drift.ports import Traffic
from gateway.drift.sightings import of_classification, of_estimate
from gateway.errors import InvalidRequest, ModelNotFound
from gateway.grading.masked import comparison_passages, with_comparison_texts
from gateway.guards import Guards, may_ask_models
from gateway.ports import Embedder

_MAX_CHARS = 200_000


def checked_text(text: Any, name: str) -> str:
    """The text when it is one, says something and is not too long. Raises InvalidRequest naming `name`."""
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_CHARS:
        raise InvalidRequest(
            f"'{name}' must be a text of 1 to {_MAX_CHARS} characters, not blank.", param=name
        )
    return text


class Inference:
    """What the embeddings service is asked for by name."""

    def __init__(
        self,
        guards: Guards,
        catalog: Catalog,
        embedder: Embedder | None,
        traffic: Traffic,
        *,
        timeout_s: float,
    ) -> None:
        self._guards = guards
        self._catalog = catalog
        self._embedder = embedder
        self._traffic = traffic
        self._timeout_s = timeout_s

    async def embed(self, caller: Caller, model: str, texts: Sequence[str]) -> Embedded:
        """Vectors of the masked texts. Raises ModelNotFound when no encoder has that name."""
        may_ask_models(caller)
        with self._guards.place(caller, Server.EMBEDDINGS):
            encoder = await self._catalog.encoder(model)
            charged = await self._guards.charge(caller, sum(map(len, texts)))
            masked = await self._guards.masked([*map(Passage, texts)], "embedding")
            vectors, tokens = await self._service.embed(masked.texts, self._timeout_s, encoder)
            self._guards.settle(caller, charged, Usage(tokens))
            return Embedded(encoder.name, vectors, tokens, masked.counts)

    async def classify(self, caller: Caller, model: str, texts: Sequence[str]) -> Classified:
        """Labels of the masked texts. Raises ModelNotFound when no classifier has that name."""
        may_ask_models(caller)
        with self._guards.place(caller, Server.EMBEDDINGS):
            classifier = await self._catalog.inference_model(model, Output.CLASSIFICATION)
            await self._guards.charge(caller, sum(map(len, texts)))  # the service counts no tokens here
            masked = await self._guards.masked([*map(Passage, texts)], "classification")
            found = await self._service.classify(classifier, masked.texts, self._timeout_s)
            for text, one in zip(masked.texts, found, strict=True):
                self._traffic.saw(of_classification(classifier, text, one))
            return Classified(classifier, found, masked.counts)

    async def compare(self, caller: Caller, model: str, comparisons: Sequence[Comparison]) -> Compared:
        """What masked submissions are worth by their references: the embedding grader's bare estimates,
        without rubric or points. Raises ModelNotFound when it is not served."""
        may_ask_models(caller)
        with self._guards.place(caller, Server.EMBEDDINGS):
            grader = await self._catalog.inference_model(model, Output.GRADE)
            passages = comparison_passages(comparisons)
            await self._guards.charge(caller, sum(len(passage.text) for passage in passages))
            masked = await self._guards.masked(passages, "text")
            fit = with_comparison_texts(comparisons, masked.texts)
            estimates = await self._service.estimate(grader, fit, self._timeout_s)
            for comparison, estimate in zip(fit, estimates, strict=True):
                self._traffic.saw(of_estimate(grader, comparison.submission, estimate))
            return Compared(grader, estimates, masked.counts)

    @property
    def _service(self) -> Embedder:
        if self._embedder is None:
            raise ModelNotFound("No embeddings service is configured.", param="model")
        return self._embedder
