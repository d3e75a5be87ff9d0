"""What training starts from: split rows, vocabulary, first weights, teacher and curriculum."""

from __future__ import annotations

import csv
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from sklearn.metrics import roc_auc_score
from torch import nn
from transformers import AutoTokenizer, OPTForCausalLM, PreTrainedTokenizerFast

from llm_server.local_model import architecture, prompt, tokenizer
from llm_server.local_model.augment import IGNORANCE, Glosser
from llm_server.local_model.chat import Conversations, intents, replies, systems
from llm_server.local_model.curriculum import Curriculum, Shares
from llm_server.local_model.data import SEEDS, Row, hold_out_questions, read_lines, read_seed_items, read_set
from llm_server.local_model.packing import Floats
from llm_server.local_model.teacher import FEATURES, Encoder, Teacher, compare, minilm_folder

log = logging.getLogger("local_model")


@dataclass(frozen=True, slots=True)
class Splits:
    """`held` and `own_held` hold whole questions that training never sees; everything is chosen on them."""

    train: list[Row]
    held: list[Row]
    own_held: list[Row]


def splits(config: dict[str, Any], folder: Path) -> Splits:
    public = [row for name in config["sets"] for row in read_set(folder, name, "train")]
    own = [row for name in ("items_en", "items_ru") for row in read_seed_items(SEEDS / f"{name}.yaml")]
    train, held = hold_out_questions(public, config["hold_out_questions"], config["seed"])
    own_train, own_held = hold_out_questions(own, config["hold_out_own_items"], config["seed"])
    return Splits(train + own_train, held, own_held)


def texts_of(rows: Sequence[Row]) -> list[str]:
    """Every text of the rows once, as the model reads it."""
    found = {prompt.clean(text) for row in rows for text in (row.question, *row.references)}
    return sorted(found | {prompt.clean(prompt.first_words(row.answer, prompt.ANSWER_WORDS)) for row in rows})


def features_of(encoder: Encoder, rows: Sequence[Row]) -> Floats:
    """(rows, 17) pair features of each row beside its references."""
    encoder.learn(texts_of(rows))
    found = []
    for row in rows:
        answer = prompt.clean(prompt.first_words(row.answer, prompt.ANSWER_WORDS))
        references = [prompt.clean(text) for text in row.references]
        found.append(compare(encoder, prompt.clean(row.question), references, answer).features)
    return np.stack(found)


def is_russian(text: str) -> bool:
    return any("а" <= letter <= "я" for letter in text.lower())


class Heads(nn.Module):
    """Auxiliary regressions from the decoder's output; they shape the layers and are not saved."""

    def __init__(self, width: int, meaning: int) -> None:
        super().__init__()
        self.features = nn.Linear(width, FEATURES)
        self.alignment = nn.Linear(width, 1)
        self.meaning = nn.Linear(width, meaning)


@dataclass(slots=True)
class Made:
    """All that training needs besides the loop."""

    model: OPTForCausalLM
    tokenizer: PreTrainedTokenizerFast
    curriculum: Curriculum
    heads: Heads


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by use: graded English, the items' Russian, other people's chat, attacks, our own small talk."""

    english: list[str]
    russian: list[str]
    messages: list[str]
    attacks: list[str]
    talk: list[str]


def gather(folder: Path, rows: list[Row]) -> Texts:
    said = [text for row in rows for text in (row.question, row.answer, *row.references)]
    attacks = [raw["payload"] for raw in read_lines(folder / "grader_injection" / "train.jsonl")]
    own = [text for intent in intents() for text in intent.says] + systems()
    with (folder / "telegram_spam_ru" / "train.csv").open(encoding="utf-8", newline="") as lines:
        messages = [raw["text"] for raw in csv.DictReader(lines) if raw["label"] == "ham"]
    return Texts(
        english=[text for text in texts_of(rows) if not is_russian(text)],
        russian=[text for text in said if is_russian(text)],
        messages=messages,
        attacks=attacks,
        talk=[prompt.clean(text) for text in [*own, *attacks, *IGNORANCE]],
    )


def first_model(
    config: dict[str, Any], texts: Texts, glossary: dict[str, str]
) -> tuple[OPTForCausalLM, PreTrainedTokenizerFast]:
    """MiniLM's layers under a vocabulary drawn from the texts."""
    shape, bert = config["architecture"], architecture.minilm()
    pieces = AutoTokenizer.from_pretrained(minilm_folder()).get_vocab()
    words = tokenizer.vocabulary(
        pieces,
        english=texts.english + texts.talk,
        russian=[prompt.clean(text) for text in texts.russian * 3 + texts.messages + texts.talk],
        written=[*replies() * 2, prompt.FORMAT_WORDS],
        size=shape["vocabulary"],
        russian_size=shape["russian_pieces"],
    )
    spoken = tokenizer.build(words)
    counts = [0] * len(spoken)
    seen = [*texts.english, *texts.talk, *map(prompt.clean, texts.russian)]
    for ids in spoken(seen, add_special_tokens=False)["input_ids"]:
        for number in ids:
            counts[number] += 1
    bert_words, places = architecture.folded_embeddings(bert)
    vectors = architecture.first_vectors(spoken, words, bert_words, pieces, glossary, config["seed"])
    settings = architecture.config(spoken, shape["layers"], shape["factor"], shape["dropout"])
    return architecture.build(settings, vectors, places, bert, counts), spoken


def taught(
    rows: list[Row], simple: bool = False, encoder: Encoder | None = None
) -> tuple[Encoder, Teacher, Floats]:
    """The encoder with its word counts, the teacher fitted on the English rows, and their features."""
    english = [row for row in rows if not is_russian(row.answer)]
    if encoder is None:
        encoder = Encoder()
        encoder.learn(texts_of(english))
        answers = {prompt.clean(row.answer) for row in english}
        encoder.count(answers & encoder.known.keys())
    features = features_of(encoder, english)
    scores = np.array([row.score for row in english], np.float32)
    return encoder, Teacher(simple).fit(features, scores), features


def prepare(config: dict[str, Any], folder: Path, rows: Splits) -> Made:
    """Vocabulary, model, teacher and curriculum; everything random takes the config's seed."""
    seed = config["seed"]
    torch.manual_seed(seed)
    texts = gather(folder, rows.train)
    glossary = yaml.safe_load((SEEDS / "glossary.yaml").read_text(encoding="utf-8"))
    model, spoken = first_model(config, texts, glossary)
    encoder, teacher, features = taught(rows.train)
    belief = teacher.probability(features_of(encoder, rows.held))
    right = [row.score > 0.7 for row in rows.held]
    log.info("teacher on held-out questions: auc %.3f", roc_auc_score(right, belief))
    words = {word for text in [*texts.russian, *texts.messages] for word in text.lower().split()}
    russian_words = sorted(word for word in words if word.isalpha() and is_russian(word))
    other = [("en", row.question) for row in rows.train[::7] if not is_russian(row.question)]
    other += [("ru", text) for text in texts.messages if is_russian(text) and len(text) < 120]
    curriculum = Curriculum(
        rows.train,
        texts.attacks,
        spoken,
        encoder,
        teacher,
        (features.mean(0), features.std(0) + 1e-3),
        Conversations(random.Random(seed).sample(other, min(len(other), 1500))),
        Glosser(glossary, russian_words),
        Shares(**config["shares"]),
        seed,
    )
    return Made(model, spoken, curriculum, Heads(config["architecture"]["factor"], 384))
