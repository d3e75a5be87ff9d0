"""The journal: whatever is cut off it, the output is the same."""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch.journal import open_journal
from gateway.batch.rows import Answer, Failure, Outcome, Unusable
from tests.gateway.batch.files import Desk, grade, paths, run

INPUT = "id,submission\n" + "".join(
    f"{number},{text}\n" for number, text in enumerate(["Ответ", "refused", "x", "y", "=1", "z", "é"] * 2)
)
DONE: Outcome = Answer(grade("x"), "grade_1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, bytes]:
    """Journal, answers and errors of a run that nothing disturbed."""
    where = paths(tmp_path_factory.mktemp("whole"))
    where.source.write_text(INPUT)
    assert run(where, Desk())
    return where.journal.read_bytes(), where.out.read_bytes(), where.errors.read_bytes()


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_a_journal_cut_at_any_byte_leads_to_the_same_output(
    whole: tuple[bytes, bytes, bytes], data: st.DataObject
) -> None:
    journal, answers, errors = whole
    cut = data.draw(st.integers(0, len(journal)))
    with tempfile.TemporaryDirectory() as folder:
        where = paths(Path(folder))
        where.source.write_text(INPUT)
        where.journal.write_bytes(journal[:cut])
        desk = Desk()
        assert run(where, desk)
        assert (where.out.read_bytes(), where.errors.read_bytes()) == (answers, errors)
        lost = INPUT.count("\n") - max(1, journal[:cut].count(b"\n"))
        assert len(desk.asked) == lost  # and no row is asked that was done


def test_a_damaged_line_in_the_middle_costs_its_row_only(
    whole: tuple[bytes, bytes, bytes], tmp_path: Path
) -> None:
    journal, answers, _ = whole
    lines = journal.splitlines(keepends=True)
    where = paths(tmp_path)
    where.source.write_text(INPUT)
    where.journal.write_bytes(b"".join([*lines[:3], b"\0" * 20 + b"\n", *lines[4:]]))
    desk = Desk()
    assert run(where, desk)
    assert len(desk.asked) == 1
    assert where.out.read_bytes() == answers


def test_a_row_that_failed_for_want_of_a_server_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = open_journal(path, "a", fresh=False)
    journal.add(0, "x", Failure("backend_unavailable", "Down."))
    journal.add(1, "y", Failure("invalid_request", "No."))
    journal.sync()
    journal.close()
    again = open_journal(path, "a", fresh=False)
    assert [again.has(index) for index in range(3)] == [False, True, False]
    again.close()


def test_another_jobs_journal_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = open_journal(path, "a", fresh=False)
    journal.add(0, "x", DONE)
    journal.sync()
    journal.close()
    before = path.read_bytes()
    with pytest.raises(Unusable, match="--fresh"):
        open_journal(path, "b", fresh=False)
    assert path.read_bytes() == before
    fresh = open_journal(path, "b", fresh=True)
    assert not fresh.has(0)
    fresh.close()


def test_a_file_that_is_no_journal_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text("my thesis")
    with pytest.raises(Unusable):
        open_journal(path, "a", fresh=False)
    assert path.read_text() == "my thesis"


def test_two_processes_never_have_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = open_journal(path, "a", fresh=False)
    program = (
        "import sys; from pathlib import Path; from gateway.batch.journal import open_journal\n"
        "from gateway.batch.rows import Unusable\n"
        "try: open_journal(Path(sys.argv[1]), 'a', fresh=True)\n"
        "except Unusable as error: print(error)"
    )
    command = [sys.executable, "-c", program, str(path)]
    other = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "in use" in other.stdout, other.stderr
    journal.add(0, "x", DONE)
    journal.sync()
    journal.close()
    mine = open_journal(path, "a", fresh=False)
    assert mine.has(0)
    mine.close()


def test_rows_may_be_added_while_others_are_being_written(tmp_path: Path) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        journal = open_journal(tmp_path / "j", "a", fresh=False)
        adding = threading.Thread(
            target=lambda: [journal.add(n, str(n), Failure("internal", str(n))) for n in range(20_000)]
        )
        adding.start()
        while adding.is_alive():
            journal.sync()
    finally:
        sys.setswitchinterval(interval)
    journal.sync()
    assert [journal.outcome(n) for n in range(20_000)] == [Failure("internal", str(n)) for n in range(20_000)]
    journal.close()


def test_only_its_owner_reads_a_journal(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j", "a", fresh=False)
    journal.close()
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600
