"""The one place with the prompt format: training, evaluation and the saved chat template all use it."""

from __future__ import annotations

from collections.abc import Sequence

GRADE_SYSTEM = "Grade the answer: 0 wrong, 1 partly, 2 correct."
LEVELS = ("0", "1", "2")
REFERENCE_SEPARATOR = " | "

PAD, USER, ASSISTANT, SYSTEM, GRADE, END = (
    "<|pad|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|grade|>",
    "<|end|>",
)
SPECIAL_TOKENS = (PAD, USER, ASSISTANT, SYSTEM, GRADE, END)
# One token for the whole scaffold: a reply is five tokens and the level digit always stands alone.
REPLY_HEAD = '{"level": '
REPLY_TAIL = "}"
FORMAT_WORDS = "question: answer\nquestion: reference\nreference: answer\nanswer: |"

QUESTION_WORDS, REFERENCE_WORDS, ANSWER_WORDS, WORD_LETTERS = 40, 110, 110, 32

# Case is folded here and not in the tokenizer: the model reads one spelling and still writes capitals.
# Marks of the format inside a message are broken up: a student's text must not close its own turn.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- set text = (message['content'] or '') | string | replace('<|', '< |') -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{{ '<|assistant|>' + text + '<|end|>' }}"
    "{%- elif message['role'] in ['system', 'developer'] -%}"
    "{%- if text.strip().startswith('Grade the answer') -%}{{ '<|grade|>' }}"
    "{%- else -%}{{ '<|system|>' + text | lower | trim + '<|end|>' }}{%- endif -%}"
    "{%- else -%}"
    "{{ '<|user|>' + text | lower | replace('{\"level\": ', '{\"level\":') | trim + '<|end|>' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)

RESPONSE_SCHEMA = {
    "type": "object",
    "properties": {"level": {"type": "integer", "enum": [0, 1, 2]}},
    "required": ["level"],
    "additionalProperties": False,
}


def clean(text: str) -> str:
    """The same folding as the chat template's, for text that is put together as tokens."""
    return text.replace("<|", "< |").lower().replace(REPLY_HEAD, REPLY_HEAD.rstrip()).strip()


def last_words(text: str, count: int) -> str:
    """A question's request stands at its end, so its head is cut."""
    return " ".join(word[:WORD_LETTERS] for word in text.split()[-count:])


def first_words(text: str, count: int) -> str:
    """Cut by words, and each word too: one endless word must not fill the 512 positions."""
    return " ".join(word[:WORD_LETTERS] for word in text.split()[:count])


def prefix(question: str, references: Sequence[str], question_words: int = QUESTION_WORDS) -> str:
    """Everything of the user turn up to the answer; shared by all answers to one question."""
    head = f"question: {last_words(question, question_words)}\n" if question.strip() else ""
    joined = first_words(REFERENCE_SEPARATOR.join(references), REFERENCE_WORDS)
    return f"{head}reference: {joined}\nanswer:"


def grade_messages(question: str, references: Sequence[str], answer: str) -> list[dict[str, str]]:
    """Chat messages of one grade, cut to the lengths the model was trained with."""
    content = f"{prefix(question, references)} {first_words(answer, ANSWER_WORDS)}"
    return [{"role": "system", "content": GRADE_SYSTEM}, {"role": "user", "content": content}]


def reply(level: str) -> str:
    return f"{REPLY_HEAD}{level}{REPLY_TAIL}"
