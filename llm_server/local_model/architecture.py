"""A causal OPT model with MiniLM's blocks: with the norm after each sum, OPT's block is BERT's exactly."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import BertModel, OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from llm_server.local_model.prompt import ASSISTANT, END, GRADE, PAD, REPLY_HEAD, SYSTEM, USER
from llm_server.local_model.teacher import minilm_folder
from llm_server.local_model.tokenizer import Vocabulary

MARK_WORDS = {
    USER: "student",
    ASSISTANT: "answer",
    SYSTEM: "system",
    GRADE: "grade",
    END: ".",
    REPLY_HEAD: "level",
}

# A block's parts in OPT and in BERT.
SAME_PARTS = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}


def config(tokenizer: PreTrainedTokenizerFast, layers: int, factor: int, dropout: float) -> OPTConfig:
    return OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        num_hidden_layers=layers,
        ffn_dim=1536,
        num_attention_heads=12,
        max_position_embeddings=512,
        word_embed_proj_dim=factor,
        do_layer_norm_before=False,
        activation_function="gelu",
        dropout=dropout,
        attention_dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )


@torch.no_grad()
def folded_embeddings(bert: BertModel) -> tuple[Tensor, Tensor]:
    """Words (30522, 384) and positions (512, 384) with MiniLM's embedding norm, which OPT lacks, averaged in.

    LN(word + position + type) has no exact sum form; the rows are its means over the other part, and the
    common mean sits in the positions so that the words are centred for the factorisation.
    """
    parts = bert.embeddings
    words, places = parts.word_embeddings.weight, parts.position_embeddings.weight
    kind = parts.token_type_embeddings.weight[0]
    shape: Tensor = places[1:128:8].mean(0)
    word_rows = torch.stack([parts.LayerNorm(words + place + kind) for place in places[1:128:8]]).mean(0)
    place_rows = torch.stack([parts.LayerNorm(places + word + kind) for word in words[2000:12000:200]]).mean(
        0
    )
    centre = word_rows[1996:].mean(0)
    spread = parts.LayerNorm(words[2000:12000:200] + shape + kind).mean(0)
    return word_rows - centre, place_rows - spread + centre


def first_vectors(
    tokenizer: PreTrainedTokenizerFast,
    words: Vocabulary,
    bert_words: Tensor,
    bert_ids: Mapping[str, int],
    glossary: Mapping[str, str],
    seed: int,
) -> Tensor:
    """(vocabulary, 384): each piece's first vector.

    A piece unknown to MiniLM takes its lower-cased form's vector, a Russian one its gloss's; one with neither
    borrows the mix of two rare English words, so that equal pieces attend to each other from the first step.
    """
    draw = random.Random(seed)
    rare = sorted(number for word, number in bert_ids.items() if word.isalpha() and len(word) > 5)[4000:]
    table = torch.zeros(len(tokenizer), bert_words.shape[1])
    for piece, number in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]):
        text = tokenizer.convert_tokens_to_string([piece])
        stem = text.strip().lower()
        gloss = next(
            (glossary[stem[:end]] for end in range(len(stem), 2, -1) if stem[:end] in glossary), None
        )
        if piece == PAD:
            continue
        if piece in MARK_WORDS:
            table[number] = bert_words[bert_ids[MARK_WORDS[piece]]]
        elif piece in words.origins:
            table[number] = bert_words[words.origins[piece]].mean(0)
        elif stem.isascii() and stem in bert_ids:
            table[number] = bert_words[bert_ids[stem]]
        elif stem in glossary or (len(stem) > 3 and gloss):
            near = bert_words[[bert_ids[word] for word in (glossary.get(stem) or gloss or "").split()]].mean(
                0
            )
            table[number] = 0.8 * near + 0.2 * bert_words[draw.choice(rare)]
        else:
            table[number] = bert_words[draw.sample(rare, 2)].mean(0)
    return table


@torch.no_grad()
def build(
    settings: OPTConfig, vectors: Tensor, places: Tensor, bert: BertModel, counts: Sequence[int]
) -> OPTForCausalLM:
    """Factor the vectors by an SVD weighted with (count + 3)^.25; copy MiniLM's first layers."""
    model = OPTForCausalLM(settings)
    decoder = model.model.decoder
    weight = (torch.tensor(counts, dtype=torch.float32) + 3) ** 0.25
    _, _, basis = torch.linalg.svd(vectors * weight[:, None], full_matrices=False)
    basis = basis[: settings.word_embed_proj_dim]
    decoder.embed_tokens.weight.copy_(vectors @ basis.T)
    decoder.project_in.weight.copy_(basis.T)
    nn.init.normal_(decoder.project_out.weight, std=0.02)
    decoder.embed_positions.weight[2:].copy_(places)
    for ours, theirs in zip(decoder.layers, bert.encoder.layer, strict=False):
        for target, origin in SAME_PARTS.items():
            ours.get_submodule(target).load_state_dict(theirs.get_submodule(origin).state_dict())
    return model


def minilm() -> BertModel:
    model: BertModel = BertModel.from_pretrained(minilm_folder(), add_pooling_layer=False)
    model.train(False)
    return model


@torch.no_grad()
def sharpen(model: OPTForCausalLM, digits: Sequence[int], temperature: float) -> None:
    """Temperature-scale the level in the weights: only the digits' differences from their mean are divided.

    softmax over h.(m + (e_d - m) / T) is softmax of the digits' logits at temperature T, since h.m is common.
    """
    rows = model.model.decoder.embed_tokens.weight
    mean = rows[list(digits)].mean(0)
    rows[list(digits)] = mean + (rows[list(digits)] - mean) / temperature
