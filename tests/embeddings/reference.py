"""BERT in plain numpy, written from the papers and apart from embeddings/graph.py: one text, no padding."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_erf = np.vectorize(math.erf, otypes=[np.float64])


def embed(
    weights: Mapping[str, NDArray[Any]],
    ids: Sequence[int],
    *,
    layers: int,
    heads: int,
    eps: float = 1e-12,
    pooling: str = "mean",
    first_position: int = 0,
) -> Array:
    """The unit vector of one text, in float64."""
    w = {
        name: value.astype(np.float64, copy=False)
        for name, value in weights.items()
        if "position_ids" not in name
    }
    x = w["embeddings.word_embeddings.weight"][list(ids)]
    x = x + w["embeddings.position_embeddings.weight"][first_position : first_position + len(ids)]
    x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = _norm(x, w, "embeddings.LayerNorm", eps)
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        context = _attention(x, w, f"{name}.attention.self", heads)
        x = _norm(
            _dense(context, w, f"{name}.attention.output.dense") + x,
            w,
            f"{name}.attention.output.LayerNorm",
            eps,
        )
        inner = _dense(x, w, f"{name}.intermediate.dense")
        inner = inner * (1 + _erf(inner / math.sqrt(2))) / 2
        x = _norm(_dense(inner, w, f"{name}.output.dense") + x, w, f"{name}.output.LayerNorm", eps)
    pooled: Array = x.mean(axis=0) if pooling == "mean" else x[0]
    return pooled / np.linalg.norm(pooled)


def _attention(x: Array, w: Mapping[str, Array], name: str, heads: int) -> Array:
    query, key, value = (_dense(x, w, f"{name}.{part}") for part in ("query", "key", "value"))
    size = x.shape[1] // heads
    out = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / math.sqrt(size)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        out.append(scores / scores.sum(axis=1, keepdims=True) @ value[:, part])
    return np.concatenate(out, axis=1)


def _dense(x: Array, w: Mapping[str, Array], name: str) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _norm(x: Array, w: Mapping[str, Array], name: str, eps: float) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)
    normed: Array = scaled * w[f"{name}.weight"] + w[f"{name}.bias"]
    return normed
