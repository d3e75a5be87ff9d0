"""TorchServe's entry point for a text classifier: one request, one text, one verdict."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from embeddings.training.calibration import softmax
from embeddings.training.features import TextBatches, tokenizer
from embeddings.training.network import TextNetwork

_LONGEST = 20_000  # characters that are looked at


class Handler:
    """TorchServe makes one a worker, calls `initialize` once and `handle` for each batch of requests. It
    must be the only class here. `context` is TorchServe's own: `system_properties` and
    `set_response_status`."""

    def initialize(self, context: Any) -> None:
        """Loads the model from the unpacked archive."""
        folder = Path(context.system_properties["model_dir"])
        torch.set_num_threads(1)  # a worker is a core; TorchServe starts several
        self._network = TextNetwork.from_pretrained(folder, local_files_only=True).eval()
        self._network.requires_grad_(False)
        self._tokenizer = tokenizer(folder, self._network.config.max_tokens)

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[dict[str, Any]]:
        """An answer for each request, in order. A bad one is answered with 400 and spoils no other."""
        answers: list[dict[str, Any]] = [{} for _ in data]
        texts: dict[int, str] = {}
        for place, request in enumerate(data):
            try:
                texts[place] = _text(request)
            except ValueError as reason:
                context.set_response_status(400, str(reason), place)
                answers[place] = {"error": str(reason)}
        if texts:
            for place, verdict in zip(texts, self._verdicts(list(texts.values())), strict=True):
                answers[place] = verdict
        return answers

    def _verdicts(self, texts: list[str]) -> list[dict[str, Any]]:
        batches = TextBatches(self._network, self._tokenizer, texts)
        with torch.inference_mode():
            logits = self._network(**batches.take(range(len(texts)))).double().numpy()
        labels = [self._network.config.id2label[place] for place in range(logits.shape[1])]
        verdicts = []
        for row in softmax(logits, self._network.config.logit_temperature).tolist():
            chances = dict(zip(labels, row, strict=True))
            verdicts.append({"label": max(chances, key=chances.__getitem__), "probabilities": chances})
        return verdicts


def _text(request: Mapping[str, Any]) -> str:
    """`{"text": "..."}`, parsed by TorchServe or not. Raises ValueError
    with constant text, which travels to the caller."""
    body = request.get("body", request.get("data"))
    if isinstance(body, bytes | bytearray | str):
        try:
            body = json.loads(body)
        except ValueError:
            raise ValueError("the body is not JSON") from None
    if not isinstance(body, Mapping) or set(body) != {"text"}:
        raise ValueError("the body must be an object with the one field text")
    text = body["text"]
    if not isinstance(text, str) or not text.strip():
        raise ValueError("text must be a text that is not empty")
    return text[:_LONGEST]
