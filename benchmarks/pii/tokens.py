"""The tokens that presidio-research counts: those of spaCy's English tokenizer, which needs no model, and the
words that say nothing by themselves."""

import string
from collections.abc import Callable, Sequence
from functools import cache

from benchmarks.pii.counting import Token

# What presidio-research's skipwords.py leaves out beside punctuation, blanks and spaCy's stop words.
_ADDRESSES = "address apt box city corner country de p.o. po rue st st. state street suite unit via zip"
_TIMES = (
    "afternoon age ago day days evening month months morning night noon old week weekend weeks y/o year years"
)
_TITLES = "inc inc. ltd miss mr. mrs."


@cache
def tokenizer() -> Callable[[str], Sequence[Token]]:
    import spacy
    from spacy.lang.en.stop_words import STOP_WORDS

    silent = {*STOP_WORDS, *string.punctuation, *f"{_ADDRESSES} {_TIMES} {_TITLES}".split()}
    pipeline = spacy.blank("en")

    def tokens(text: str) -> list[Token]:
        said = ((token.idx, token.text.lower().strip()) for token in pipeline(text))
        return [Token(start, not word or set(word) == {">"} or word in silent) for start, word in said]

    return tokens
