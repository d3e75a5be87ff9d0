"""The grader's trees: one forest a course, and the gate between them, fitted on questions held out.

Extremely randomised trees (Geurts et al. 2006): on a few thousand answers they beat linear models and
boosting on new questions, and one forest a course beat one forest for all (how strict people grade is a
course's own)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from embeddings.pairs import FEATURES, of_letters

_OPSETS = {"": 17, "ai.onnx.ml": 3}
Forest: TypeAlias = ExtraTreesClassifier | ExtraTreesRegressor
Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Answers:
    """Graded answers as numbers, all of one length."""

    numbers: Numbers  # [n, 50]
    shares: Numbers  # [n, 3]: what is to be learned
    courses: NDArray[np.int64]  # [n]
    questions: NDArray[np.str_]  # [n]: whose answer it is
    question_vectors: Numbers  # [n, width]
    reference_vectors: Numbers  # [n, width], of the nearest reference

    def rows(self, chosen: NDArray[np.bool_]) -> "Answers":
        return Answers(
            self.numbers[chosen],
            self.shares[chosen],
            self.courses[chosen],
            self.questions[chosen],
            self.question_vectors[chosen],
            self.reference_vectors[chosen],
        )


def fit(answers: Answers, course: int, seed: int, *, trees: int, leaf: int) -> Forest:
    """A classifier where people gave labels, a regression of the share where they gave points."""
    mine = answers.rows(answers.courses == course)
    options = {"n_estimators": trees, "max_features": 0.4, "random_state": seed}
    if np.isin(mine.shares, (0, 1)).all():
        return ExtraTreesClassifier(**options, min_samples_leaf=leaf).fit(mine.numbers, mine.shares.argmax(1))
    return ExtraTreesRegressor(**options, min_samples_leaf=max(1, leaf // 2)).fit(
        mine.numbers, mine.shares[:, 0]
    )


def fit_letters(answers: Answers, seed: int, *, trees: int, leaf: int) -> ExtraTreesClassifier:
    """One forest for all courses with labels, that sees nothing an encoder had a part in."""
    options = {"n_estimators": trees, "max_features": 0.4, "random_state": seed, "min_samples_leaf": leaf}
    return ExtraTreesClassifier(**options).fit(of_letters(answers.numbers), answers.shares.argmax(1))


def letters_held_out(answers: Answers, seed: int, *, folds: int, trees: int, leaf: int) -> Numbers:
    """[n, 3], as `held_out`."""
    fold = _folds(answers, seed, folds)
    made = np.zeros_like(answers.shares)
    for number in range(folds):
        forest = fit_letters(answers.rows(fold != number), seed, trees=trees, leaf=leaf)
        made[fold == number] = forest.predict_proba(of_letters(answers.rows(fold == number).numbers))
    return made


def _folds(answers: Answers, seed: int, folds: int) -> NDArray[np.int64]:
    """[n]: the fold of each answer's question."""
    questions = np.unique(answers.questions)
    numbers = np.random.default_rng(seed).permutation(len(questions)) % folds
    fold_of = dict(zip(questions, numbers.tolist(), strict=True))
    return np.array([fold_of[name] for name in answers.questions])


def predict(forest: Forest, numbers: Numbers) -> Numbers:
    """[n, 3]."""
    if isinstance(forest, ExtraTreesClassifier):
        found: Numbers = forest.predict_proba(numbers)
        return found
    return spread(forest.predict(numbers))


def spread(shares: Numbers) -> Numbers:
    """[n] shares of the maximum -> [n, 3]: points tell nothing of contradiction."""
    return np.stack([shares, np.zeros_like(shares), 1 - shares], axis=1)


def mixture(forests: Sequence[Forest], known: Answers, asked: Answers, sharpness: float) -> Numbers:
    """[n, 3]: each forest by how near the question and reference lie to those its course had."""
    likeness = (
        asked.question_vectors @ known.question_vectors.T
        + asked.reference_vectors @ known.reference_vectors.T
    ) / 2
    near = np.exp(sharpness * (likeness - likeness.max(axis=1, keepdims=True)))
    weights = np.stack([near[:, known.courses == course].sum(1) for course in range(len(forests))], axis=1)
    weights /= weights.sum(axis=1, keepdims=True)
    every = np.stack([predict(forest, asked.numbers) for forest in forests], axis=1)
    mixed: Numbers = (weights[..., None] * every).sum(1)
    return mixed


def distinct(answers: Answers) -> Answers:
    """One row for each question and nearest reference: what the gate keeps."""
    pairs = np.concatenate([answers.question_vectors, answers.reference_vectors], axis=1)
    _, first = np.unique(np.round(pairs, 5), axis=0, return_index=True)
    chosen = np.zeros(len(pairs), bool)
    chosen[first] = True
    return answers.rows(chosen)


def held_out(
    answers: Answers, sharpnesses: Sequence[float], seed: int, *, folds: int, trees: int, leaf: int
) -> Mapping[float, Numbers]:
    """For each sharpness [n, 3]: every answer as forests saw it that had none of its question's answers."""
    fold = _folds(answers, seed, folds)
    courses = int(answers.courses.max()) + 1
    made = {one: np.zeros_like(answers.shares) for one in sharpnesses}
    for number in range(folds):
        rest, out = answers.rows(fold != number), answers.rows(fold == number)
        forests = [fit(rest, course, seed, trees=trees, leaf=leaf) for course in range(courses)]
        known = distinct(rest)
        for one in sharpnesses:
            made[one][fold == number] = mixture(forests, known, out, one)
    return made


def onnx_of(forest: Forest) -> bytes:
    """Input `features` [n, 50]; the last output is [n, 3] probabilities, or [n, 1] shares."""
    options = {id(forest): {"zipmap": False}} if isinstance(forest, ExtraTreesClassifier) else None
    types = [("features", FloatTensorType([None, FEATURES]))]
    content: bytes = to_onnx(
        forest, initial_types=types, options=options, target_opset=_OPSETS
    ).SerializeToString()
    return content
