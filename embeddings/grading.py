"""The embedding grader: how much of a reference an answer says, by experts that learned on graded answers.

Two kinds of expert (a mixture gated by likeness of questions, after Jacobs et al. 1991). A *network* knows
the questions of its training well and little beyond them: it judges where question and reference are known.
*Trees*, one forest for each course of the training, judge new questions by the numbers of
`embeddings.pairs`; each forest counts by how near the question lies to its course. A text that the encoder
reads letter by letter, as MiniLM does Russian, is left to a forest that looks at words and letters only,
and always to a person. No torch, no scikit-learn: all are ONNX.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from embeddings.pairs import Floats, Reading, closeness, features, of_letters
from embeddings.session import on_one_core

LABELS = ("correct", "contradictory", "incorrect")
_LEAST_SHARE = 0.02  # a forest that counts for less is not asked
_EPSILON = 1e-4  # no probability is taken for certain


@dataclass(frozen=True, slots=True)
class Graded:
    score: float  # the expected share of the maximum, 0..1
    probabilities: Floats  # [3], in the order of LABELS
    label: str
    confidence: float  # that the label is right, 0..1
    needs_review: bool


@dataclass(frozen=True, slots=True)
class Gate:
    """What decides between the experts, and the words' rarities that all of them read."""

    questions: Floats  # [known, width], unit length
    references: Floats  # [known, width]
    courses: NDArray[np.int64]  # [known]: which course each belongs to
    rarity: Floats  # [vocabulary]


@dataclass(frozen=True, slots=True)
class Rules:
    """grader.json: fitted on rows that no expert had learned from."""

    courses: tuple[str, ...]
    known_from: float  # likeness to a known question and reference from which the network judges
    network_share: float  # of the log-odds there; the rest is the trees'
    sharpness: float  # of the choice among courses
    temperature_known: float  # the log-odds are divided by it
    temperature_new: float
    foreign_above: (
        float  # share of letters that are not Latin from which a text is left to the letters' forest
    )
    temperature_letters: float
    contradiction: (
        float  # how much likelier than it seems a contradiction is taken to be, among wrong answers
    )
    review_below: float


