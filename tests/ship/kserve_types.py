"""Objects read as the types of KServe's SDK and of the Kubernetes client it builds on."""

import re
from typing import Any

import kserve.models
import kubernetes.client


def built(value: Any, kind: str) -> Any:
    """`value` as the SDK's type of that name. Unlike the SDK's own reading it refuses fields that the type
    does not have, and values of another kind."""
    if listed := re.fullmatch(r"list\[(.+)\]", kind):
        assert isinstance(value, list), f"{value!r} is no list"
        return [built(one, listed[1]) for one in value]
    if mapped := re.fullmatch(r"dict\(str, (.+)\)", kind):
        assert isinstance(value, dict), f"{value!r} is no map"
        return {key: built(one, mapped[1]) for key, one in value.items()}
    if plain := {"str": str, "int": int, "bool": bool, "object": (str, int)}.get(kind):
        assert isinstance(value, plain), f"{value!r} is no {kind}"
        assert kind == "bool" or not isinstance(value, bool), f"{value!r} is no {kind}"
        return value
    found = getattr(kserve.models, kind, None) or getattr(kubernetes.client, kind)
    names = {told: own for own, told in found.attribute_map.items()}
    assert set(value) <= set(names), f"{kind} has no {sorted(set(value) - set(names))}"
    # Without a field that it must have, the type refuses to be made.
    return found(**{names[key]: built(one, found.openapi_types[names[key]]) for key, one in value.items()})
