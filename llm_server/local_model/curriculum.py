"""From rows to packed training sequences: which texts stand together, and what is asked of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerFast

from llm_server.local_model import augment, prompt
from llm_server.local_model.chat import Conversations
from llm_server.local_model.data import Row, by_question
from llm_server.local_model.packing import Branch, Floats, Packed
from llm_server.local_model.targets import Made, aligned, levels_of
from llm_server.local_model.teacher import Encoder, Teacher, compare
from llm_server.local_model.tokenizer import numbers

POSITIONS, PREFIX_TOKENS = 512, 400
# A packed sequence may be longer than the positions, since they restart; attention's cost is what bounds it.
LONGEST = 640


@dataclass(frozen=True, slots=True)
class Shares:
    """How often things happen: probabilities, but for the counts and the relative weights of `sources`."""

    sources: Mapping[str, float]
    branches: int
    chat: float
    chat_turns: int
    made_up: float
    other_reference: float
    no_question: float
    long_question: float
    broken_lines: float
    glossed: float
    teacher: float


class Curriculum:
    """Endless, seeded stream of packed sequences."""

    def __init__(
        self,
        rows: Sequence[Row],
        payloads: Sequence[str],
        tokenizer: PreTrainedTokenizerFast,
        encoder: Encoder,
        teacher: Teacher,
        scale: tuple[Floats, Floats],
        conversations: Conversations,
        glosser: augment.Glosser,
        shares: Shares,
        seed: int,
    ) -> None:
        self.questions: dict[str, list[list[Row]]] = {}
        for group in by_question(rows).values():
            self.questions.setdefault(group[0].source, []).append(group)
        self.answers = {
            source: [row.answer for group in groups for row in group]
            for source, groups in self.questions.items()
        }
        self.payloads, self.tokenizer, self.encoder, self.teacher = (
            list(payloads),
            tokenizer,
            encoder,
            teacher,
        )
        self.mean, self.spread = scale
        self.conversations, self.glosser, self.shares = conversations, glosser, shares
        self.draw = random.Random(seed)
        self.digits = numbers(tokenizer, prompt.LEVELS)
        self.user, self.assistant, self.grade, self.end, self.head, self.tail = numbers(
            tokenizer,
            (prompt.USER, prompt.ASSISTANT, prompt.GRADE, prompt.END, prompt.REPLY_HEAD, prompt.REPLY_TAIL),
        )

    def ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def next(self) -> Packed:
        return self._talk() if self.draw.random() < self.shares.chat else self._graded()

    def pool(self, sequences: int, batches: int = 4) -> list[list[Packed]]:
        """Batches of sequences of like length, in random order: less of a batch is padding."""
        drawn = sorted((self.next() for _ in range(sequences * batches)), key=len)
        found = [drawn[start : start + sequences] for start in range(0, len(drawn), sequences)]
        self.draw.shuffle(found)
        return found

    def _talk(self) -> Packed:
        """Several conversations side by side; only the assistant's words are asked for."""
        branches = []
        for _ in range(self.shares.chat_turns):
            text = self.tokenizer.apply_chat_template(self.conversations.draw(self.draw), tokenize=False)
            ids = self.ids(str(text))[: prompt.QUESTION_WORDS * 8]
            words, speaking = [], False
            for place, token in enumerate(ids[:-1]):
                speaking = (speaking and token != self.end) or token == self.assistant
                if speaking:
                    words.append((place, ids[place + 1]))
            branches.append(Branch(ids, words))
        return Packed([], branches)

    def _graded(self) -> Packed:
        draw, shares = self.draw, self.shares
        source = draw.choices(list(shares.sources), list(shares.sources.values()))[0]
        group = draw.choice(self.questions[source])
        references = list(group[0].references)
        question = group[0].question
        right = [row.answer for row in group if row.score > 0.95 and len(row.answer.split()) > 3]
        if right and draw.random() < shares.other_reference:
            references = [draw.choice(right)]
        elif len(references) > 1 and draw.random() < 0.5:
            references = [draw.choice(references)]
        rows = draw.sample(group, min(len(group), shares.branches))
        answers = [
            Made(row.answer, levels_of(row.score, row.coarse), True)
            for row in rows
            if row.answer not in references
        ]
        extra = sum(draw.random() < shares.made_up for _ in range(shares.branches))
        answers = answers[: shares.branches - min(extra, shares.branches // 2)]
        while len(answers) < shares.branches:
            answers += self._made_up(question, references, group, source)
        texts = [made.text for made in answers]
        if not source.endswith("ru") and draw.random() < shares.glossed:
            changed = self.glosser.translate([question, *references, *texts], draw)
            question, references, texts = (
                changed[0],
                changed[1 : 1 + len(references)],
                changed[1 + len(references) :],
            )
            answers = [Made(text, made.levels, False) for text, made in zip(texts, answers, strict=True)]
        if draw.random() < shares.no_question:
            question = ""
        draw.shuffle(answers)
        return self.packed(question, references, answers)

    def _made_up(
        self, question: str, references: Sequence[str], group: Sequence[Row], source: str
    ) -> list[Made]:
        """One or two answers that no student gave; a negation comes with the very text it negates."""
        draw, wrong = self.draw, (1.0, 0.0, 0.0)
        kind = draw.choices(
            ("negated", "reference", "question", "other", "ignorance", "empty", "payload", "noise"),
            (6, 1, 4, 4, 1.2, 0.8, 3, 1),
        )[0]
        text = draw.choice(list(references))
        if kind == "negated":
            right = [row.answer for row in group if row.score > 0.95 and 3 < len(row.answer.split()) < 25]
            told = draw.choice(right) if right and draw.random() < 0.4 else text
            turned = augment.negated(told, draw)
            if turned is None:
                return []
            plain = [Made(told, (0.0, 0.0, 1.0), False)] if draw.random() < 0.6 else []
            return [Made(turned, wrong, False), *plain]
        if kind == "reference":
            return [Made(augment.misspelt(text, draw, 0.15), (0.0, 0.0, 1.0), False)]
        if kind == "question":
            return [Made(augment.copied_question(question, draw), wrong, False)] if question else []
        if kind == "other":
            return [Made(draw.choice(self.answers[source]), wrong, False)]
        if kind == "ignorance":
            return [Made(draw.choice(augment.IGNORANCE), wrong, False)]
        if kind == "payload":
            weak = [row.answer for row in group if row.score < 0.2] or [""]
            return [
                Made(augment.with_payload(draw.choice(weak), draw.choice(self.payloads), draw), wrong, False)
            ]
        return [Made("" if kind == "empty" else augment.noise(group[0].answer, draw), wrong, False)]

    def packed(self, question: str, references: Sequence[str], answers: Sequence[Made]) -> Packed:
        words = 120 if self.draw.random() < self.shares.long_question else prompt.QUESTION_WORDS
        text = prompt.clean(prompt.prefix(question, references, words))
        if len(self.ids(text)) > PREFIX_TOKENS:
            text = prompt.clean(prompt.prefix("", references))
        head = [self.grade, self.user, *self.ids(text)]
        found = Packed(head, [self._branch(question, references, answers[0], len(head))])
        for made in answers[1:]:
            branch = self._branch(question, references, made, len(head))
            if len(found) + len(branch.ids) <= LONGEST:
                found.branches.append(branch)
        return found

    def _branch(self, question: str, references: Sequence[str], made: Made, before: int) -> Branch:
        """Answer, end, assistant, scaffold, level, tail, end; what follows the level is always asked for."""
        text = prompt.clean(prompt.first_words(made.text, prompt.ANSWER_WORDS))
        if self.draw.random() < self.shares.broken_lines:
            text = text.replace(". ", ".\n")
        encoding = self.tokenizer(
            f" {text}" if text else "", add_special_tokens=False, return_offsets_mapping=True
        )
        answer: list[int] = encoding["input_ids"][: POSITIONS - 6 - before]
        told = len(answer)
        level = self.digits[int(np.argmax(made.levels))]
        ids = [*answer, self.end, self.assistant, self.head, level, self.tail, self.end]
        words = [(told + 1, self.head), (told + 3, self.tail), (told + 4, self.end)]
        branch = Branch(ids, words, level=(told + 2, made.levels))
        folded = [prompt.clean(reference) for reference in references]
        # Only texts the encoder has met: encoding made-up ones here would take a sixth of the time.
        if {text, *folded, prompt.clean(question)} <= self.encoder.known.keys():
            pair = compare(self.encoder, prompt.clean(question), folded, text)
            branch.features = (told + 2, (pair.features - self.mean) / self.spread)
            seen = self.encoder.of(text)
            branch.meaning = (told, seen.sentence)
            branch.alignment = aligned(encoding["offset_mapping"][:told], seen.spans, pair.alignment)
            if made.teach and self.shares.teacher:
                belief = float(self.teacher.probability(pair.features[None])[0])
                soft = (1 - belief, 0.0, belief) if made.levels[1] == 0 else levels_of(belief, False)
                mixed = [
                    (1 - self.shares.teacher) * a + self.shares.teacher * b
                    for a, b in zip(made.levels, soft, strict=True)
                ]
                branch.level = (told + 2, (mixed[0], mixed[1], mixed[2]))
        return branch
