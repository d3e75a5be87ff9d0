"""The schema files themselves: valid by the letter, closed, and whole without a network."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from gateway.contracts.files import KINDS, SHARED, TASK_TYPES, VERSIONS, contracts, name_of
from gateway.contracts.validation import check, validator

META = "https://json-schema.org/draft/2020-12/schema"
# Its own dynamic anchor makes every subschema, however deep, be checked by this one: no unknown words.
STRICT = {
    "$schema": META,
    "$id": "https://grading-gateway.invalid/strict",
    "$dynamicAnchor": "meta",
    "$ref": META,
    "unevaluatedProperties": False,
}
OPEN = "The platform's own notes"
RULES = frozenset(
    {"if", "then", "else", "allOf", "dependentSchemas"}
)  # they say more of an object closed elsewhere
NAMES = [name_of(version, task, kind) for version in VERSIONS for task in TASK_TYPES for kind in KINDS]
every_file = pytest.mark.parametrize("name", [*NAMES, *SHARED])


def walk(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every subschema with the keywords that lead to it; what is data is left out."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for keyword in ("items", "if", "then", "else", "not", "additionalProperties"):
        yield from walk(schema.get(keyword), (*path, keyword))
    for keyword in ("anyOf", "allOf", "oneOf"):
        for one in schema.get(keyword, ()):
            yield from walk(one, (*path, keyword))
    for keyword in ("properties", "$defs", "dependentSchemas"):
        for one in schema.get(keyword, {}).values():
            yield from walk(one, (*path, keyword))


@every_file
def test_a_schema_is_json_schema_2020_12_and_uses_no_unknown_word(name: str) -> None:
    schema = contracts()[name].schema
    assert schema["$schema"] == META
    assert schema["$id"] == f"https://grading-gateway.invalid/contracts/{name}"
    Draft202012Validator(STRICT, offline=True).validate(dict(schema))


def test_the_strict_check_refuses_a_misspelt_word_however_deep() -> None:
    strict = Draft202012Validator(STRICT, offline=True)
    deep = {"properties": {"a": {"anyOf": [{"items": {"maxLength": 3}}, {"type": "null"}]}}}
    assert strict.is_valid(deep)
    deep["properties"]["a"]["anyOf"][0]["items"] = {"maxlength": 3}
    assert not strict.is_valid(deep)


@every_file
def test_every_object_closes_itself_but_the_platforms_own_notes(name: str) -> None:
    for path, schema in walk(contracts()[name].schema):
        if not RULES & set(path) and ("object" in schema.get("type", ()) or "properties" in schema):
            assert schema["additionalProperties"] is (schema.get("title") == OPEN), path


@every_file
def test_a_refusal_finds_its_words_in_the_schema(name: str) -> None:
    for path, schema in walk(contracts()[name].schema):
        if "anyOf" in schema:
            assert len(schema["anyOf"]) == 2, path
            assert schema["anyOf"][1] == {"type": "null"}, path
        if "pattern" in schema:
            assert all(re.search(schema["pattern"], example) for example in schema["examples"]), path


@every_file
def test_every_reference_is_relative_to_a_file_that_is_published_beside(name: str) -> None:
    for path, schema in walk(contracts()[name].schema):
        reference = schema.get("$ref", "#")
        assert reference.startswith(("#", "../common.json#", "../rubric.json")), path
    validator(name)  # offline: a reference that leads nowhere does not compile


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_a_contract_are_valid(name: str) -> None:
    examples = contracts()[name].schema["examples"]
    assert examples
    for example in examples:
        check(example, name)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_task_types_of_a_version_have_the_same_fields(version: str) -> None:
    for kind in KINDS:
        fields = [contracts()[name_of(version, task, kind)].schema["properties"] for task in TASK_TYPES]
        assert fields[0].keys() == fields[1].keys() == fields[2].keys()


def test_answers_have_exactly_the_documented_fields() -> None:
    documented = {
        *("score", "max_score", "comments", "details", "grader", "version", "versions", "confidence"),
        *("needs_review", "review_reasons", "partial", "label", "usage"),
    }
    for task in TASK_TYPES:
        assert set(contracts()[name_of("v1", task, "response")].schema["required"]) == documented
        assert set(contracts()[name_of("v1.1", task, "response")].schema["required"]) == documented | {
            "id",
            "cached",
        }
