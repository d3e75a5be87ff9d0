"""What can be known of a command without running it: its program takes these arguments, its target and its
path are there."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.ship.pages import ROOT, Command

# Lets each program parse its own arguments, and stops it there: 0 they are taken, 2 they are not.
_PARSED = """
import argparse, json, runpy, sys

class Taken(BaseException): pass

real = argparse.ArgumentParser.parse_args
def parse(self, args=None, namespace=None):
    real(self, args, namespace)
    raise Taken

argparse.ArgumentParser.parse_args = parse
answers = []
for module, arguments in json.loads(sys.stdin.read()):
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    except Taken:
        answers.append("taken")
    except SystemExit as ended:
        answers.append("refused" if ended.code == 2 else f"ended with {ended.code}")
print(json.dumps(answers))
"""
_MODULE = re.compile(r"(?:\.venv(?:-[a-z-]+)?/bin/)?python3?")
_SERVICE = re.compile(r"\$URL|https?://(?:localhost|127\.0\.0\.1):38300|(?:localhost|127\.0\.0\.1):38300")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
# The gateway's own commands with other settings, which parse as the gateway does.
_SAME = {"scripts.gateway": "gateway"}
# They read their arguments without argparse, have none, or load torch before: half a minute.
_NO_PARSER = frozenset(
    {"bot", "ui", "llm_server", "scripts.bootstrap", "pytest", "embeddings.training.export"}
)


def program_of(words: Sequence[str]) -> list[str]:
    """The words from the program on, without the variables before it."""
    rest = list(words)
    while rest and _ASSIGNED.match(rest[0]):
        rest.pop(0)
    return rest


def environment_of(words: Sequence[str]) -> Path:
    """Of `python -m ...`: whose interpreter runs it."""
    folder = words[0].partition("/")[0]
    return ROOT / (folder if folder.startswith(".venv") else ".venv")


def module_of(words: Sequence[str]) -> str | None:
    """What `python -m` runs, if that is what this is."""
    if len(words) > 2 and _MODULE.fullmatch(words[0]) and words[1] == "-m":
        return words[2]
    return None


def refused_arguments(commands: Iterable[Command]) -> list[str]:
    """Those whose program does not take them."""
    by_place: dict[Path, list[tuple[Command, str, list[str]]]] = {}
    for command in commands:
        words = program_of(command.words)
        module = module_of(words)
        if module is None or module in _NO_PARSER:
            continue
        place = environment_of(words)
        by_place.setdefault(place, []).append((command, _SAME.get(module, module), words[3:]))
    refused = []
    for place, asked in by_place.items():
        told = subprocess.run(
            [place / "bin/python", "-c", _PARSED], cwd=ROOT, capture_output=True, text=True, timeout=100,
            input=json.dumps([(module, arguments) for _, module, arguments in asked]), check=True,
        )  # fmt: skip
        answers = json.loads(told.stdout.splitlines()[-1])
        refused += [
            f"{command} ({answer})"
            for (command, _, _), answer in zip(asked, answers, strict=True)
            if answer != "taken"
        ]
    return refused


def missing_targets(commands: Iterable[Command]) -> list[str]:
    """Calls of make without a rule, or with a variable that nobody reads: what stands behind `make` is for
    the Makefile, what stands before it perhaps for a program of scripts/."""
    makefile = (ROOT / "Makefile").read_text()
    programs = "".join(file.read_text("utf-8") for file in sorted((ROOT / "scripts").glob("*.py")))
    missing = []
    for command in commands:
        words = program_of(command.words)
        if not words or words[0] != "make":
            continue
        before = command.words[: -len(words)]
        behind = [word for word in words[1:] if _ASSIGNED.match(word)]
        faults = [
            word
            for word in words[1:]
            if word not in behind and not re.search(rf"^{word}:", makefile, re.MULTILINE)
        ]
        for word in [*before, *behind]:
            name = word.partition("=")[0]
            told = re.search(rf"\$[({{]{name}\b", makefile)
            if not told and not (word in before and re.search(rf"[\"']{name}[\"']", programs)):
                faults.append(name)
        if faults:
            missing.append(f"{command} ({' '.join(faults)})")
    return missing


def missing_paths(commands: Iterable[Command], document: Mapping[str, Any]) -> list[str]:
    """Requests of the gateway whose path, method or parameter its OpenAPI document does not have."""
    missing = []
    for command in commands:
        words = command.words
        if not words or words[0] != "curl":
            continue
        address = next((word for word in words[1:] if _SERVICE.match(word)), None)
        if address is None:
            continue
        parts = urlsplit(_SERVICE.sub("http://there", address, count=1))
        method = _method(words)
        operation = _operation(document, parts.path, method)
        known = {one["name"] for one in (operation or {}).get("parameters", [])}
        unknown = [name for name, _ in parse_qsl(parts.query) if name not in known]
        if operation is None or unknown:
            missing.append(f"{command} ({method} {parts.path} {' '.join(unknown)})")
    return missing


def _method(words: Sequence[str]) -> str:
    if "-X" in words:
        return words[words.index("-X") + 1].lower()
    return "post" if {"-d", "--data", "--data-binary", "-F"} & set(words) else "get"


def _operation(document: Mapping[str, Any], path: str, method: str) -> Mapping[str, Any] | None:
    for template, operations in document["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/:]+", re.escape(template))
        if re.fullmatch(pattern, path) and method in operations:
            found: Mapping[str, Any] = operations[method]
            return found
    return None
