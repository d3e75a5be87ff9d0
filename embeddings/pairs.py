"""An answer beside a reference, as numbers: what the grader's trees and network read.

Words are aligned by the greatest cosine of their vectors (BERTScore, Zhang et al. 2020,
https://arxiv.org/abs/1904.09675), weighted by rarity (inverse document frequency over the training texts),
and looked at with and without what the question has said already: repeating the question is no answer.

Training and serving call the same code, so a feature cannot mean two things.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.wording import OPPOSITES, Wording, wording

Floats = NDArray[np.float32]
_UNKNOWN = 100  # BERT's [UNK]: stands for a text without words
_LEAST_RARITY = 0.2  # no word vanishes
FEATURES = 50
# Those of the numbers that need no encoder: negation, stems, letter trigrams, opposites, figures, word order.
OF_LETTERS = (16, 19, 20, 21, 22, 23, 24, 31, 34, 36, 37, 38, 39, 40, 43, 44, 45)


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as the encoder read it."""

    ids: NDArray[np.int64]  # [words], without special tokens
    words: Floats  # [words, width], each of unit length
    vector: Floats  # [width]: the mean of the words' vectors, unit length
    rarity: Floats  # [words]
    wording: Wording


def reading(text: str, ids: NDArray[np.int64], states: Floats, rarities: Floats) -> Reading:
    """`states` [words, width] are the encoder's outputs at `ids`; `rarities` [vocabulary]."""
    if not len(ids):
        ids, states = np.array([_UNKNOWN], np.int64), np.zeros((1, states.shape[1]), np.float32)
    mean = states.mean(0)
    return Reading(
        ids=ids,
        words=states / np.maximum(1e-6, np.linalg.norm(states, axis=1, keepdims=True)),
        vector=mean / max(1e-6, float(np.linalg.norm(mean))),
        rarity=rarities[ids],
        wording=wording(text),
    )


def rarity(documents: int, frequency: NDArray[np.int64]) -> Floats:
    """ln((N + 1) / (df + 1)), at least 0.2, for each entry of the vocabulary (Sparck Jones 1972)."""
    return np.maximum(_LEAST_RARITY, np.log((documents + 1) / (frequency + 1))).astype(np.float32)


def features(question: Reading, reference: Reading, answer: Reading) -> Floats:
    """[50] float32, all finite."""
    found = [*_aligned(question, reference, answer), *_worded(question, reference, answer)]
    return np.nan_to_num(np.array(found, np.float32))


def of_letters(numbers: Floats) -> Floats:
    """[..., 50] with everything that an encoder had a part in set to 0."""
    made = np.zeros_like(numbers)
    made[..., OF_LETTERS] = numbers[..., OF_LETTERS]
    return made


def closeness(features_of_pair: Floats) -> float:
    """How near the answer lies to this reference, to choose among several: the alignment's F1."""
    return float(features_of_pair[7])


def _mean(values: Floats, weights: Floats) -> float:
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total > 1e-6 else 0.0


def _beyond(vector: Floats, known: Floats) -> Floats:
    """The part of a vector that another one does not hold, unit length."""
    rest = vector - (vector @ known) * known
    unit: Floats = rest.astype(np.float32) / max(1e-6, float(np.linalg.norm(rest)))
    return unit


def _weighted(one: Reading) -> Floats:
    total = (one.words * one.rarity[:, None]).sum(0)
    unit: Floats = total / max(1e-6, float(np.linalg.norm(total)))
    return unit


