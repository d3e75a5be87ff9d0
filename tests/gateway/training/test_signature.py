"""A signature survives its way through a model's file, and a made-up one does not get in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.training.facts import ColumnType, Feature, Signature
from gateway.training.signature import read_signature, signature_json

LABELS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, unique=True),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, unique=True),
    st.lists(st.text(), min_size=2, unique=True),
    st.just([False, True]),
)


@given(st.lists(st.text(), min_size=2, unique=True), st.sampled_from(ColumnType), LABELS)
def test_it_is_read_as_it_was_written(names: list[str], kind: ColumnType, labels: list[object]) -> None:
    target, *features = names
    signature = Signature(tuple(Feature(name, kind) for name in features), target, tuple(labels))  # type: ignore[arg-type]
    text = signature_json(signature)
    assert text.isascii()
    assert read_signature(text) == signature
    assert [type(label) for label in read_signature(text).labels] == [type(label) for label in labels]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 100_000,
        '{"features": [], "target": "y", "labels": [0, 1]}',
        '{"features": [{"name": "y", "type": "number"}], "target": "y", "labels": [0, 1]}',
        signature_json(Signature((Feature("a", ColumnType.TEXT),) * 2, "y", (0, 1))),
        '{"features": [{"name": "a", "type": "pickle"}], "target": "y", "labels": [0, 1]}',
        '{"features": [{"name": 1, "type": "number"}], "target": "y", "labels": [0, 1]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y", "labels": [0]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y", "labels": [0, 0]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y", "labels": [0, true]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y", "labels": [0, "a"]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y", "labels": [0, null]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y", "labels": [0.5, 1e999]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y", "labels": [0.5, NaN]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y", "labels": [0, 9223372036854775808]}',
        '{"features": [{"name": "a", "type": "number"}], "target": "y"}',
        '{"features": {"name": "a"}, "target": "y", "labels": [0, 1]}',
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - one of several
        read_signature(text)
