"""What was analysed before is not analysed again, and no word of it is kept."""

from collections.abc import Sequence

from gateway.adapters.presidio.remembered import Remembered
from gateway.domain import KINDS, MaskingPolicy, Passage, Span
from tests.fakes import FakeAnalyzer

POLICY = MaskingPolicy(KINDS)


class Counting(FakeAnalyzer):
    def __init__(self) -> None:
        super().__init__({"Anna": "PERSON"})
        self.asked: list[str] = []

    async def analyze(self, passages: Sequence[Passage], policy: MaskingPolicy) -> list[list[Span]]:
        self.asked += [passage.text for passage in passages]
        return await super().analyze(passages, policy)


async def test_only_new_passages_are_analysed_and_answers_keep_their_order() -> None:
    below = Counting()
    remembered = Remembered(below, 100)
    anna, nobody = Passage("by Anna"), Passage("by nobody")
    first = await remembered.analyze([anna, nobody, anna], POLICY)
    again = await remembered.analyze([nobody, Passage("Anna!"), anna], POLICY)
    assert below.asked == ["by Anna", "by nobody", "Anna!"]
    assert first == [[Span(3, 7, "PERSON")], [], [Span(3, 7, "PERSON")]]
    assert again == [[], [Span(0, 4, "PERSON")], [Span(3, 7, "PERSON")]]


async def test_another_policy_a_program_or_other_seams_are_another_question() -> None:
    below = Counting()
    remembered = Remembered(below, 100)
    await remembered.analyze(
        [Passage("Anna"), Passage("Anna", program=True), Passage("Anna", seams=(2,))], POLICY
    )
    await remembered.analyze([Passage("Anna")], MaskingPolicy(frozenset({"EMAIL"})))
    await remembered.analyze([Passage("Anna")], MaskingPolicy(KINDS, spare_cited=False))
    assert len(below.asked) == 5


async def test_the_longest_unused_goes_first_and_no_word_is_kept() -> None:
    below = Counting()
    remembered = Remembered(below, 4)  # two passages with a finding each
    anna, her = Passage("Anna"), Passage("Anna, she")
    for passage in (anna, her, anna, Passage("Anna, who"), anna, her):
        await remembered.analyze([passage], POLICY)
    assert below.asked == ["Anna", "Anna, she", "Anna, who", "Anna, she"]
    assert "Anna" not in repr(vars(remembered)["_kept"])
