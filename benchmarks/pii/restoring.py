"""Random texts through the masking and back: is everybody's value put back where it belongs?

Most mentions of a case are given to `mask` as findings; the others are second mentions that it has to see by
itself. A reply then says some of the placeholders, among look-alikes of the student's; it is un-masked whole,
as a stream that is cut anywhere, and inside a JSON string. Wrong is: a value of somebody else, a placeholder
that is left or stands for nothing, a finding that stays, a text that changed elsewhere.
"""

import json
import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from benchmarks.pii.cases import LOOKALIKES, WORDS, Case, Form, Mention, case
from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.domain import Masked, MaskingPolicy, Passage, Span
from gateway.grading.placeholders import mask, new_nonce, settled
from gateway.grading.unmasking import StreamUnmasker, unmask

_PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_[0-9]+_[0-9a-z]+>")
_QUOTED = re.compile(f'"{_PLACEHOLDER.pattern}"')  # for a number of a JSON document, which is no string
_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Outcome:
    cases: int = 0
    mentions: int = 0  # that stood behind a placeholder
    restored: int = 0  # placeholders of replies
    wrong: list[tuple[int, str]] = field(default_factory=list)  # seed, what went wrong


def restored(seeds: Iterable[int]) -> Outcome:
    outcome = Outcome()
    for seed in seeds:
        outcome.cases += 1
        try:
            _check(case(seed), outcome)
        except _Wrong as wrong:
            outcome.wrong.append((seed, str(wrong)))
        except ValueError:
            outcome.wrong.append((seed, "a JSON document is JSON no more"))
    return outcome


async def restored_through(pool: AnalyzerPool, policy: MaskingPolicy, seeds: Iterable[int]) -> Outcome:
    """The same texts with what the analyser finds in them, and whom it takes for whom. What it overlooks is
    no matter here; a word of somebody else in a restored value is."""
    outcome = Outcome()
    for seed in seeds:
        outcome.cases += 1
        one = case(seed)
        spans = await pool.analyze(one.passages, policy)
        masked = settled(mask(one.passages, spans, new_nonce([passage.text for passage in one.passages])))
        words_of: dict[str, set[str]] = {}
        for form in one.forms:
            words_of.setdefault(form.owner, set()).update(_WORD.findall(form.words.casefold()))
        for placeholder, words, owners in _standing(one, masked):
            outcome.mentions += 1
            value = masked.originals[placeholder]
            theirs = set[str]().union(*(words_of[owner] for owner in owners))
            if value != words and not theirs.issuperset(_WORD.findall(value.casefold())):
                outcome.wrong.append((seed, f"{words!r} came back as {value!r}"))
                break
    return outcome


def told(outcome: Outcome) -> str:
    kinds = "".join(f"\n- case {seed}: {what}" for seed, what in outcome.wrong[:20])
    replies = f", {outcome.restored} of them said by replies, whole, streamed and in JSON" * bool(
        outcome.restored
    )
    return (
        f"{outcome.cases} random cases, {outcome.mentions} mentions behind placeholders{replies}: "
        f"{len(outcome.wrong)} cases wrong.{kinds}"
    )


class _Wrong(Exception):
    """What a case has shown, in constant words."""


def _check(one: Case, outcome: Outcome) -> None:
    masked = settled(mask(one.passages, one.spans, new_nonce([passage.text for passage in one.passages])))
    forms_of: dict[str, set[str]] = {}
    for mention in (mention for stretches in one.mentions for mention in stretches):
        if mention.form is not None:
            forms_of.setdefault(mention.form.owner, set()).add(mention.form.words)
    behind = list(_behind(one, masked))
    outcome.mentions += len(behind)
    for placeholder, words, form in behind:
        value = masked.originals.get(placeholder)
        if value is None:
            raise _Wrong("a placeholder that stands for nothing")
        if value != words and not (form.identity and value in forms_of[form.owner]):
            raise _Wrong("somebody else's value")
    _check_reply(
        random.Random(one.seed), masked, sorted({placeholder for placeholder, *_ in behind}), outcome
    )


