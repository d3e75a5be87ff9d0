"""The network for `kind: text`: encoder, mean pooling, perceptron; beside them two linear branches.

Wide and deep (Cheng et al. 2016): the deep part is a BERT whose pooled vector has unit length, as the
embeddings service gives it, so a model whose encoder was frozen is served on vectors that are there already;
the wide part is linear over hashed character n-grams and sees spellings that the encoder does not; the style
part is linear over a few numbers on how a text is typed. A config may leave any of them out.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedConfig, PreTrainedModel

from embeddings import style


class TextConfig(PreTrainedConfig):
    """config.json of a text classifier. `encoder` is a BertConfig as a dictionary, None where the text's
    meaning is not asked for; `style` adds the numbers of `embeddings.style`; `logit_temperature` divides
    the logits before the softmax (Guo et al. 2017)."""

    model_type = "embeddings-text"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        hidden: int = 128,
        dropout: float = 0.1,
        ngrams: dict[str, int] | None = None,
        style: bool = False,
        max_tokens: int = 256,
        logit_temperature: float = 1.0,
        **rest: Any,
    ) -> None:
        self.encoder = encoder
        self.hidden = hidden
        self.dropout = dropout
        self.ngrams = ngrams
        self.style = style
        self.max_tokens = max_tokens
        self.logit_temperature = logit_temperature
        super().__init__(**rest)


class TextNetwork(PreTrainedModel):
    """Trainable end to end; `forward` also takes vectors that a frozen encoder made before."""

    config_class = TextConfig
    config: TextConfig

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
        labels = config.num_labels
        self.encoder: BertModel | None = None
        self.head: nn.Sequential | None = None
        if config.encoder is not None:
            inner = BertConfig(**config.encoder)
            self.encoder = BertModel(inner, add_pooling_layer=False)
            layers: list[nn.Module] = [nn.Dropout(config.dropout)]
            if config.hidden:
                layers += [nn.Linear(inner.hidden_size, config.hidden), nn.GELU(), nn.Dropout(config.dropout)]
            self.head = nn.Sequential(*layers, nn.Linear(config.hidden or inner.hidden_size, labels))
        self.style = nn.Linear(style.NUMBERS, labels) if config.style else None
        # Mean and deviation of the numbers in the training rows.
        self.register_buffer("mean", torch.zeros(style.NUMBERS))
        self.register_buffer("deviation", torch.ones(style.NUMBERS))
        self.bias = nn.Parameter(torch.zeros(labels))
        self.wide = nn.EmbeddingBag(config.ngrams["buckets"], labels, mode="sum") if config.ngrams else None
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.EmbeddingBag):
            nn.init.zeros_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    @property
    def width(self) -> int:
        """Of the encoder's vectors; 0 without one."""
        return int(self.config.encoder["hidden_size"]) if self.config.encoder else 0

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """[n, tokens] ids and mask -> [n, width], the mean of the tokens' vectors, of unit length."""
        if self.encoder is None:
            raise ValueError("this model has no encoder")
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        return nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoded: Tensor | None = None,
        buckets: Tensor | None = None,
        offsets: Tensor | None = None,
        weights: Tensor | None = None,
        numbers: Tensor | None = None,
    ) -> Tensor:
        """Logits [n, labels]. `encoded` [n, width] stands for ids and mask; `buckets` and `weights` [all
        n-grams of the batch] with `offsets` [n] are the wide branch's, `numbers` [n, 17] the style's: each is
        needed where the model has the branch."""
        logits = self.bias
        if self.head is not None:
            if encoded is None:
                if input_ids is None or attention_mask is None:
                    raise ValueError("either encoded, or input_ids and attention_mask")
                encoded = self.encode(input_ids, attention_mask)
            # A unit vector's numbers are tiny; so they have the variance that the first weights expect.
            logits = logits + self.head(encoded * encoded.shape[-1] ** 0.5)
        if self.wide is not None:
            if buckets is None:
                raise ValueError("this model has a wide branch: buckets, offsets and weights are needed")
            logits = logits + self.wide(buckets, offsets, per_sample_weights=weights)
        if self.style is not None:
            if numbers is None:
                raise ValueError("this model has a branch for style: numbers are needed")
            logits = logits + self.style((numbers - self.mean) / self.deviation)
        return logits
