"""The file of objectives, and what is made of it."""

from pathlib import Path

import pytest

from tests.load.__main__ import HERE, PROFILES, main
from tests.load.slo import Objective, Row, WrongFile, judged, read_slo, table

CHAT = Row("chat", requests=200, failures=2, p50_ms=100.0, p95_ms=400.0, seconds=10.0)


def faults(objective: Objective, row: Row = CHAT) -> tuple[str, ...]:
    (verdict,) = judged([objective], [row])
    return verdict.faults


@pytest.mark.parametrize("profile", PROFILES)
def test_the_shipped_file_has_objectives_for_every_profile(profile: str) -> None:
    assert read_slo(HERE / "slo.toml", profile)


def test_an_objective_met_exactly_is_kept() -> None:
    exact = Objective("chat", p50_ms=100, p95_ms=400, errors=0.01, rate=19.8)
    assert faults(exact) == ()


@pytest.mark.parametrize(
    ("objective", "fault"),
    [
        (Objective("chat", p50_ms=99), "p50 100 ms, 99 at most"),
        (Objective("chat", p95_ms=399), "p95 400 ms, 399 at most"),
        (Objective("chat", errors=0.009), "errors 1.00%, 0.90% at most"),
        (Objective("chat", rate=19.9), "19.80 good answers/s, 19.9 at least"),
    ],
)
def test_what_is_missed_is_said_with_its_figure(objective: Objective, fault: str) -> None:
    assert faults(objective) == (fault,)


def test_the_first_pattern_that_fits_judges_a_row() -> None:
    rows = [CHAT, Row("chat: shed", 1, 0, 1.0, 1.0, 10.0)]
    verdicts = judged([Objective("chat", p95_ms=500), Objective("chat*", p95_ms=1)], rows)
    assert [bool(one.faults) for one in verdicts] == [False, False]


def test_a_row_that_nobody_judges_and_an_objective_that_nobody_asked_for_are_faults() -> None:
    verdicts = judged([Objective("grade", errors=0)], [CHAT])
    assert [(one.name, one.faults) for one in verdicts] == [
        ("chat", ("it has no objective",)),
        ("grade", ("it was never asked",)),
    ]
    assert judged([Objective("grade", errors=0, optional=True)], []) == []
    assert "MISSED: it was never asked" in table(verdicts)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[steady", "is not TOML"),
        ("", "has no objectives for the profile steady"),
        ("steady = 5", "steady must be a table of rows"),
        ("[steady]\nchat = 5", "steady.chat must be a table"),
        ("[steady]\nchat = {optional = true}", "steady.chat must be a table with one of"),
        ("[steady]\nchat = {p99_ms = 5}", "steady.chat.p99_ms is not known"),
        ("[steady]\nchat = {p95_ms = 0}", "steady.chat.p95_ms must be a number above 0"),
        ("[steady]\nchat = {p95_ms = true}", "steady.chat.p95_ms must be a number above 0"),
        ("[steady]\nchat = {errors = 2}", "steady.chat.errors must be a share from 0 to 1"),
        ("[steady]\nchat = {rate = inf}", "steady.chat.rate must be a number above 0"),
        ("[steady]\nchat = {rate = nan}", "steady.chat.rate must be a number above 0"),
        ("[steady]\nchat = {rate = 1}\n[spike]\nchat = {rate = 'x'}", "spike.chat.rate must be"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(text: str, where: str, tmp_path: Path) -> None:
    file = tmp_path / "slo.toml"
    file.write_text(text)
    with pytest.raises(WrongFile, match=where):
        read_slo(file, "steady")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--slo", "/nowhere/slo.toml"], "cannot be read"),
        ([], "`make run` starts a gateway"),
        (["--url", "ftp://127.0.0.1"], "is no http"),
        (["--url", "http://127.0.0.1:1"], "did not answer: URLError"),
    ],
)
def test_nothing_is_loaded_and_the_code_is_2_where_something_is_missing(
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("MODEL_ENDPOINT", raising=False)
    monkeypatch.setenv("AUTH_TOKEN", "any")
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
