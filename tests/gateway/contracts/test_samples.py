"""Every published sample against the schemas and the reader that the service uses."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import contracts
from gateway.contracts.files import REQUEST, TASK_TYPES, V1, V1_1, VERSIONS, name_of
from gateway.contracts.migration import request_to_v1_1
from gateway.contracts.submission import read_submission
from gateway.contracts.validation import check, validator
from gateway.errors import InvalidRequest

FOLDER = Path(contracts.__file__).parent / "samples"
SAMPLES = sorted(FOLDER.glob("v*/*/*.json"))
INVALID = sorted((FOLDER / "invalid").glob("*.json"))


def read(path: Path) -> Any:
    return orjson.loads(path.read_bytes())


def named(path: Path) -> str:
    return str(path.relative_to(FOLDER))


@pytest.mark.parametrize("path", SAMPLES, ids=named)
def test_a_sample_is_valid_by_its_contract_and_by_no_other_version(path: Path) -> None:
    version, task_type = path.parts[-3:-1]
    name, kind, _ = path.name.split(".")
    payload = read(path)
    check(payload, name_of(version, task_type, kind))
    if kind == REQUEST:
        submission = read_submission(payload)
        assert (submission.contract, submission.task_type) == (version, task_type)
        assert path.with_name(f"{name}.response.json").exists()
        return
    other = V1 if version == V1_1 else V1_1
    assert not validator(name_of(other, task_type, kind)).is_valid(payload)


@pytest.mark.parametrize("path", [path for path in SAMPLES if ".response." in path.name], ids=named)
def test_a_sample_answer_adds_up(path: Path) -> None:
    answer, request = read(path), read(path.with_name(path.name.replace("response", "request")))
    points = sum(criterion["points"] for criterion in answer["details"]["criteria"])
    assert 0 <= answer["score"] <= answer["max_score"]
    assert answer["score"] == pytest.approx(points, abs=0.01) or (
        answer["score"] < points and request["rubric"]["constraints"]
    )
    assert answer["needs_review"] == bool(answer["review_reasons"])
    assert answer["version"] == answer["versions"]["model"]
    for criterion in answer["details"]["criteria"]:
        assert criterion["evidence"] in request.get("submission", criterion["evidence"])


def test_there_are_four_samples_of_everything_in_both_languages() -> None:
    for version in VERSIONS:
        for task_type in TASK_TYPES:
            requests = [
                p for p in SAMPLES if p.parts[-3:-1] == (version, task_type) and ".request." in p.name
            ]
            assert len(requests) >= 4
            cyrillic = [any("а" <= letter <= "я" for letter in path.read_text()) for path in requests]
            assert 0 < sum(cyrillic) < len(cyrillic)


@pytest.mark.parametrize("path", INVALID, ids=named)
def test_an_invalid_sample_is_refused_naming_its_field(path: Path) -> None:
    sample = read(path)
    with pytest.raises(InvalidRequest) as refused:
        read_submission(sample["request"])
    assert refused.value.param == sample["field"]
    assert sample["field"] in refused.value.message
    by_some_schema = any(
        validator(name_of(version, task_type, REQUEST)).is_valid(sample["request"])
        for version in VERSIONS
        for task_type in TASK_TYPES
    )
    assert by_some_schema == (sample["refused_by"] == "service")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("v1/*/*.request.json")), ids=named)
def test_a_sample_of_v1_means_the_same_in_v1_1(path: Path) -> None:
    old = read(path)
    migrated = request_to_v1_1(old)
    check(migrated, name_of(V1_1, path.parts[-2], REQUEST))
    meant, means = read_submission(old), read_submission(migrated)
    assert (meant.contract, means.contract) == (V1, V1_1)
    assert {name: getattr(meant, name) for name in meant.__slots__ if name != "contract"} == {
        name: getattr(means, name) for name in means.__slots__ if name != "contract"
    }
