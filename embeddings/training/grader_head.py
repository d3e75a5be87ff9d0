"""A trained pair network and forests -> the files of the embedding grader's head.

The network was fitted by `train`; here the forests are, with everything that decides between the experts:
on questions held out for what is new, on the validation part for what is known. No test part is looked at.
"""

import io
import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from embeddings.errors import Unusable
from embeddings.grading import Rules
from embeddings.training import fitting, forests, stages
from embeddings.training.calibration import softmax
from embeddings.training.config import Config
from embeddings.training.forests import Answers, Numbers
from embeddings.training.pair_batches import Reader, best_pair, rows_of
from embeddings.training.pair_kind import Pair
from embeddings.training.settings import Settings

log = logging.getLogger("embeddings.training.export")
_OPSET = 17
_TOLERANCE = 1e-4  # of a probability
_FOLDS = 5
_EPSILON = 1e-4
_SHARPNESSES = (5.0, 10.0, 20.0, 40.0)
_FOREIGN_ABOVE = 0.3  # share of letters: the encoder is English, and reads other alphabets letter by letter
_KNOWN_FROM = 0.98  # the same question and reference, give or take a comma


def files(config: Config, settings: Settings) -> dict[str, bytes]:
    """Raises Unusable."""
    folder = settings.training_folder(config.name)
    if not (folder / "model/config.json").is_file():
        raise Unusable(f"{folder} has no model: run --stage train first")
    fitting.seed_everything(config)
    kind = Pair()
    network = kind.load(folder / "model")
    train, validation = (
        stages.prepared(folder / "prepared", parts) for parts in (config.data.train, config.data.validation)
    )
    batches = kind.batches(network, folder / "model", validation)
    reader = kind.reader
    seen = softmax(fitting.logits(network, batches), 1.0)
    courses = tuple(config.data.sets)
    known, checked = (answers(reader, frame, config, courses) for frame in (train, validation))
    grown = [
        forests.fit(known, place, config.seed, trees=config.trees.number, leaf=config.trees.leaf)
        for place in range(len(courses))
    ]
    labelled = _labelled(known)
    letters = forests.fit_letters(labelled, config.seed, trees=config.trees.number, leaf=config.trees.leaf)
    rules = _rules(config, courses, known, checked, seen, grown)
    log.info("%s", json.dumps(asdict(rules)))
    gate = forests.distinct(known)
    made = {"grader.json": (json.dumps(asdict(rules), indent=1) + "\n").encode()}
    made["gate.npz"] = _packed(
        questions=gate.question_vectors.astype(np.float16),
        references=gate.reference_vectors.astype(np.float16),
        courses=gate.courses.astype(np.int64),
        rarity=reader.rarities.astype(np.float32),
    )
    made |= {f"trees-{course}.onnx": forests.onnx_of(one) for course, one in zip(courses, grown, strict=True)}
    for course, one in zip(courses, grown, strict=True):
        _compare(
            made[f"trees-{course}.onnx"], {"features": checked.numbers}, forests.predict(one, checked.numbers)
        )
    made["trees-letters.onnx"] = forests.onnx_of(letters)
    feed = batches.take([0])
    made["network.onnx"] = network_onnx(network, feed)
    for row in range(0, len(batches), 40):
        alone = {name: one.numpy() for name, one in batches.take([row]).items()}
        _compare(made["network.onnx"], alone, seen[[row]])
    return made


def answers(reader: Reader, frame: pd.DataFrame, config: Config, courses: tuple[str, ...]) -> Answers:
    """The frame's rows as numbers, in order."""
    rows = rows_of(frame)
    reader.learn(text for row in rows for text in (row.question, row.answer, *row.references))
    pairs = [best_pair(reader, row) for row in rows]
    shares = stages.shares(frame, config)
    assert shares is not None  # noqa: S101 - a grader always has them
    return Answers(
        numbers=np.stack([numbers for numbers, _ in pairs]),
        shares=shares,
        courses=np.array([courses.index(name) for name in frame["source"]]),
        questions=frame["group"].to_numpy(str),
        question_vectors=np.stack([reader[row.question].vector for row in rows]),
        reference_vectors=np.stack([reader[reference].vector for _, reference in pairs]),
    )


