"""Words of answers in two languages: which ones carry content, and which language a text is in."""

import re
from collections.abc import Sequence

from gateway.domain import Language, Submission

_PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_[0-9]+_[0-9a-z]+>")
_WORD = re.compile(r"<[a-z][a-z_]*_[0-9]+_[0-9a-z]+>|([^\W\d_]{3,})")  # a placeholder is no word
_ANY_WORD = re.compile(r"\w+")
# Words that carry no key to an answer; function words longer than these are rare in references.
_FUNCTION_WORDS = """
the and are was were has have had with that this from into for not but its their there they them than then
when which who what will would can could should must may also because been being does did done more most some
such only other each any all one two you your our his her
они это этот эта эти что как для или при над под без его она оно был была было были есть быть если чтобы
когда где который которая которые также только более менее можно нужно так там тут этого этой этом
"""
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
_LANGUAGE_CHARS = 4000  # the beginning tells it
_STEM = 5  # letters: a crude stem that serves both languages
_CYRILLIC = re.compile("[а-яёА-ЯЁ]")
_LATIN = re.compile("[a-zA-Z]")


def content_words(text: str) -> Sequence[str]:
    """Words of three letters or more, in lower case, without function words and placeholders."""
    return [word for word in _WORD.findall(text.lower()) if word and word not in _STOP_WORDS]


def stem(word: str) -> str:
    return word[:_STEM]


def plain_words(text: str) -> Sequence[str]:
    """Every word and number, folded: what two texts have in common whatever their punctuation."""
    return _ANY_WORD.findall(text.casefold().replace("ё", "е"))


def language_of(*texts: str) -> Language:
    """The language of the first text that has letters, English without any. A quarter of Cyrillic letters
    makes a text Russian: answers on computing are full of Latin terms."""
    for text in texts:
        own = _PLACEHOLDER.sub("", text[:_LANGUAGE_CHARS])
        cyrillic, latin = len(_CYRILLIC.findall(own)), len(_LATIN.findall(own))
        if cyrillic + latin:
            return Language.RUSSIAN if cyrillic * 4 >= cyrillic + latin else Language.ENGLISH
    return Language.ENGLISH


def spoken_in(submission: Submission) -> Language:
    """The language to answer a submission in: its own; a program's is that of its task."""
    texts = (submission.text, submission.question or "", *submission.references)
    if submission.task_type == "code":
        texts = (submission.question or "", *submission.references, submission.text)
    return language_of(*texts)
