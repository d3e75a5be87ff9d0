"""Level probabilities of many answers at once; answers to one question share its prefix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import OPTForCausalLM, PreTrainedTokenizerFast

from llm_server.local_model import prompt
from llm_server.local_model.data import Row
from llm_server.local_model.packing import Batch, Branch, Floats, Packed, collate
from llm_server.local_model.tokenizer import numbers


def hidden(model: OPTForCausalLM, batch: Batch) -> Tensor:
    """(places, factor): the decoder's output before the tied head, places flattened."""
    mask = torch.zeros(batch.mask.shape).masked_fill_(~batch.mask, torch.finfo(torch.float32).min)
    states = model.model.decoder(
        input_ids=batch.ids, attention_mask=mask, position_ids=batch.positions, use_cache=False
    )
    found: Tensor = states.last_hidden_state.flatten(0, 1)
    return found


def logits(model: OPTForCausalLM, states: Tensor) -> Tensor:
    """(n, vocabulary) from (n, factor)."""
    found: Tensor = states @ model.model.decoder.embed_tokens.weight.T
    return found


def _packed(tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row]) -> Packed:
    """Token by token what the chat template gives for each row alone."""
    first = rows[0]
    ids = numbers(tokenizer, (prompt.GRADE, prompt.USER))
    ids += tokenizer(prompt.clean(prompt.prefix(first.question, first.references)), add_special_tokens=False)[
        "input_ids"
    ]
    ids = ids[:400]
    tail = numbers(tokenizer, (prompt.END, prompt.ASSISTANT, prompt.REPLY_HEAD))
    branches = []
    for row in rows:
        answer = prompt.clean(prompt.first_words(row.answer, prompt.ANSWER_WORDS))
        told = tokenizer(f" {answer}" if answer else "", add_special_tokens=False)["input_ids"]
        told = told[: 500 - len(ids)]
        branches.append(Branch([*told, *tail], level=(len(told) + 2, (0.0, 0.0, 0.0))))
    return Packed(ids, branches)


@torch.inference_mode()
def level_probabilities(
    model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row], length: int = 600
) -> Floats:
    """(rows, 3): P(0), P(1), P(2) renormalised over the three digits, in the order of the rows."""
    digits = numbers(tokenizer, prompt.LEVELS)
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault((row.question, row.references), []).append(number)
    found = np.zeros((len(rows), 3), np.float32)
    was_training = model.training
    model.eval()
    for members in groups.values():
        left = members
        while left:
            part = left[:24]
            while len(packed := _packed(tokenizer, [rows[i] for i in part])) > length and len(part) > 1:
                part = part[: len(part) // 2]
            left = left[len(part) :]
            batch = collate([packed], int(tokenizer.pad_token_id))
            states = hidden(model, batch)[batch.level_at]
            found[part] = logits(model, states)[:, digits].softmax(-1).numpy()
    model.train(was_training)
    return found


def score(levels: Floats) -> Floats:
    """P(2) + P(1) / 2: the expected score of 0..1."""
    return np.asarray(levels[:, 2] + levels[:, 1] / 2, np.float32)