def _aligned(q: Reading, r: Reading, a: Reading) -> list[float]:
    """36 numbers from word vectors and shared words."""
    cosines = r.words @ a.words.T
    covered, matched = cosines.max(1), cosines.max(0)
    asked_a, asked_r = (q.words @ a.words.T).max(0), (q.words @ r.words.T).max(0)
    new_r, new_a = r.rarity * ~np.isin(r.ids, q.ids), a.rarity * ~np.isin(a.ids, q.ids)
    exact_r = np.isin(r.ids, a.ids).astype(np.float32)
    exact_a = np.isin(a.ids, r.ids).astype(np.float32)
    recall, precision = _mean(covered, r.rarity), _mean(matched, a.rarity)
    key = np.argsort(-new_r, kind="stable")[:3]  # the rarest words that the question did not give
    said, wanted = set(a.ids.tolist()), set(r.ids.tolist())
    rw, aw, qw = r.wording, a.wording, q.wording
    wanted_stems, said_stems = rw.stems - qw.stems, aw.stems - qw.stems
    wanted_grams, said_grams = rw.trigrams - qw.trigrams, aw.trigrams - qw.trigrams
    shared_grams = sum((wanted_grams & said_grams).values())
    return [
        float(r.vector @ a.vector),
        float(q.vector @ a.vector),
        float(q.vector @ r.vector),
        len(said & wanted) / len(said | wanted),
        math.log((1 + len(a.ids)) / (1 + len(r.ids))),
        recall,
        precision,
        2 * recall * precision / max(0.1, recall + precision),
        _mean(covered, new_r),
        _mean(matched, new_a),
        _mean(exact_r, r.rarity),
        _mean(exact_r, new_r),
        _mean(exact_a, a.rarity),
        float((r.rarity * covered).min() / r.rarity.max()),
        _mean(asked_a, a.rarity),
        math.log(1 + len(a.ids)) / 4,
        float(aw.negated != rw.negated),
        float(_beyond(a.vector, q.vector) @ _beyond(r.vector, q.vector)),
        float(_weighted(a) @ _weighted(r)),
        len(wanted_stems & aw.stems) / max(1, len(wanted_stems)),
        len(rw.stems & aw.stems) / max(1, len(rw.stems)),
        len(said_stems & rw.stems) / max(1, len(said_stems)),
        sum((rw.trigrams & aw.trigrams).values()) / max(1, sum(rw.trigrams.values())),
        shared_grams / max(1, sum(wanted_grams.values())),
        shared_grams / max(1, sum(said_grams.values())),
        _mean(covered - asked_r, r.rarity),
        _mean((covered > 0.8).astype(np.float32), new_r),
        _mean((covered > 0.6).astype(np.float32), new_r),
        float(covered[key].mean()),
        float(covered[key].min()),
        _mean(matched - asked_a, a.rarity),
        float(aw.negated),
        math.log(1 + len(r.ids)) / 4,
        _mean(np.maximum(0, asked_a - matched), a.rarity),
        len(wanted_stems) / 10,
        _mean(asked_r, r.rarity),
    ]


def _worded(q: Reading, r: Reading, a: Reading) -> list[float]:
    """14 numbers on opposites, figures, word order and words that are near but not the same."""
    rw, aw, qw = r.wording, a.wording, q.wording
    turned = {word for word in aw.words - rw.words if OPPOSITES.get(word, frozenset()) & rw.words}
    cosines = r.words @ a.words.T
    covered, matched = cosines.max(1), cosines.max(0)
    other = r.ids != a.ids[cosines.argmax(1)]
    return [
        min(len(turned), 3),
        min(len(turned - qw.words), 3),
        min(sum(word in OPPOSITES for word in aw.words & rw.words), 3),
        min(len(aw.numbers - rw.numbers - qw.numbers), 3),
        min(len(rw.numbers - aw.numbers - qw.numbers), 3),
        float((other & (covered > 0)).mean()),
        _mean((covered * other).astype(np.float32), r.rarity),
        len(rw.bigrams & aw.bigrams) / max(1, len(rw.bigrams)),
        len(aw.words - qw.words - rw.words) / 10,
        float(not aw.words - qw.words),
        float(np.median(matched)),
        float(matched.min()),
        float(matched.max()),
        float(cosines.mean()),
    ]
