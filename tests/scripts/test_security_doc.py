"""What docs/security.md says is shown by a test is shown by one that exists, and no risk is left out."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/security.md").read_text("utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def names_in(file: Path) -> set[str]:
    return set(re.findall(r"^ *(?:async )?def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE))


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(DOCUMENT)
    assert len(named) > 40
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / "tests" / path).is_file() or name not in names_in(ROOT / "tests" / path)
    ]
    assert missing == []


def test_every_risk_has_its_line_and_a_test() -> None:
    lines = {line.split()[1]: line for line in DOCUMENT.splitlines() if re.match(r"\| (LLM|API)\d", line)}
    assert set(lines) == {f"LLM{n:02}" for n in range(1, 11)} | {f"API{n}" for n in range(1, 11)}
    assert [name for name, line in lines.items() if not NAMED.search(line)] == []


def test_every_rule_that_is_off_somewhere_is_told_why() -> None:
    code = [*ROOT.glob("gateway/**/*.py"), *ROOT.glob("embeddings/**/*.py"), *ROOT.glob("bot/*.py")]
    off = {rule for file in code for rule in re.findall(r"noqa: (S\d+)", file.read_text("utf-8"))}
    assert off
    assert [rule for rule in sorted(off) if rule not in DOCUMENT] == []
