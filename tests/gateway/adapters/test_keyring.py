"""Keys: whose they are, when they stop, and that changing their file loses none of them."""

import json
import logging
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.adapters import key_file, keyring
from gateway.adapters.key_file import State, changing, read_keys
from gateway.adapters.keyring import Keyring, add_key, key_of, revoke_key, rotate_key, set_key
from gateway.domain import Caller, Role
from gateway.errors import Unauthenticated

ADMIN = Caller("settings", Role.ADMIN, 60)
HASH = "0" * 64
ADD = "import sys; from pathlib import Path; from gateway.adapters.keyring import *\n"
ADD += "for n in range(5): add_key(Path(sys.argv[1]), f'{sys.argv[2]}-{n}', Role.GRADER)"


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "_LOOK_AGAIN_S", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def age(path: Path, **of: float) -> None:
    """Puts the file's keys back in time, `expires_at` too."""
    content = json.loads(path.read_text())
    for entry in content["keys"]:
        for name in ("created_at", "expires_at"):
            if name in entry:
                entry[name] = (datetime.fromisoformat(entry[name]) - timedelta(**of)).isoformat()
    path.write_text(json.dumps(content))


def soon(**span: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(**span)


def test_a_key_carries_its_role_and_limits(path: Path) -> None:
    slow = add_key(path, "bot", Role.GRADER, 5, 0, 2)
    usual = add_key(path, "lab", Role.TRAINER)
    ring = Keyring(path, {"admin-key": ADMIN}, 100, 9000, 7)
    assert ring.caller_for(slow.encode()) == Caller("bot", Role.GRADER, 5, 0, 2)
    assert ring.caller_for(usual.encode()) == Caller("lab", Role.TRAINER, 100, 9000, 7)
    assert ring.caller_for(b"admin-key") == ADMIN


def test_only_hashes_are_kept_and_for_the_owner_alone(path: Path) -> None:
    key = add_key(path, "bot", Role.GRADER)
    assert key not in path.read_text()
    assert key[:8] in path.read_text()
    assert sorted(one.name for one in path.parent.iterdir()) == [".keys.json.lock", "keys.json"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}


def test_a_revoked_key_stops_without_a_restart(path: Path) -> None:
    key = add_key(path, "bot", Role.GRADER).encode()
    ring = Keyring(path, {}, 100)
    ring.caller_for(key)
    revoke_key(path, "bot")
    with pytest.raises(Unauthenticated):
        ring.caller_for(key)


def test_a_key_stops_at_its_end_though_its_file_stays_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = add_key(path, "bot", Role.GRADER, expires_at=soon(hours=1)).encode()
    ring = Keyring(path, {"admin-key": ADMIN}, 100)
    ring.caller_for(key)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return soon(hours=2)

    monkeypatch.setattr(keyring, "datetime", Later)
    monkeypatch.setattr(keyring.time, "time", lambda: soon(hours=2).timestamp())
    with pytest.raises(Unauthenticated):
        ring.caller_for(key)
    assert ring.caller_for(b"admin-key") == ADMIN


def test_a_rotated_key_goes_on_for_its_grace_beside_the_new_one(path: Path) -> None:
    old = add_key(path, "bot", Role.TRAINER, 5, expires_at=soon(days=30)).encode()
    new = rotate_key(path, "bot", timedelta(hours=24)).encode()
    ring = Keyring(path, {}, 100)
    assert ring.caller_for(old) == ring.caller_for(new) == Caller("bot", Role.TRAINER, 5)
    ends = [record.expires_at for record in read_keys(path)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert abs(ends[0] - soon(hours=24)) < timedelta(minutes=1)
    assert abs(ends[1] - soon(days=30)) < timedelta(minutes=1), "as long as the old one was to last"
    age(path, hours=25)
    ring.caller_for(new)
    with pytest.raises(Unauthenticated):
        ring.caller_for(old)
    rotate_key(path, "bot", timedelta(0))
    assert len(read_keys(path)) == 1, "what is over is not kept for ever"
    with pytest.raises(Unauthenticated):
        ring.caller_for(new)


def test_revoking_a_name_revokes_what_is_in_its_grace_too(path: Path) -> None:
    keys = [add_key(path, "bot", Role.GRADER), rotate_key(path, "bot", timedelta(hours=1))]
    revoke_key(path, "bot")
    ring = Keyring(path, {"admin-key": ADMIN}, 100)
    for key in keys:
        with pytest.raises(Unauthenticated):
            ring.caller_for(key.encode())
    for change in (lambda: rotate_key(path, "bot", timedelta(0)), lambda: set_key(path, "bot", {})):
        with pytest.raises(ValueError, match="is revoked"):
            change()


def test_what_is_set_is_what_the_next_request_meets(path: Path) -> None:
    key = add_key(path, "bot", Role.GRADER, 5).encode()
    ring = Keyring(path, {}, 100)
    ring.caller_for(key)
    set_key(path, "bot", {"role": Role.TRAINER, "requests_per_minute": None, "max_parallel": 3})
    assert ring.caller_for(key) == Caller("bot", Role.TRAINER, 100, 0, 3)


def test_a_mistyped_key_is_told_from_an_unknown_one(path: Path) -> None:
    key = add_key(path, "bot", Role.GRADER)
    ring = Keyring(path, {}, 100)
    mistyped = key[:20] + ("a" if key[20] != "a" else "b") + key[21:]
    with pytest.raises(Unauthenticated, match="checksum"):
        ring.caller_for(mistyped.encode())
    with pytest.raises(Unauthenticated, match=r"provided\.$"):
        ring.caller_for(b"sk-somebody-elses")
    with pytest.raises(ValueError, match="mistyped"):
        key_of(path, mistyped.encode())
    found = key_of(path, key.encode())
    assert found is not None
    assert found.key_id == "bot"
    assert found.state(soon()) is State.ACTIVE


def test_keys_from_before_the_checksum_and_of_settings_go_on(path: Path) -> None:
    old = "gg_" + "x-_" * 14 + "y"  # as secrets.token_urlsafe(32) made them
    content = {"keys": [{"key_id": "old", "role": "grader", "sha256": key_file.digest_of(old.encode())}]}
    content["keys"][0] |= {"requests_per_minute": None, "revoked": False}
    path.write_text(json.dumps(content))
    odd = "gg_" + "A" * 49
    ring = Keyring(path, {odd: ADMIN}, 100)
    assert ring.caller_for(old.encode()).key_id == "old"
    assert ring.caller_for(odd.encode()) == ADMIN
    content["keys"][0]["revoked"] = True
    path.write_text(json.dumps(content))
    with pytest.raises(Unauthenticated):
        ring.caller_for(old.encode())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "line 1, column 1: not JSON"),
        ("{\n1", "line 2, column 1: not JSON"),
        ("[]", "not {"),
        ('{"keys": 5}', "not {"),
        ('{"keys": [{"key_id": "x"}]}', "key 1 needs 'sha256'"),
        ('{"keys": [7]}', "key 1 is no object"),
        (f'{{"keys": [{{"key_id": "x", "role": "boss", "sha256": "{HASH}"}}]}}', "'role' of key 1"),
        ('{"keys": [{"key_id": "x", "role": "admin", "sha256": "secret"}]}', "'sha256' of key 1"),
        (
            f'{{"keys": [{{"key_id": "x", "role": "admin", "sha256": "{HASH}", "expires_at": 5}}]}}',
            "'expires",
        ),
        (
            f'{{"keys": [{{"key_id": "x", "role": "admin", "sha256": "{HASH}", "max_parallel": -1}}]}}',
            "'max_p",
        ),
        (f'{{"keys": [{{"key_id": "x", "role": "admin", "sha256": "{HASH}", "colour": 1}}]}}', "key 1"),
    ],
)
def test_an_unusable_file_says_what_is_wrong_and_accepts_no_key_of_its_own(
    path: Path, content: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = add_key(path, "bot", Role.GRADER).encode()
    ring = Keyring(path, {"admin-key": ADMIN}, 100)
    ring.caller_for(key)
    path.write_text(content)
    with caplog.at_level(logging.ERROR), pytest.raises(Unauthenticated):
        ring.caller_for(key)
    assert ring.caller_for(b"admin-key") == ADMIN
    assert reason in caplog.text
    assert "secret" not in caplog.text
    with pytest.raises(ValueError, match=r"key|JSON|not {"):
        add_key(path, "new", Role.GRADER)
    assert path.read_text() == content, "what cannot be read is not written over"


def test_a_name_is_taken_once_also_by_a_key_that_is_over(path: Path) -> None:
    add_key(path, "bot", Role.GRADER)
    revoke_key(path, "bot")
    with pytest.raises(ValueError, match="named bot already"):
        add_key(path, "bot", Role.ADMIN)
    with pytest.raises(ValueError, match="no key named ghost"):
        revoke_key(path, "ghost")
    assert [record.role for record in read_keys(path)] == [Role.GRADER]


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "a\nb", "a\x1b[31m", " a", "cli:root", "settings", "a\u202eb"]
)
def test_a_name_that_could_fool_a_reader_of_logs_is_refused(path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        add_key(path, name, Role.GRADER)
    assert not path.exists()


def test_commands_at_once_lose_no_key(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    commands = [
        subprocess.Popen([sys.executable, "-c", ADD, str(path), str(one)], env=environment)
        for one in range(4)
    ]
    assert [command.wait(timeout=60) for command in commands] == [0] * 4
    assert len({record.key_id for record in read_keys(path)}) == 20


def test_a_lock_that_is_held_is_not_waited_for_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "_LOCK_S", 0.05)
    with changing(path), pytest.raises(ValueError, match="too long"):
        add_key(path, "bot", Role.GRADER)
