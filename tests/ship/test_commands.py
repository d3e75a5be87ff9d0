"""Every command of README.md and docs/ is run by a test, or its page says that it is untried.

Most are run here, as they are typed, against real processes (`place.py`). The others are run by the tests
that `commands.toml` names; of them it is seen here that their programs take these arguments. What is marked
"Untried" on its page is listed in docs/untried.md.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.ship.pages import ROOT, Command, commands, in_text
from tests.ship.parsing import missing_paths, missing_targets, module_of, program_of, refused_arguments
from tests.ship.place import Place

pytestmark = pytest.mark.timeout(600)

# What may be run in a test without an engine, a cluster or a network, and leaves nothing behind.
HARMLESS = frozenset({"curl", "df", "du", "export"})
MODULES = frozenset({"gateway", "scripts.gateway", "scripts.grpc_client", "embeddings.predict"})
UNTRIED = (ROOT / "docs/untried.md").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Commands that another test runs."""

    command: str  # a pattern
    by: str
    how: str = ""
    pages: tuple[str, ...] = ()  # empty: of every page

    def has(self, command: Command) -> bool:
        return (not self.pages or command.page in self.pages) and fnmatchcase(
            re.sub(r"\\?\s+", " ", command.text), self.command.replace("[", "[[]")
        )


ALL = commands()
TABLE = [
    Elsewhere(**(row | {"pages": tuple(row.get("pages", ()))}))
    for row in tomllib.loads((Path(__file__).parent / "commands.toml").read_text())["elsewhere"]
]


def is_run_here(command: Command) -> bool:
    """As it is typed: unless it is untried, another test's, or nothing that may be run here."""
    if command.untried or any(row.has(command) for row in TABLE):
        return False
    words = program_of(command.words)
    if not words or words[0] in HARMLESS:
        return True
    return module_of(words) in MODULES or (words[0] == "python3" and words[1] in {"-", "-c"})


PAGES = sorted({command.page for command in ALL if is_run_here(command)})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("place"))
    try:
        for _ in range(6):  # drift compares a hundred observations or more
            texts = [{"text": f"You have won prize number {n}!"} for n in range(32)]
            place.ask("/v1/models/spam:predict", {"instances": texts})
        yield place
    finally:
        place.close()


@pytest.fixture(scope="module")
def document(place: Place) -> Mapping[str, Any]:
    told: Mapping[str, Any] = place.ask("/openapi.json")
    return told


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_as_they_are_typed(page: str, place: Place) -> None:
    """Pages speak of keys and of a reference as of things that are there."""
    typed = [command.text for command in ALL if command.page == page and is_run_here(command)]
    for name in ("bot", "platform"):
        if not any(f" keys add {name}" in line for line in typed):
            typed.insert(0, f"python -m gateway keys add {name}")
    if any("/drift-runs" in line or " drift run " in line for line in typed):
        typed.insert(0, "python -m gateway drift keep spam")
    done = place.type(page, typed)
    assert done.code == 0, done.said[-4000:]


def test_every_command_is_run_by_somebody_or_marked_as_untried() -> None:
    assert len(ALL) > 140
    unknown = [
        str(command)
        for command in ALL
        if not (command.untried or is_run_here(command) or any(row.has(command) for row in TABLE))
    ]
    assert unknown == []


def test_who_is_said_to_run_a_command_is_there() -> None:
    for row in TABLE:
        file, _, name = row.by.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert not name or re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), row.by
        assert name or row.how or row.command in text, f"{file} does not run {row.command}"
        assert any(row.has(command) for command in ALL), f"no page has {row.command}"


def test_pages_with_untried_commands_are_listed() -> None:
    pages = {Path(command.page).name for command in ALL if command.untried}
    assert pages
    assert [page for page in sorted(pages) if f"]({page}" not in UNTRIED] == []


def test_programs_take_the_arguments_that_pages_give_them() -> None:
    assert refused_arguments(command for command in ALL if not is_run_here(command)) == []


def test_targets_of_make_are_there() -> None:
    assert missing_targets(ALL) == []


def test_requests_go_to_paths_that_the_gateway_has(document: Mapping[str, Any]) -> None:
    assert missing_paths(ALL, document) == []


def test_the_page_of_the_api_has_every_path(document: Mapping[str, Any]) -> None:
    told = set(
        re.findall(r"^\| (GET|POST|PUT|DELETE) \| `([^`]+)` \|", (ROOT / "docs/api.md").read_text(), re.M)
    )
    there = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    assert told == there


BAD = """
```
python -m gateway keys add bot --role teacher
.venv/bin/python -m chaos --onyl disk
make lunch
make load PROFIL=steady
curl http://localhost:38300/v1/modells -H "$auth"
curl "http://localhost:38300/v1/grades?grader_name=x" -H "$auth"
curl -X PUT http://localhost:38300/v1/models -H "$auth"
kubectl delete namespace ml
```
"""


def test_a_wrong_option_target_path_and_an_unknown_program_are_found(document: Mapping[str, Any]) -> None:
    bad = in_text(BAD, "README.md")
    assert [told.split(": ")[1].split(" (")[0] for told in refused_arguments(bad)] == [
        bad[0].text,
        bad[1].text,
    ]
    assert [told.partition(": ")[2][:9] for told in missing_targets(bad)] == ["make lunc", "make load"]
    assert len(missing_paths(bad, document)) == 3
    assert not is_run_here(bad[-1])
    assert not any(row.has(bad[-1]) for row in TABLE)


PAGE = """Untried, no GPU:

```
make gpu  # big
```

More.

```console
$ ls \\
  x
file
$ cd  # untried
```
"""


def test_marks_continued_lines_and_sessions_are_read() -> None:
    read = [(command.text, command.untried, command.line) for command in in_text(PAGE, "x.md")]
    assert read == [("make gpu", True, 4), ("ls \\\n  x", False, 10), ("cd", True, 13)]