def _rules(
    config: Config,
    courses: tuple[str, ...],
    known: Answers,
    checked: Answers,
    seen: Numbers,
    grown: list[forests.Forest],
) -> Rules:
    """Everything that is chosen by a loss on rows which the experts had not learned from."""
    wanted = config.trees
    new = forests.held_out(
        known, _SHARPNESSES, config.seed, folds=_FOLDS, trees=wanted.number, leaf=wanted.leaf
    )
    sharpness = min(new, key=lambda one: _best_temperature(new[one], known.shares)[1])
    temperature_new, loss_new = _best_temperature(new[sharpness], known.shares)
    by_trees = forests.mixture(grown, forests.distinct(known), checked, sharpness)
    blends = {share: _blend(seen, by_trees, share) for share in np.linspace(0, 1, 11)}
    share = min(blends, key=lambda one: _best_temperature(blends[one], checked.shares)[1])
    temperature_known, loss_known = _best_temperature(blends[share], checked.shares)
    labelled = _labelled(known)
    by_letters = forests.letters_held_out(
        labelled, config.seed, folds=_FOLDS, trees=wanted.number, leaf=wanted.leaf
    )
    temperature_letters, loss_letters = _best_temperature(by_letters, labelled.shares)
    log.info("loss by letters, new questions of the labelled courses: %.4f", loss_letters)
    log.info("loss on new questions %.4f, on known ones %.4f", loss_new, loss_known)
    return Rules(
        courses=courses,
        known_from=_KNOWN_FROM,
        network_share=float(share),
        sharpness=sharpness,
        temperature_known=temperature_known,
        temperature_new=temperature_new,
        foreign_above=_FOREIGN_ABOVE,
        temperature_letters=temperature_letters,
        contradiction=_contradiction(new[sharpness], known),
        review_below=config.serving.review_below,
    )


def _blend(one: Numbers, other: Numbers, share: float) -> Numbers:
    logs = share * np.log(np.clip(one, _EPSILON, 1)) + (1 - share) * np.log(np.clip(other, _EPSILON, 1))
    return softmax(logs, 1.0)


def _best_temperature(probabilities: Numbers, shares: Numbers) -> tuple[float, float]:
    """The temperature of the least cross-entropy of right and wrong, and that loss."""
    right = shares[:, 0]
    losses = {}
    for temperature in np.exp(np.linspace(np.log(0.3), np.log(4), 60)):
        found = softmax(np.log(np.clip(probabilities, _EPSILON, 1)), float(temperature))[:, 0]
        found = np.clip(found, _EPSILON, 1 - _EPSILON)
        losses[float(temperature)] = -float((right * np.log(found) + (1 - right) * np.log(1 - found)).mean())
    best = min(losses, key=lambda one: losses[one])
    return best, losses[best]


def _has_labels(known: Answers) -> NDArray[np.bool_]:
    """[n]: whether it belongs to a course whose answers were given one of three labels."""
    return np.isin(known.courses, np.unique(known.courses[known.shares[:, 1] == 1]))


def _labelled(known: Answers) -> Answers:
    return known.rows(_has_labels(known))


def _contradiction(probabilities: Numbers, known: Answers) -> float:
    """The factor of the best macro-F1 over three labels, on the answers that people gave labels."""
    chosen = _has_labels(known)
    truth, found = known.shares[chosen].argmax(1), probabilities[chosen]

    def said(factor: float) -> NDArray[np.int64]:
        wrong = np.where(found[:, 1] * factor > found[:, 2], 1, 2)
        return np.where(found[:, 0] >= 0.5, 0, wrong)

    factors = [float(one) for one in np.linspace(1, 4, 31)]
    return max(factors, key=lambda factor: f1_score(truth, said(factor), average="macro"))


def network_onnx(network: torch.nn.Module, feed: Mapping[str, torch.Tensor]) -> bytes:
    """The pair network as ONNX: the texts' words are dynamic, the batch is one."""
    names = list(feed)

    class Probabilities(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.network(**dict(zip(names, tensors, strict=True)))
            return logits.softmax(-1)

    axes = {name: {1: name.split("_")[0]} for name in names if name != "features"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes; the result is compared below
        torch.onnx.export(
            Probabilities().eval(),
            tuple(feed.values()),
            buffer,
            input_names=names,
            output_names=["probabilities"],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def _packed(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _compare(content: bytes, feed: Mapping[str, NDArray[np.generic]], exact: Numbers) -> None:
    """Raises Unusable where ONNX Runtime disagrees with what was trained."""
    found = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, dict(feed))[
        -1
    ]
    if found.shape[1] == 1:
        found = forests.spread(found[:, 0])
    worst = float(np.abs(found - exact).max())
    if worst > _TOLERANCE:
        raise Unusable(f"an exported graph differs from what was trained by {worst:.1e}")
