"""What is counted and written of masked values: how many of which kind, never which."""

import io
import json
from collections.abc import Callable
from typing import Any

from tests.fakes import FakeAnalyzer, FakeEmbeddings

FOUND = {"Анна Каренина": "PERSON", "Вронский": "PERSON", "05.05.2001": "DATE_OF_BIRTH"}


async def test_masked_values_are_counted_by_kind_over_all_instances(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer(FOUND), FakeEmbeddings())
    out = io.BytesIO()
    running.services.observer._out = out
    said = ["Анна Каренина, 05.05.2001, Анна Каренина", "Анна Каренина и Вронский"]
    answers = [{"submission": text, "reference_answers": ["Роман"]} for text in said]
    status, _, _ = await running.post("/v1/models/grader-embedding:predict", {"instances": answers})
    assert status == 200
    running.services.observer._flush()
    line = json.loads(out.getvalue())
    assert line["masked"] == 4
    assert line["masked_kinds"] == {"PERSON": 3, "DATE_OF_BIRTH": 1}
    _, metrics, _ = await running.get("/metrics")
    assert 'gateway_masked_values_total{kind="PERSON"} 3.0' in metrics
    assert 'gateway_masked_values_total{kind="DATE_OF_BIRTH"} 1.0' in metrics
    assert 'gateway_masked_values_total{kind="CARD"} 0.0' in metrics  # known before it is met
    assert "Вронский" not in metrics + out.getvalue().decode()
