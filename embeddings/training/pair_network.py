"""The network for `kind: pair`: an answer beside a reference and the question, word by word.

Decomposable attention (Parikh et al. 2016) over a sentence encoder's word vectors: each word is compared
with what the other side says in its place, the comparisons are gathered by learned weights and by their
maximum, and a perceptron judges them together with the numbers of `embeddings.pairs`. Cosines of a
pretrained encoder do the aligning, so a few thousand graded answers are enough to learn the judging."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedConfig, PreTrainedModel

from embeddings.pairs import FEATURES

_FAR_BELOW = -1e4
_SCALARS = 8  # of one word's comparison
_ALIGNMENT = 2.5  # logarithm of the first sharpness of the attention


class PairConfig(PreTrainedConfig):
    """config.json of a grader. `encoder` is a BertConfig as a dictionary, `projection` the width in which
    words are compared, `hidden` that of the perceptrons; `first_token` and `last_token` are the tokenizer's
    special ones; `logit_temperature` divides the logits before the softmax."""

    model_type = "embeddings-pair"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        hidden: int = 96,
        projection: int = 48,
        dropout: float = 0.2,
        max_tokens: int = 192,
        first_token: int = 101,
        last_token: int = 102,
        logit_temperature: float = 1.0,
        **rest: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.hidden = hidden
        self.projection = projection
        self.dropout = dropout
        self.max_tokens = max_tokens
        self.first_token = first_token
        self.last_token = last_token
        self.logit_temperature = logit_temperature
        super().__init__(**rest)


class Words(NamedTuple):
    """One side of a batch. Padding has rarity 0 and id -1."""

    ids: Tensor  # [n, words]
    vectors: Tensor  # [n, words, width], unit length
    rarity: Tensor  # [n, words]


class PairNetwork(PreTrainedModel):
    """Trainable end to end; `forward` also takes word vectors that a frozen encoder made before."""

    config_class = PairConfig
    config: PairConfig

    def __init__(self, config: PairConfig) -> None:
        super().__init__(config)
        inner = BertConfig(**config.encoder)
        hidden, projection = config.hidden, config.projection
        self.encoder = BertModel(inner, add_pooling_layer=False)
        self.projection = nn.Linear(inner.hidden_size, projection, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(_ALIGNMENT))
        self.word_dropout = nn.Dropout(0.1)
        self.comparison = nn.Sequential(
            nn.Linear(2 * projection + _SCALARS, hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
        )
        self.weight = nn.Linear(hidden, 1)
        self.judgement = nn.Sequential(
            nn.Dropout(config.dropout / 2),
            nn.Linear(4 * hidden + 8 + FEATURES, hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, config.num_labels),
        )
        self.straight = nn.Linear(FEATURES, config.num_labels)
        # Mean and deviation of the numbers in the training rows.
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(
        self,
        question_ids: Tensor,
        question_rarity: Tensor,
        reference_ids: Tensor,
        reference_rarity: Tensor,
        answer_ids: Tensor,
        answer_rarity: Tensor,
        features: Tensor,
        question: Tensor | None = None,
        reference: Tensor | None = None,
        answer: Tensor | None = None,
    ) -> Tensor:
        """Logits [n, labels]. Of each of the three texts: ids and rarities [n, words] without special tokens,
        padded with -1 and 0, and the words' vectors [n, words, width] of unit length; without vectors the
        network's own encoder makes them. `features` [n, 50]."""
        q = self._words(question_ids, question_rarity, question)
        r = self._words(reference_ids, reference_rarity, reference)
        a = self._words(answer_ids, answer_rarity, answer)
        numbers = (features - self.mean) / self.deviation
        gathered = torch.cat([*self._side(r, a, q), *self._side(a, r, q)], dim=-1)
        logits: Tensor = self.judgement(torch.cat([gathered, numbers], dim=-1)) + self.straight(numbers)
        return logits

    def _words(self, ids: Tensor, rarity: Tensor, vectors: Tensor | None) -> Words:
        if vectors is None:
            there = rarity > 0
            last = there.sum(1) + 1
            tokens = nn.functional.pad(ids.clamp(min=0), (1, 1))
            tokens[:, 0] = self.config.first_token
            tokens.scatter_(1, last[:, None], self.config.last_token)
            mask = (torch.arange(tokens.shape[1]) <= last[:, None]).long()
            states = self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state[:, 1:-1]
            vectors = nn.functional.normalize(states, dim=-1) * there[..., None]
        return Words(ids, vectors, rarity)

    def _side(self, one: Words, other: Words, question: Words) -> tuple[Tensor, Tensor, Tensor]:
        """Each word of `one` beside `other`: gathered by weight, by maximum, and four plain means."""
        there = one.rarity > 0
        cosines = _cosines(one, other)
        best, asked = cosines.amax(-1), _cosines(one, question).amax(-1)
        attention = (cosines * self.sharpness.exp()).masked_fill(other.rarity[:, None] <= 0, _FAR_BELOW)
        aligned = attention.softmax(-1) @ other.vectors
        mine = self.projection(self.word_dropout(one.vectors))
        theirs = self.projection(self.word_dropout(aligned))
        same, repeated = _stands_in(one.ids, other.ids), _stands_in(one.ids, question.ids)
        rarity = one.rarity
        typical = _mean(cosines.transpose(1, 2), (other.rarity > 0).to(cosines.dtype)[..., None])
        scalars = [best, typical, asked, rarity, same, repeated, best - asked, best * rarity]
        compared = self.comparison(
            torch.cat([(mine - theirs).abs(), mine * theirs, torch.stack(scalars, -1)], dim=-1)
        )
        weight = (self.weight(compared)[..., 0] + 2 * rarity).masked_fill(~there, _FAR_BELOW).softmax(-1)
        greatest = compared.masked_fill(~there[..., None], _FAR_BELOW).amax(1)
        new = rarity * (1 - repeated)
        means = [_mean(best, rarity), _mean(best, new), _mean(same, rarity), _mean(asked, rarity)]
        return (compared * weight[..., None]).sum(1), greatest, torch.stack(means, -1)


def _cosines(one: Words, other: Words) -> Tensor:
    """[n, words, words of the other]; -1 where the other is padding."""
    return (one.vectors @ other.vectors.transpose(1, 2)).masked_fill(other.rarity[:, None] <= 0, -1.0)


def _stands_in(ids: Tensor, other: Tensor) -> Tensor:
    """[n, words]: 1 where the word stands in the other text too."""
    return (ids[:, :, None] == other[:, None, :]).any(-1).to(torch.float32)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum(1) / weights.sum(1).clamp(min=1e-3)
