"""An audit that could ask nobody is no pass, and a bill of materials lists every pin."""

import json
from pathlib import Path

import pytest

from scripts import audit
from scripts.audit import Findings

CLEAN = {"name": "one", "version": "1", "vulns": []}
FAULTY = {"name": "two", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "three", "skip_reason": "Dependency not found on PyPI and could not be audited: three (3)"}


def test_what_was_skipped_is_not_taken_for_clean() -> None:
    found = audit.findings_of({"dependencies": [CLEAN, FAULTY, SKIPPED], "fixes": []})
    assert found == Findings(["two 2: PYSEC-1, fixed in 2.1"], ["three"])


@pytest.mark.parametrize(
    ("found", "strict", "code", "says"),
    [
        (Findings([], []), True, 0, "no advisory is known"),
        (Findings(["two 2: PYSEC-1"], []), False, 1, "PYSEC-1"),
        (Findings(["two 2: PYSEC-1"], ["three"]), True, 1, "NOT AUDITED"),
        (Findings([], ["three"]), False, 0, "This is no pass"),
        (Findings([], ["three"]), True, 3, "This is no pass"),
    ],
)
def test_the_exit_code_says_what_is_known(
    found: Findings, strict: bool, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.verdict({"gateway": found}, strict=strict) == code
    out = capsys.readouterr().out
    assert says in out
    assert ("no advisory is known" in out) == (found == Findings([], []))


def test_a_bill_lists_every_pin_of_its_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(["--bills-only", "--sets", "bot", "--out", str(tmp_path)]) == 0
    bill = json.loads((tmp_path / "bot.cdx.json").read_text())
    listed = {(part["name"], part["version"]) for part in bill["components"]}
    assert listed == audit.pins(audit.lock_of("bot").read_text())
    assert len(listed) > 10
    hashes = [reference["hashes"] for part in bill["components"] for reference in part["externalReferences"]]
    assert all(hashes), "each by hash"
    assert "bot: " in capsys.readouterr().out


def test_a_bill_that_lacks_a_pin_is_no_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "pins", lambda _: {("missing", "1")})
    with pytest.raises(audit.Unreadable, match="does not list"):
        audit.write_bill("bot", tmp_path)


def test_a_build_of_its_own_is_asked_about_by_its_public_version() -> None:
    lock = "torch==2.13.0+cpu \\\n    --hash=sha256:00\none==1 \\\n    --hash=sha256:00\n"
    assert audit._LOCAL.sub(r"\1", lock) == lock.replace("+cpu", "")
