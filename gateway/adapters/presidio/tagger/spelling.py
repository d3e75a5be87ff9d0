"""A piece of text as the tagger reads it: word pieces, and beside each what lower-casing has lost.

Training and serving share this file, so both see the same numbers.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

UNKNOWN, FIRST, LAST = "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 48  # characters; a longer run of letters is no name and costs one piece

# A spelling is case * 8 + gap * 2 + accent.
_EDGE, _LOWER, _TITLE, _UPPER, _LETTER, _MIXED, _DIGITS, _BOTH, _MARK, _CASELESS = range(10)
_NONE, _BLANK, _LINE, _EMPTY_LINE = range(4)
CASES, GAPS, ACCENTS = 10, 4, 2
SPELLINGS = CASES * GAPS * ACCENTS

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Spelled:
    """One piece of text; every list has one entry a word piece, the two special ones included."""

    ids: list[int]
    spellings: list[int]
    spans: list[tuple[int, int]]  # character offsets in the piece; (0, 0) for the special ones
    words: list[int]  # of which word each is a part; -1 for the special ones


def tokenizer(vocabulary: Sequence[str]) -> Tokenizer:
    """BERT's lower-casing word pieces (Devlin et al. 2018) over `vocabulary`, in the order of the ids."""
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    made = Tokenizer(WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=_LONGEST_WORD))
    made.normalizer = BertNormalizer(lowercase=True)
    made.pre_tokenizer = BertPreTokenizer()
    return made


def spell(pieces: Sequence[str], reader: Tokenizer) -> list[Spelled]:
    """Linear in the characters. Lone surrogates, which no tokenizer takes, are read as question marks."""
    read = [_SURROGATE.sub("?", piece) for piece in pieces]
    first, last = _id(reader, FIRST), _id(reader, LAST)
    encodings = reader.encode_batch(read, add_special_tokens=False)
    return [_spelled(text, one, first, last) for text, one in zip(read, encodings, strict=True)]


def _id(reader: Tokenizer, piece: str) -> int:
    number = reader.token_to_id(piece)
    if number is None:
        raise KeyError(piece)
    return number


def _spelled(text: str, encoding: Encoding, first: int, last: int) -> Spelled:
    offsets, words = encoding.offsets, encoding.word_ids
    spellings = []
    index = end = 0
    while index < len(words):
        after = index + 1
        while after < len(words) and words[after] == words[index]:
            after += 1
        start = offsets[index][0]
        gap = text[end:start] if index else "\n"
        end = offsets[after - 1][1]
        code = spelling(text[start:end], gap)
        # Later pieces of one word follow no gap.
        spellings += [code] + [code - code % (GAPS * ACCENTS) + code % ACCENTS] * (after - index - 1)
        index = after
    return Spelled(
        ids=[first, *encoding.ids, last],
        spellings=[0, *spellings, 0],
        spans=[(0, 0), *offsets, (0, 0)],
        words=[-1, *(-1 if word is None else word for word in words), -1],
    )


def spelling(word: str, gap: str) -> int:
    """The number of a word's case, of what stands before it and of whether it has accents."""
    lines = gap.count("\n")
    before = _EMPTY_LINE if lines > 1 else _LINE if lines else _BLANK if gap else _NONE
    return (_case(word) * GAPS + before) * ACCENTS + (not word.isascii() and _has_accents(word))


def _case(word: str) -> int:
    if word.isalpha():
        if word.islower():
            return _LOWER
        if word.isupper():
            return _UPPER if len(word) > 1 else _LETTER
        if word[0].isupper() and word[1:].islower():
            return _TITLE
        return _MIXED if word.lower() != word.upper() else _CASELESS
    if word.isalnum():
        return _DIGITS if word.isdigit() else _BOTH
    return _MARK


def _has_accents(word: str) -> bool:
    return any("\u00c0" <= letter <= "\u024f" or unicodedata.combining(letter) for letter in word)
