from pathlib import Path

import pytest

from gateway.adapters import keyring
from gateway.adapters.keyring import Keyring, add_key, read_keys, revoke_key
from gateway.domain import Caller, Role
from gateway.errors import Unauthenticated

ADMIN = Caller("settings", Role.ADMIN, 60)


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "_LOOK_AGAIN_S", 0.0)


def test_a_key_carries_its_role_and_rate(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    slow = add_key(path, "bot", Role.GRADER, 5)
    usual = add_key(path, "lab", Role.TRAINER, None)
    ring = Keyring(path, {"admin-key": ADMIN}, requests_per_minute=100)
    assert ring.caller_for(slow.encode()) == Caller("bot", Role.GRADER, 5)
    assert ring.caller_for(usual.encode()) == Caller("lab", Role.TRAINER, 100)
    assert ring.caller_for(b"admin-key") == ADMIN


def test_only_hashes_are_kept(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "bot", Role.GRADER, None)
    assert key not in (tmp_path / "keys.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_a_revoked_key_stops_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = add_key(path, "bot", Role.GRADER, None).encode()
    ring = Keyring(path, {}, 100)
    ring.caller_for(key)
    revoke_key(path, "bot")
    with pytest.raises(Unauthenticated):
        ring.caller_for(key)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": 5}', '{"keys": [{"key_id": "x"}]}'])
def test_an_unreadable_file_accepts_no_key_of_its_own(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    key = add_key(path, "bot", Role.GRADER, None).encode()
    ring = Keyring(path, {"admin-key": ADMIN}, 100)
    ring.caller_for(key)
    path.write_text(content)
    with pytest.raises(Unauthenticated):
        ring.caller_for(key)
    assert ring.caller_for(b"admin-key") == ADMIN


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add_key(path, "bot", Role.GRADER, None)
    with pytest.raises(ValueError, match="named bot already"):
        add_key(path, "bot", Role.ADMIN, None)
    with pytest.raises(ValueError, match="no key named ghost"):
        revoke_key(path, "ghost")
    assert [record.role for record in read_keys(path)] == [Role.GRADER]
