"""Every operation of an OpenAPI document asked with generated values, by schemathesis."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CONFORMS = [status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
SENT_S = 20.0  # for one answer


def with_names(document: Any, names: Mapping[str, Sequence[str]]) -> Any:
    """The document with names that are known beside any text, by the parameter's name, and without references
    to other documents."""
    if isinstance(document, list):
        return [with_names(one, names) for one in document]
    if not isinstance(document, dict):
        return document
    if str(document.get("$ref", "#")).startswith("/"):
        return {"type": "object"}
    told = {key: with_names(value, names) for key, value in document.items()}
    if told.get("in") == "path" and told.get("name") in names:
        told["schema"] = {"anyOf": [{"enum": list(names[told["name"]])}, {"type": "string"}]}
    return told


def asked(
    document: Any,
    url: str,
    key: str,
    examples: int,
    absent: Callable[[str, requests.Response], bool] = lambda label, answer: False,
) -> Counter[str]:
    """How often each operation was asked. Fails on an answer that the document does not tell, and on 5xx
    unless `absent` says that what would answer is not there."""
    schema = schemathesis.openapi.from_dict(document)
    counts: Counter[str] = Counter()
    headers = {"authorization": f"Bearer {key}"} if key else {}
    faults: list[BaseException] = []

    def ask(case: Any) -> None:
        label = case.operation.label
        answer = case.call(base_url=url, session=session, headers=headers, timeout=SENT_S)
        counts[label] += 1
        if answer.status_code >= 500 and not absent(label, answer):
            raise AssertionError(f"{label}: {answer.status_code} {answer.text[:300]}")
        case.validate_response(answer, checks=CONFORMS)

    bounded = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with requests.Session() as session:
        for found in schema.get_all_operations():
            for mode in MODES:
                cases = found.ok().as_strategy(generation_mode=mode)
                try:
                    seed(8)(bounded(given(case=cases)(ask)))()
                except Unsatisfiable:
                    assert mode is GenerationMode.NEGATIVE  # nothing is sent, so nothing can be wrong
                except (AssertionError, BaseExceptionGroup) as fault:
                    faults.append(fault)
    if faults:
        raise BaseExceptionGroup("answers that the document does not tell", faults)
    return counts
