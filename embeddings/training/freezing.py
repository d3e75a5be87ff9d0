"""Which part of an encoder learns."""

from transformers import BertModel


def freeze(encoder: BertModel, trainable: str | int) -> None:
    """`none`, `all`, or that many last layers learn; the embeddings only with `all`."""
    encoder.requires_grad_(trainable == "all")
    if isinstance(trainable, int):
        for layer in encoder.encoder.layer[-trainable:]:
            layer.requires_grad_(True)
