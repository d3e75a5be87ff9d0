"""The prompts as files: `prompts/NAME@VERSION.txt`, whose name is the `prompt` in a grade's versions.

A file that has shipped never changes: a new wording is a new file. It is made of sections, `[name]` on a line
of its own and text with `$placeholders` below; a section says exactly the placeholders that it must have.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template

_HEAD = re.compile(r"^\[([a-z]+)\]\n", re.MULTILINE)
_COMMON = {"system": set[str](), "task": {"task"}, "repair": {"fault"}}
_SECTIONS: Mapping[str, Mapping[str, set[str]]] = {
    "grade-full": {
        **_COMMON,
        "rubric": {"criteria"},
        "notes": {"notes"},
        "criterion": {"id", "description"},
        "reference": {"reference"},
        "program": set(),
        "submission": {"mark", "submission"},
    },
    "grade-compact": {**_COMMON, "reference": {"reference"}, "submission": {"submission"}},
    "label": {**_COMMON, "labels": {"labels"}, "submission": {"mark", "submission"}},
}


@dataclass(frozen=True, slots=True)
class PromptFile:
    version: str
    sections: Mapping[str, Template]

    def said(self, section: str, **values: str) -> str:
        """The section with its placeholders filled. What is filled in is never looked at again."""
        return self.sections[section].substitute(values)


@cache
def prompt_file(kind: str, version: str) -> PromptFile:
    """One of the package's files, read once. Raises ValueError when its sections or placeholders are not
    those of its kind: code and file would not mean the same."""
    text = (resources.files("gateway.grading") / "prompts" / f"{version}.txt").read_text("utf-8")
    _, *parts = _HEAD.split(text)
    sections = {name: Template(body.strip("\n")) for name, body in zip(parts[::2], parts[1::2], strict=True)}
    found = {name: set(one.get_identifiers()) if one.is_valid() else None for name, one in sections.items()}
    if found != _SECTIONS[kind]:
        raise ValueError(f"the prompt {version} has other sections or placeholders than its kind")
    return PromptFile(version, sections)
