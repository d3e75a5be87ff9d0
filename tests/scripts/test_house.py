"""The requirement sets of this repository, and the rules that judge them."""

from pathlib import Path

from scripts import house


def test_the_locks_hold_every_extra_by_hash_and_name_no_place() -> None:
    assert house.lock_faults() == []


def test_no_python_file_is_over_400_lines(tmp_path: Path) -> None:
    short, long = tmp_path / "short.py", tmp_path / "long.py"
    short.write_text("x = 1\n" * 400)
    long.write_text("x = 1\n" * 401)
    assert house.too_long([short, long]) == [f"{long}: 401 lines, 400 at most"]
    assert house.too_long(house.python_files()) == []


def test_a_requirement_that_was_never_locked_is_named() -> None:
    lock = "foo-bar==1.0 \\\n    --hash=sha256:00\n"
    assert house.not_locked(["Foo_Bar[extra]>=1 ; python_version > '3'", "missing>=2"], lock) == ["missing"]


def test_an_address_in_a_lock_is_found() -> None:
    assert house.places("    # from https://host.example/simple\n") == ["https://host.example/simple"]
    assert house.places("--find-links /srv/wheels\n") == ["--find-links /srv/wheels"]
    assert house.places("one==1 \\\n    --hash=sha256:00\n    # via http-client\n") == []


def test_a_pin_without_a_hash_is_found() -> None:
    assert house.without_hash("one==1 \\\n    --hash=sha256:00\ntwo==2\n    # via one\n") == ["two==2"]
