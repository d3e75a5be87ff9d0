"""WordPiece behind a byte-level pre-tokenizer: MiniLM's pieces where the data uses them, bytes for the rest.

The continuation prefix is empty, so a piece with a leading space is a word's beginning and any other is not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from llm_server.local_model.prompt import CHAT_TEMPLATE, END, PAD, REPLY_HEAD, SPECIAL_TOKENS

# Runs are bounded: the greedy match is cubic in a word's length, and a word past its limit would be unknown.
PATTERN = r" ?\p{L}{1,32}| ?\p{N}{1,4}| ?[^\s\p{L}\p{N}]|\s{1,8}(?!\S)|\s"
_BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def spelled(text: str) -> str:
    """Text in the byte-level alphabet, a leading space becoming `Ġ`."""
    return "".join(piece for piece, _ in _BYTES.pre_tokenize_str(text))


def splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), _BYTES])


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Pieces in order of their ids, and the MiniLM ids of those that MiniLM knows."""

    pieces: list[str]
    origins: dict[str, list[int]]


def english_candidates(bert: dict[str, int]) -> dict[str, int]:
    """MiniLM's pieces in our spelling; a bare one takes the continuation's vector before the word's."""
    found: dict[str, int] = {}
    for word, number in sorted(bert.items(), key=lambda entry: entry[1]):
        if word.startswith("["):
            continue
        if word.startswith("##"):
            found[spelled(word[2:])] = number
        else:
            found[spelled(" " + word)] = number
            found.setdefault(spelled(word), number)
    return found


def wordpiece(pieces: Iterable[str]) -> Tokenizer:
    numbers = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.WordPiece(numbers, unk_token=PAD, continuing_subword_prefix="", max_input_chars_per_word=256)
    )
    tokenizer.pre_tokenizer = splitter()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _most_used(pieces: Sequence[str], texts: Sequence[str], at_least: int) -> list[str]:
    counts: Counter[str] = Counter()
    for encoding in wordpiece([PAD, *pieces]).encode_batch(list(texts)):
        counts.update(encoding.tokens)
    return [piece for piece, count in counts.most_common() if count >= at_least]


def whole_words(texts: Iterable[str]) -> list[str]:
    """Every pre-token of the texts, most frequent first: what the model writes, it writes in whole words."""
    counts: Counter[str] = Counter()
    cut = splitter()
    for text in texts:
        counts.update(piece for piece, _ in cut.pre_tokenize_str(text))
    return [piece for piece, _ in counts.most_common()]


def vocabulary(
    bert: dict[str, int],
    english: Sequence[str],
    russian: Sequence[str],
    written: Sequence[str],
    size: int,
    russian_size: int,
) -> Vocabulary:
    """Bytes, the words of `written` whole, Russian pieces (merges), then English pieces up to `size`."""
    candidates = english_candidates(bert)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=russian_size + 256, initial_alphabet=alphabet, show_progress=False, min_frequency=3
    )
    merges = Tokenizer(models.BPE())
    merges.pre_tokenizer = splitter()
    merges.train_from_iterator(list(russian), trainer)
    merged = [piece for piece, _ in sorted(merges.get_vocab().items(), key=lambda entry: entry[1])]
    plain = decoders.ByteLevel()
    # Merges of half a letter, and Latin ones, would only take room.
    cyrillic = [piece for piece in merged if re.fullmatch(r" ?[а-яё]+", plain.decode([piece]))]
    alone = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"
    letters = [spelled(edge + letter) for letter in alone for edge in ("", " ")]
    chosen = dict.fromkeys([*alphabet, *whole_words(written), *letters, *cyrillic])
    used = _most_used([*alphabet, *candidates], english, at_least=2)
    by_frequency = sorted(bert, key=lambda word: bert[word])
    frequent = [
        spelled(" " + word) for word in by_frequency if word.isascii() and word.isalpha() and len(word) > 2
    ]
    for piece in [*used, *frequent]:
        if len(chosen) + len(SPECIAL_TOKENS) + 1 >= size:
            break
        chosen.setdefault(piece)
    pieces = [piece for piece in chosen if piece != PAD]
    origins = {piece: [candidates[piece]] for piece in pieces if piece in candidates}
    return Vocabulary(pieces, origins)


def build(words: Vocabulary) -> PreTrainedTokenizerFast:
    tokenizer = wordpiece([*SPECIAL_TOKENS, *words.pieces])
    tokenizer.add_special_tokens(
        [AddedToken(mark, special=True, normalized=False) for mark in SPECIAL_TOKENS]
    )
    tokenizer.add_tokens([AddedToken(REPLY_HEAD, normalized=False)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[mark for mark in SPECIAL_TOKENS if mark not in (END, PAD)],
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def numbers(tokenizer: PreTrainedTokenizerFast, pieces: Iterable[str]) -> list[int]:
    """The ids of pieces that must be there."""
    known = tokenizer.get_vocab()
    return [known[piece] for piece in pieces]
