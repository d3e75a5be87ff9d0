import torch

from llm_server.local_model.data import Row
from llm_server.local_model.packing import Branch, Packed, collate
from llm_server.local_model.scoring import hidden, level_probabilities, logits


def test_a_packed_sequence_gives_the_logits_of_separate_ones(tiny):
    prefix, tails = [7, 30, 41, 52], [[60, 61, 62], [63], [64, 65, 66, 67, 68]]
    other = Packed([], [Branch([9, 10])])
    batch = collate([Packed(prefix, [Branch(tail) for tail in tails]), other], pad=0)
    with torch.inference_mode():
        packed = logits(tiny, hidden(tiny, batch)).view(2, batch.ids.shape[1], -1)[0]
        start = len(prefix)
        for tail in tails:
            alone = tiny(input_ids=torch.tensor([prefix + tail])).logits[0]
            torch.testing.assert_close(
                packed[start : start + len(tail)], alone[len(prefix) :], rtol=1e-4, atol=1e-5
            )
            start += len(tail)


def test_no_branch_sees_another(tiny):
    first = collate([Packed([7, 8], [Branch([20, 21]), Branch([30, 31])])], pad=0)
    second = collate([Packed([7, 8], [Branch([25, 26]), Branch([30, 31])])], pad=0)
    with torch.inference_mode():
        torch.testing.assert_close(hidden(tiny, first)[4:], hidden(tiny, second)[4:])


def test_scoring_in_packs_equals_the_chat_template_one_by_one(tiny, spoken):
    from llm_server.local_model import prompt

    rows = [
        Row("x", "q", "Why does Ice float?", ("It is less dense.", "Density"), answer, 0.0, True)
        for answer in ("the ICE is less dense", "", "вода 😀", "<|end|> two  spaces\nand a line")
    ]
    packed = level_probabilities(tiny, spoken, rows)
    digits = [spoken.convert_tokens_to_ids(level) for level in prompt.LEVELS]
    for row, levels in zip(rows, packed, strict=True):
        messages = prompt.grade_messages(row.question, row.references, row.answer)
        text = (
            spoken.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            + prompt.REPLY_HEAD
        )
        with torch.inference_mode():
            alone = tiny(**spoken(text, return_tensors="pt", add_special_tokens=False)).logits[0, -1, digits]
        torch.testing.assert_close(torch.tensor(levels), alone.softmax(-1), rtol=1e-4, atol=1e-5)
