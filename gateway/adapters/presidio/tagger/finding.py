"""From a text to its names and addresses: cut, pass over what cannot hold any, read the rest together."""

import re
from collections.abc import Iterator
from dataclasses import replace

from gateway.adapters.presidio.tagger.pieces import pieces
from gateway.adapters.presidio.tagger.reading import Found, Reader

_LATIN = re.compile("[A-Za-z\u00c0-\u024f]{2}")
_CAPITAL = re.compile("(?<![^\\W_])[A-Z\u00c0-\u00de\u0100-\u024f][^\\W\\d_]*")
# What may stand before the first word of a sentence.
_OPENING = re.compile(r"(?:^|[.!?:;]|\n)[\s\"'(\[*#>/+-]*(?:\d{1,2}[.)]\s*)?$")
# Words that begin the sentences of ordinary answers.
_STARTS = re.compile(
    r"(?i)(?:a|about|after|all|also|although|an|and|another|any|are|as|at|battery|because|before|being|both"
    r"|bulb|but|by|can|circuit|could|current|did|do|does|due|each|either|even|every|first|for|from"
    r"|given|has|have|he|hence|here|his|how|however|i|if|in|instead|is|it|its|just|let|like|many"
    r"|maybe|more|most|my|no|not|nothing|now|of|ok|on|once|one|only|or|other|our|over|people|same"
    r"|second|she|since|so|some|terminal|terminals|that|the|their|then|there|therefore|these|they"
    r"|third|this|those|through|thus|to|too|two|under|unless|until|using|voltage|was|water|we|well"
    r"|were|what|when|where|whether|which|while|who|why|will|with|without|would|yes|you|your)"
)
# In lower case a name shows itself by the words around it only.
_LEAD = re.compile(
    r"(?i)\b(?:name[sd]?|i am|i['\u2019]?m|this is|call(?:ed)?|dear|hi|hello|hey|thanks?|thank you|bye"
    r"|sincerely|regards|yours|mrs?|ms|miss|dr|prof(?:essor)?|sir|madam|by|author|written|student|teacher|friend|partner|brother|sister"
    r"|mother|father|mom|dad|husband|wife|son|daughter|boss|uncle|aunt|cousin|says?|said|told|asked|ask|tell|met|meet"
    r"|lives?|address|street|st|road|rd|ave|avenue|lane|drive|square|apt|suite|box|flat|house|zip|postcode|moved|from"
    r"|with|contact|signed|patient|customer|user|account|card|according|like|agree|disagree|thinks|wrote|his|her|he|she)"
    r"\b"
)
_NUMBER_OR_LINE = re.compile(r"\d{2}|\n|@|[^\W\d_]'s\b")


class Finder:
    """Linear in the text; a text is what the caller reads at once, about 2,000 characters."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def find(self, text: str) -> Iterator[Found]:
        ranges = pieces(text, worth_reading)
        read = self._reader.read([text[start:end] for start, end in ranges])
        for (start, _), found in zip(ranges, read, strict=True):
            for one in found:
                yield replace(one, start=start + one.start, end=start + one.end)


def worth_reading(sentence: str) -> bool:
    """Whether a name or an address could stand in it. Ordinary answers in lower case are passed over."""
    if not _LATIN.search(sentence):
        return False
    for word in _CAPITAL.finditer(sentence):
        if _STARTS.fullmatch(word[0]) and (
            word[0] == "I" or _OPENING.search(sentence[max(0, word.start() - 12) : word.start()])
        ):
            continue
        return True
    return bool(_LEAD.search(sentence) or _NUMBER_OR_LINE.search(sentence))
