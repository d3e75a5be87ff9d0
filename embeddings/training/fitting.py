"""The training loop: seeded, AdamW, warm-up and decay, the best epoch by validation kept."""

import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm
from transformers import PreTrainedModel

from embeddings.errors import Unusable
from embeddings.training import evaluation
from embeddings.training.calibration import negative_log_likelihood, softmax
from embeddings.training.config import Config, Optimiser
from embeddings.training.features import Batches

log = logging.getLogger(__name__)
_AT_ONCE = 64  # rows of a forward pass that nothing is learned from


@dataclass(frozen=True, slots=True)
class Epoch:
    number: int  # from 1
    loss: float  # mean cross-entropy of the training rows
    validation_loss: float
    validation: float  # ROC-AUC of two labels, accuracy of more


@dataclass(frozen=True, slots=True)
class Rows:
    """One part: batches and, for each of its rows, the place of its label."""

    batches: Batches
    labels: NDArray[np.int64]
    shares: NDArray[np.float32] | None = None  # [rows, labels] to be learned instead, each row adding up to 1


def seed_everything(config: Config) -> None:
    """The same config gives the same weights on the same build of torch."""
    random.seed(config.seed)
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(config.threads)


def fit(network: PreTrainedModel, train: Rows, validation: Rows, config: Config) -> list[Epoch]:
    """Leaves the best epoch's weights in `network`. Raises Unusable when the loss is no longer a number."""
    wanted = config.optimiser
    optimiser = AdamW(_groups(network, wanted), weight_decay=wanted.weight_decay)
    steps = wanted.epochs * -(-len(train.batches) // wanted.batch)
    schedule = LambdaLR(optimiser, lambda step: _rate(step, steps, wanted.warm_up))
    draw = torch.Generator().manual_seed(config.seed)
    history: list[Epoch] = []
    best: dict[str, Tensor] = {}
    with tqdm(total=steps, desc=config.name, unit="batch", disable=None) as bar:
        for number in range(1, wanted.epochs + 1):
            loss = _epoch(network, train, optimiser, schedule, draw, wanted, bar)
            seen = logits(network, validation.batches)
            epoch = Epoch(
                number,
                loss,
                negative_log_likelihood(seen, validation.labels, 1.0),
                evaluation.choice(softmax(seen, 1.0), validation.labels),
            )
            if not np.isfinite(epoch.loss):
                raise Unusable("the loss is no number: a lower learning rate is needed")
            if not history or _merit(epoch) > max(map(_merit, history)):
                best = {name: value.clone() for name, value in _learned(network)}
            history.append(epoch)
            bar.set_postfix(validation=f"{epoch.validation:.4f}")
            log.info("epoch %d: loss %.4f, validation %.4f", number, epoch.loss, epoch.validation)
    network.load_state_dict(best, strict=False)
    network.eval()
    return history


def _merit(epoch: Epoch) -> tuple[float, float]:
    """What the best epoch has most of; of equal ones the surer."""
    return round(epoch.validation, 3), -epoch.validation_loss


def logits(network: PreTrainedModel, batches: Batches) -> NDArray[np.float64]:
    """[rows, labels], in the rows' order."""
    network.eval()
    with torch.inference_mode():
        found = [network(**batches.take(rows)) for rows in _chunks(range(len(batches)), _AT_ONCE)]
    made: NDArray[np.float64] = torch.cat(found).double().numpy()
    return made


def _epoch(
    network: PreTrainedModel,
    train: Rows,
    optimiser: AdamW,
    schedule: LambdaLR,
    draw: torch.Generator,
    wanted: Optimiser,
    bar: "tqdm[None]",
) -> float:
    network.train()
    order = _order(train.batches, wanted.batch, draw)
    truth = torch.from_numpy(train.labels if train.shares is None else train.shares)
    total = 0.0
    for rows in _chunks(order, wanted.batch):
        loss = nn.functional.cross_entropy(network(**train.batches.take(rows)), truth[list(rows)])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([value for _, value in _learned(network)], wanted.clip)
        optimiser.step()
        schedule.step()
        total += loss.item() * len(rows)
        bar.update()
    return total / len(order)


def _order(batches: Batches, size: int, draw: torch.Generator) -> list[int]:
    """All rows, in random batches of rows of like length: each twenty batches' rows are sorted among
    themselves and cut, and the batches are shuffled."""
    order = torch.randperm(len(batches), generator=draw).tolist()
    cut = [
        chunk
        for many in _chunks(order, 20 * size)
        for chunk in _chunks(sorted(many, key=lambda row: (batches.length(row), row)), size)
    ]
    # The one short batch stays last, as _chunks will cut.
    full, short = [one for one in cut if len(one) == size], [one for one in cut if len(one) < size]
    mixed = [full[place] for place in torch.randperm(len(full), generator=draw).tolist()]
    return [row for batch in [*mixed, *short] for row in batch]


def _learned(network: PreTrainedModel) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, value) for name, value in network.named_parameters() if value.requires_grad)


def _groups(network: PreTrainedModel, wanted: Optimiser) -> list[dict[str, object]]:
    """Parameters by learning rate: the longest matching beginning of `lr_of`, else `lr`."""
    groups: dict[str, list[Tensor]] = {}
    for name, value in _learned(network):
        matching = [begin for begin in wanted.lr_of if name.startswith(begin)]
        groups.setdefault(max(matching, key=len, default=""), []).append(value)
    if unused := sorted(set(wanted.lr_of) - set(groups)):
        raise Unusable(f"optimiser.lr_of names nothing that learns: {', '.join(unused)}")
    return [{"params": values, "lr": wanted.lr_of.get(begin, wanted.lr)} for begin, values in groups.items()]


def _rate(step: int, steps: int, warm_up: float) -> float:
    """A straight line up over the warm-up's share of the steps, then a straight line down to 0."""
    rise = max(1, round(steps * warm_up))
    return (step + 1) / rise if step < rise else max(0.0, (steps - step) / max(1, steps - rise))


def _chunks(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (rows[at : at + size] for at in range(0, len(rows), size))