class Grader:
    """Blocking: a few tenths of a millisecond for each reference."""

    def __init__(
        self,
        rules: Rules,
        gate: Gate,
        network: onnxruntime.InferenceSession,
        trees: Sequence[onnxruntime.InferenceSession],
        letters: onnxruntime.InferenceSession,
    ) -> None:
        self._rules = rules
        self._gate = gate
        self._network = network
        self._trees = trees
        self._letters = letters

    @classmethod
    def load(cls, contents: Mapping[str, bytes]) -> "Grader":
        """From the verified files of a head's folder: grader.json, gate.npz, network.onnx,
        trees-COURSE.onnx and trees-letters.onnx. Raises KeyError, ValueError, TypeError when they do not
        belong together."""
        known = json.loads(contents["grader.json"])
        rules = Rules(**{**known, "courses": tuple(known["courses"])})
        with np.load(BytesIO(contents["gate.npz"]), allow_pickle=False) as file:
            gate = Gate(
                file["questions"].astype(np.float32),
                file["references"].astype(np.float32),
                file["courses"].astype(np.int64),
                file["rarity"].astype(np.float32),
            )
        trees = [_session(contents[f"trees-{course}.onnx"]) for course in rules.courses]
        letters = _session(contents["trees-letters.onnx"])
        return cls(rules, gate, _session(contents["network.onnx"]), trees, letters)

    @property
    def rarities(self) -> Floats:
        """[vocabulary], for `pairs.reading`."""
        return self._gate.rarity

    def ask_everybody(self, text: Reading) -> None:
        """Runs every expert and the gate once. Raises what numpy and ONNX Runtime raise for files that do not
        fit the encoder."""
        self.grade(text, [text], text)
        numbers = features(text, text, text)
        self._by_network(text, text, text, numbers)
        for trees in (*self._trees, self._letters):
            _forest(trees, numbers)

    def grade(self, question: Reading, references: Sequence[Reading], answer: Reading) -> Graded:
        """Against the reference that the answer lies nearest to. For an absent question stands the reading of
        an empty text."""
        pairs = [(features(question, reference, answer), reference) for reference in references]
        numbers, reference = max(pairs, key=lambda pair: closeness(pair[0]))
        likeness = (self._gate.questions @ question.vector + self._gate.references @ reference.vector) / 2
        if max(reference.wording.foreign, answer.wording.foreign) > self._rules.foreign_above:
            by_letters = np.log(_proper(_forest(self._letters, of_letters(numbers))))
            probabilities = _softmax(by_letters / self._rules.temperature_letters)
            return self._graded(probabilities, sure=False)
        probabilities = self._by_trees(numbers, likeness)
        if float(likeness.max()) >= self._rules.known_from:
            seen = self._by_network(question, reference, answer, numbers)
            share = self._rules.network_share
            blended = share * np.log(seen) + (1 - share) * np.log(probabilities)
            probabilities = _softmax(blended / self._rules.temperature_known)
        else:
            probabilities = _softmax(np.log(probabilities) / self._rules.temperature_new)
        return self._graded(probabilities, sure=True)

    def _graded(self, probabilities: Floats, *, sure: bool) -> Graded:
        right, contradictory, wrong = (float(one) for one in probabilities)
        if right >= 0.5:
            label = LABELS[0]
        else:
            label = LABELS[1] if contradictory * self._rules.contradiction > wrong else LABELS[2]
        confidence = max(right, 1 - right)
        return Graded(
            score=min(1.0, max(0.0, right)),
            probabilities=np.clip(probabilities, 0.0, 1.0),
            label=label,
            confidence=min(1.0, confidence),
            needs_review=not sure or confidence < self._rules.review_below,
        )

    def _by_trees(self, numbers: Floats, likeness: NDArray[Any]) -> Floats:
        near = np.exp(self._rules.sharpness * (likeness - likeness.max()))
        shares = np.bincount(self._gate.courses, near, minlength=len(self._trees))
        shares = shares / shares.sum()
        shares[shares < _LEAST_SHARE] = 0.0
        found = sum(
            share * _forest(self._trees[place], numbers)
            for place, share in enumerate(shares / shares.sum())
            if share
        )
        return _proper(found)

    def _by_network(self, question: Reading, reference: Reading, answer: Reading, numbers: Floats) -> Floats:
        row: dict[str, Any] = {"features": numbers[None]}
        for name, one in (("question", question), ("reference", reference), ("answer", answer)):
            row[name] = one.words[None]
            row[f"{name}_ids"] = one.ids[None]
            row[f"{name}_rarity"] = one.rarity[None]
        wanted = {one.name: row[one.name] for one in self._network.get_inputs()}
        return _proper(self._network.run(["probabilities"], wanted)[0][0])


def _forest(trees: onnxruntime.InferenceSession, numbers: Floats) -> NDArray[np.float64]:
    """[3]. A forest that learned from points gives one number, their share: it knows of no contradiction."""
    row = np.asarray(trees.run(None, {"features": numbers[None]})[-1][0], np.float64)
    return row if len(row) == len(LABELS) else np.array([row[0], 0.0, 1 - row[0]])


def _proper(probabilities: Any) -> Floats:
    clipped = np.clip(np.asarray(probabilities, np.float64), _EPSILON, 1.0)
    made: Floats = (clipped / clipped.sum()).astype(np.float32)
    return made


def _softmax(logits: Any) -> Floats:
    powers = np.exp(logits - np.max(logits))
    return _proper(powers / powers.sum())


def _session(content: bytes) -> onnxruntime.InferenceSession:
    try:
        return on_one_core(content)
    except Exception as error:
        raise ValueError("a file of the grader is no graph for this ONNX Runtime") from error
