"""The contracts as they are published, and the running gateway's answers against them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import pytest
from aiohttp import web
from jsonschema_rs import Draft202012Validator, Registry

from gateway.contracts.files import RESPONSE, TASK_TYPES, VERSIONS, contracts, name_of
from gateway.contracts.validation import check
from tests.fakes import completion
from tests.gateway.conftest import KEY, Running

PATH = "/v1/contracts"


async def fetched(
    running: Running, url: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, Mapping[str, str]]:
    asked = {"authorization": f"Bearer {KEY}", **headers}
    async with running.http.request(method, running.url + url, headers=asked) as response:
        return response.status, await response.read(), response.headers


async def test_every_contract_is_listed_and_lies_where_the_list_says(running: Running) -> None:
    status, listing, _ = await running.get(PATH)
    assert status == 200
    entries = [*listing["contracts"], *listing["shared"]]
    assert {entry["url"].removeprefix(f"{PATH}/") for entry in entries} == contracts().keys()
    for entry in entries:
        status, body, headers = await fetched(running, entry["url"])
        assert (status, headers["Content-Type"]) == (200, "application/schema+json")
        assert hashlib.sha256(body).hexdigest() == entry["sha256"]
    for version in VERSIONS:
        _, one, _ = await running.get(f"{PATH}/{version}")
        assert one["contracts"] == [e for e in listing["contracts"] if e["version"] == version]
        assert {(entry["task_type"], entry["kind"]) for entry in one["contracts"]} == {
            (task_type, kind) for task_type in TASK_TYPES for kind in ("request", "response")
        }


async def test_every_reference_resolves_from_the_published_place(running: Running) -> None:
    """As a client does that takes the address for the base and knows no `$id`."""
    base = "http://gateway.example"
    wanted = [
        f"{base}{PATH}/{name_of(v, t, k)}"
        for v in VERSIONS
        for t in TASK_TYPES
        for k in ("request", RESPONSE)
    ]
    roots, known = list(wanted), dict[str, Any]()
    while wanted:
        url = wanted.pop()
        status, body, _ = await fetched(running, url.removeprefix(base))
        assert status == 200, url
        known[url] = {key: value for key, value in json.loads(body).items() if key != "$id"}
        references = {urljoin(url, one).partition("#")[0] for one in references_in(known[url])}
        wanted += [one for one in references if one not in known and one not in wanted]
    registry = Registry(list(known.items()))
    for root in roots:
        Draft202012Validator({"$ref": root}, registry=registry, offline=True).is_valid({})


def references_in(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for one in node for found in references_in(one)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for one in node.values() for found in references_in(one)]


async def test_a_schema_that_has_not_changed_is_not_sent_again(running: Running) -> None:
    url = f"{PATH}/v1.1/code.request.json"
    _, _, headers = await fetched(running, url)
    tag = headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        status, body, again = await fetched(running, url, **{"if-none-match": known})
        assert (status, body, again["ETag"]) == (304, b"", tag)
    status, body, _ = await fetched(running, url, **{"if-none-match": '"other"'})
    assert (status, json.loads(body)["$id"][-len("v1.1/code.request.json") :]) == (
        200,
        "v1.1/code.request.json",
    )


@pytest.mark.parametrize(
    "name", ["v2", "v1/poem.request.json", "v1/code.json", "v1/..%2Fcommon.json", "Anna", "v1/Anna/Karenina"]
)
async def test_what_is_no_contract_is_404_and_no_word_of_it_a_metric(running: Running, name: str) -> None:
    status, body, _ = await running.get(f"{PATH}/{name}")
    assert (status, body["code"]) == (404, "not_found")
    _, metrics, _ = await running.get("/metrics")
    assert 'route="/v1/contracts/{version}' in metrics
    assert name.rpartition("/")[2] not in metrics


async def test_contracts_need_a_key_and_are_read_only(running: Running) -> None:
    assert (await running.get(PATH, key=""))[0] == 401
    assert (await running.get(f"{PATH}/v1/code.request.json", key="wrong"))[0] == 401
    assert (await fetched(running, f"{PATH}/v1", "DELETE"))[0] == 405


async def test_openapi_describes_grading_by_the_published_schemas(running: Running) -> None:
    _, openapi, _ = await running.get("/openapi.json")
    operation = openapi["paths"]["/v1/models/{name}:predict"]["post"]
    told = {
        one
        for part in (operation["requestBody"], operation["responses"]["200"])
        for one in references_in(part)
    }
    assert told == {f"{PATH}/{name}" for name in contracts() if "/" in name}


REQUESTS: dict[str, dict[str, Any]] = {
    "code": {"submission": "print('Hello')", "language": "python", "metadata": {"max_score": 4}},
    "text": {"submission": "Растения делают сахар.", "language": "ru"},
    "classification": {
        "submission": "It broke.",
        "metadata": {"labels": ["praise", "complaint"], "max_score": 1},
    },
}


async def obedient(_: web.Request, body: Any) -> web.Response:
    """A model that answers whatever the schema of the request lets it: first choices, short texts."""
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    answer = {name: one["enum"][0] if "enum" in one else "" for name, one in properties.items()}
    return web.json_response(completion(json.dumps(answer)))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("task_type", TASK_TYPES)
async def test_a_real_answer_follows_its_contract(running: Running, version: str, task_type: str) -> None:
    running.upstream.reply = obedient
    payload = REQUESTS[task_type]
    if version == "v1.1":
        labels = {"labels": payload["metadata"]["labels"]} if task_type == "classification" else {}
        payload = {**payload, **labels, "task_type": task_type, "contract": "v1.1"}
    status, answer, _ = await running.post("/v1/models/grader-llm:predict", payload)
    assert status == 200, answer
    assert answer["versions"]["contract"] == version
    check(answer, name_of(version, task_type, RESPONSE))