def _behind(one: Case, masked: Masked) -> Iterator[tuple[str, str, Form]]:
    """Each placeholder of the masked texts with what stood there and whose it was."""
    for (passage, stretches, spans), text in zip(_passages(one, masked), _texts(one, masked), strict=True):
        ends = list(accumulate(len(mention.words) for mention in stretches))
        for placeholder, span in _placed(passage, spans, text, masked.nonce):
            mention = stretches[bisect_right(ends, span.start)]
            words = passage.text[span.start : span.end]
            if mention.form is None or words not in mention.words:
                raise _Wrong("innocent words masked")
            yield placeholder, json.loads(f'"{words}"') if passage.json else words, mention.form
        if passage.json:
            json.loads(unmask(text, masked.originals, json_escaped=True))
        covered = {(span.start, span.end) for span in spans}
        places = zip(stretches, pairwise((0, *ends)), strict=True)
        if any(mention.found and place not in covered for mention, place in places):
            raise _Wrong("a finding that stays")


def _standing(one: Case, masked: Masked) -> Iterator[tuple[str, str, set[str]]]:
    """As _behind(), for findings that may be of any length: whose words they hold."""
    for (passage, stretches, spans), text in zip(_passages(one, masked), _texts(one, masked), strict=True):
        ends = list(accumulate(len(mention.words) for mention in stretches))
        for placeholder, span in _placed(passage, spans, text, masked.nonce):
            some = stretches[bisect_right(ends, span.start) : bisect_left(ends, span.end) + 1]
            yield (
                placeholder,
                passage.text[span.start : span.end],
                {one.form.owner for one in some if one.form},
            )


Found = tuple[Passage, Sequence[Mention], Sequence[Span]]


def _passages(one: Case, masked: Masked) -> Iterator[Found]:
    return zip(one.passages, one.mentions, masked.spans, strict=True)


def _texts(one: Case, masked: Masked) -> Iterator[str]:
    """Of each passage what a model sees."""
    pieces = iter(masked.texts)
    for passage in one.passages:
        yield "".join(next(pieces) for _ in range(len(passage.seams) + 1))


def _placed(passage: Passage, spans: Sequence[Span], text: str, nonce: str) -> Iterator[tuple[str, Span]]:
    """The placeholder of each span. Raises _Wrong where the rest of the text is another one than before."""
    said = at = 0
    for span in spans:
        kept = passage.text[said : span.start]
        match = _PLACEHOLDER.match(text, at + len(kept)) or _QUOTED.match(text, at + len(kept))
        if not text.startswith(kept, at) or match is None or f"_{nonce}>" not in match[0]:
            raise _Wrong("a text changed where nothing was found")
        yield match[0].strip('"'), span
        said, at = span.end, match.end()
    if text[at:] != passage.text[said:]:
        raise _Wrong("a text changed at its end")


def _check_reply(draw: random.Random, masked: Masked, placeholders: Sequence[str], outcome: Outcome) -> None:
    sources = [placeholders, placeholders, LOOKALIKES, WORDS] if placeholders else [LOOKALIKES, WORDS]
    said = [draw.choice(draw.choice(sources)) for _ in range(draw.randint(1, 30))]
    glue = draw.choice((" ", "", ", ", "<"))
    expected = glue.join(masked.originals.get(one, one) for one in said)
    reply = glue.join(said)
    outcome.restored += sum(one in masked.originals for one in said)
    if unmask(reply, masked.originals) != expected:
        raise _Wrong("a reply as a whole")
    if _streamed(draw, reply, masked, json_escaped=False) != expected:
        raise _Wrong("a streamed reply")
    escaped = json.dumps({"comment": reply}, ensure_ascii=draw.random() < 0.5)
    for way in (
        unmask(escaped, masked.originals, json_escaped=True),
        _streamed(draw, escaped, masked, json_escaped=True),
    ):
        if json.loads(way)["comment"] != expected:
            raise _Wrong("a reply in JSON")


def _streamed(draw: random.Random, reply: str, masked: Masked, *, json_escaped: bool) -> str:
    unmasker = StreamUnmasker(masked.originals, json_escaped=json_escaped)
    said, at = [], 0
    while at < len(reply):
        size = draw.choice((1, 1, 2, 3, 5, 8, 20))
        said.append(unmasker.feed(reply[at : at + size]))
        at += size
    return "".join((*said, unmasker.flush()))
