"""An explanation leads from the masked text back to the given one, whatever stood in it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Passage, Span
from gateway.grading.placeholders import mask, new_nonce, settled
from gateway.masking import explanation

KINDS = {"Анна": "PERSON", "Anna Karev": "PERSON", "05.05.2001": "DATE_OF_BIRTH", "536904399": "US_SSN"}
pieces = st.lists(
    st.sampled_from(
        [*KINDS, "<PERSON_1_k3f9x>", "<", ">", "_", "Anna", " ", "\n", '"', "\N{WAVING HAND SIGN}"]
    )
)


@given(pieces)
def test_placeholders_lead_back_to_the_given_text(parts: list[str]) -> None:
    text = "".join(parts)
    found = [
        Span(one.start(), one.end(), KINDS[one[0]], 0.5, "R") for one in re.finditer("|".join(KINDS), text)
    ]
    told = explanation(settled(mask([Passage(text)], [found], new_nonce([text]))))
    assert {(one.start, one.end, one.kind) for one in found} <= {
        (one.start, one.end, one.type) for one in told.entities
    }
    restored = told.masked
    for one in told.entities:
        assert one.placeholder.startswith(f"<{one.type}_")
        restored = restored.replace(one.placeholder, text[one.start : one.end], 1)
    assert restored == text
