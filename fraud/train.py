"""Trains the pair from nothing: `python -m fraud.train [--out FOLDER] [--seed N]`.

Simulates worlds of card payments, fits both models, checks that their ONNX files answer as scikit-learn does,
tells how good they are in a world that they have not seen, and writes fraud.onnx and fraud_scenario.onnx. The
same seed gives the same bytes (of the same versions of the libraries)."""

import argparse
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from fraud.examples import Examples, examples, partly_unknown
from fraud.export import Detector, checked, exported, signature, write
from fraud.signals import Rows, with_signals
from fraud.simulator import Integers, Reals, World
from gateway.adapters.fitting.exact import make_exact

log = logging.getLogger("fraud.train")
MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class Trees:
    rounds: int
    leaves: int
    rate: float
    smallest_leaf: int = 100  # examples
    # L2 of what leaves say: with 1 the rare scenarios are told too surely (cross entropy .031 for .017).
    shrinkage: float = 30.0


# Chosen by a simulated world apart and the real train part; both files together stay below 2 MB.
RECIPES: Mapping[str, Trees] = {
    "fraud": Trees(rounds=250, leaves=31, rate=0.07),
    "fraud_scenario": Trees(rounds=120, leaves=24, rate=0.1),
}


def fit(trees: Trees, rows: Rows, labels: Integers, weight: Reals, seed: int) -> Detector:
    """No class weights: the probabilities are to be those of the world."""
    model = HistGradientBoostingClassifier(
        max_iter=trees.rounds,
        max_leaf_nodes=trees.leaves,
        learning_rate=trees.rate,
        min_samples_leaf=trees.smallest_leaf,
        l2_regularization=trees.shrinkage,
        early_stopping=False,
        random_state=seed,
    )
    model.fit(with_signals(partly_unknown(rows, seed)), labels, sample_weight=weight)
    make_exact(model)
    return Detector(model)


def made(name: str, learnt: Examples, apart: Examples, seed: int) -> bytes:
    """One of the pair as ONNX; tells how good it is in the world apart."""
    labels, wanted = (learnt.fraud, apart.fraud) if name == "fraud" else (learnt.scenario, apart.scenario)
    detector = fit(RECIPES[name], learnt.rows, labels, learnt.weight, seed)
    told = signature(name, len(detector.model.classes_))
    data = exported(detector, told)
    difference = checked(data, detector, told, partly_unknown(apart.rows, seed))
    probabilities = detector.predict_proba(apart.rows)
    fraud = 1.0 - probabilities[:, 0]
    log.info(
        "%s: AUC %.3f, average precision %.3f, cross entropy %.5f, %d bytes, %.0e from scikit-learn, sha %s",
        name,
        roc_auc_score(apart.fraud, fraud, sample_weight=apart.weight),
        average_precision_score(apart.fraud, fraud, sample_weight=apart.weight),
        log_loss(wanted, probabilities, sample_weight=apart.weight),
        len(data),
        difference,
        hashlib.sha256(data).hexdigest(),
    )
    return data


def pair(world: World, worlds: int, seed: int) -> dict[str, bytes]:
    """Both models, by name."""
    *seeds, last = (int(one) for one in np.random.SeedSequence(seed).generate_state(worlds + 1))
    learnt, apart = examples(world, seeds), examples(world, [last])
    log.info("%d payments of %d worlds, %d frauds", len(learnt.rows), worlds, learnt.fraud.sum())
    return {name: made(name, learnt, apart, seed) for name in RECIPES}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fraud.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=MODELS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worlds", type=int, default=8, help="to learn from; one more is kept apart")
    parser.add_argument(
        "--days", type=int, default=World().days, help="of each world; the first 37 only fill windows"
    )
    parser.add_argument("--customers", type=int, default=World().customers)
    parser.add_argument("--terminals", type=int, default=World().terminals)
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    world = World(asked.customers, asked.terminals, asked.days)
    for name, data in pair(world, asked.worlds, asked.seed).items():
        write(data, asked.out / f"{name}.onnx")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
