"""`gateway keys` and `gateway audit` by the command's own main()."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import cli
from gateway.adapters.key_file import read_keys
from gateway.adapters.keyring import Keyring

Told = Callable[[], tuple[str, str]]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("LOGNAME", "root")
    return tmp_path / "keys.json"


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    def told() -> tuple[str, str]:
        out, error = capsys.readouterr()
        return out, error

    return told


def keys(*arguments: str) -> int:
    return cli.main(["keys", *arguments])


def test_a_key_is_made_listed_changed_rotated_and_revoked(path: Path, told: Told) -> None:
    assert keys("add", "bot", "--requests-per-minute", "5", "--max-parallel", "2", "--expires", "90d") == 0
    key = told()[0].strip()
    ring = Keyring(path, {}, 100)
    assert ring.caller_for(key.encode()).max_parallel == 2
    assert keys("list", "--json") == 0
    out = told()[0]
    (record,) = json.loads(out)
    assert read_keys(path)[0].sha256 not in out
    assert key not in out
    ends = datetime.fromisoformat(record["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < ends < timedelta(days=91)
    assert (record["shown"], record["state"], record["requests_per_minute"]) == (key[:8], "active", 5)
    changes = ("--role", "trainer", "--requests-per-minute", "default", "--expires", "never")
    assert keys("set", "bot", *changes) == 0
    told()
    assert keys("rotate", "bot", "--grace", "1h") == 0
    assert told()[0].strip() != key
    assert keys("list") == 0
    head, old, new = (line.split() for line in told()[0].splitlines())
    assert head[:4] == ["name", "key", "role", "state"]
    assert old[:4] == ["bot", f"{key[:8]}...", "trainer", "expiring"]
    assert (new[0], new[2:4], new[-3:]) == ("bot", ["trainer", "active"], ["-", "-", "2"])
    assert keys("revoke", "bot") == 0
    assert [record.revoked_at is not None for record in read_keys(path)] == [True, True]


def test_a_key_on_stdin_is_told_whose_it_is(path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    keys("add", "bot", "--role", "trainer")
    key = told()[0].strip()

    def check(text: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        code = keys("check")
        return code, "".join(told())

    assert check(f"{key}\n") == (0, "bot\ttrainer\tactive\n")
    assert check("sk-nobodys\n") == (1, "unknown: no key of this file\n")
    code, words = check(key[:-1] + ("0" if key[-1] != "0" else "1"))
    assert (code, "mistyped" in words) == (2, True)
    keys("revoke", "bot")
    told()
    assert check(key) == (1, "bot\ttrainer\trevoked\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "bot", "--expires", "yesterday"),
        ("add", "bot", "--expires", "2020-01-01"),
        ("add", "bot", "--expires", "99999d", "--role", "boss"),
        ("add", "bot", "--requests-per-minute", "0"),
        ("add", "bot", "--max-parallel", "-1"),
        ("rotate", "bot", "--grace", "1 day"),
        ("add",),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    path: Path, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        keys(*arguments)
    assert stopped.value.code == 2
    assert not path.exists()


def test_a_name_that_is_not_there_or_is_taken_is_one_sentence(path: Path, told: Told) -> None:
    assert keys("add", "bot") == 0
    told()
    for arguments in (
        ("add", "bot"),
        ("revoke", "ghost"),
        ("rotate", "ghost"),
        ("set", "bot"),
        ("add", "a:b"),
    ):
        assert keys(*arguments) == 2
        out, error = told()
        assert (out, error.count("\n")) == ("", 1), arguments
    path.write_text("{")
    assert keys("list") == 2
    assert "not JSON" in told()[1]


def test_the_audit_tells_who_changed_keys_and_the_store_at_a_terminal(path: Path, told: Told) -> None:
    assert keys("add", "early") == 0
    assert "not written into the audit" in told()[1], "there is no store yet, and the first key is needed"
    assert cli.main(["store", "upgrade"]) == 0
    keys("add", "bot")
    keys("rotate", "bot")
    keys("revoke", "ghost")
    assert cli.main(["store", "prune", "--days", "30", "--dry-run"]) == 0
    assert cli.main(["store", "prune", "--days", "30"]) == 0
    assert cli.main(["drift", "forget", "ref_" + "0" * 32]) == 2
    told()
    assert cli.main(["audit", "--json"]) == 0
    entries = [json.loads(line) for line in told()[0].splitlines()][::-1]
    assert [(one["action"], one["outcome"]) for one in entries] == [
        ("store.upgrade", "done"),
        ("key.add", "done"),
        ("key.rotate", "done"),
        ("store.prune", "done"),
        ("drift_reference.forget", "not_found"),
    ]
    assert {one["key_id"] for one in entries} == {"cli:root"}
    assert entries[1]["object"] == "bot"
    assert cli.main(["audit", "--action", "key.add", "--since", "2020-01-01", "--limit", "5"]) == 0
    (line,) = told()[0].splitlines()
    assert line.split("\t")[1:] == ["cli:root", "key.add", "bot", "done", "-"]
    assert cli.main(["audit", "--limit", "2"]) == 0
    assert len(told()[0].splitlines()) == 2


def test_without_a_store_there_is_no_audit_to_read(path: Path, told: Told) -> None:
    assert cli.main(["audit"]) == 1
    assert told()[1].endswith("The store is not available.\n")
