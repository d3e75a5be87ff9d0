"""Every load profile for a few seconds against a gateway of its own, and runs that miss their objectives."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.load.__main__ import HERE, PROFILES
from tests.load.conftest import KEY, ROOT, Deployed

_AT_ONCE = 3  # a run mostly waits
_MOST_S = 90
_IMPOSSIBLE = '[steady]\n"chat" = {p50_ms = 0.001}\n"chat stream*" = {errors = 0}\nmodels = {errors = 0}\n'

Done = subprocess.CompletedProcess[str]


def _loaded(deployed: Deployed, out: Path, *arguments: str) -> Done:
    """As a person runs it: Locust patches whatever process it is in."""
    command = [sys.executable, "-m", "tests.load", "--url", deployed.url, "--rpc", deployed.rpc]
    command += ["--users", "4", "--run-time", "4s", "--patience", "30", "--out", str(out), *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "AUTH_TOKEN": KEY},
        capture_output=True,
        text=True,
        timeout=_MOST_S,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def runs(deployed: Deployed, folder: Path) -> Iterator[Mapping[str, "Future[Done]"]]:
    patient, impossible = folder / "slo.toml", folder / "impossible.toml"
    impossible.write_text(_IMPOSSIBLE)
    # The shipped file but for times, which say nothing on a machine that does other things.
    shipped = (HERE / "slo.toml").read_text()
    patient.write_text(re.sub(r"(p\d\d_ms = \d+)", r"\g<1>0", shipped))
    usual = ("--slo", str(patient))
    arguments: dict[str, tuple[str, ...]] = {profile: ("--profile", profile, *usual) for profile in PROFILES}
    arguments["spike"] += ("--run-time", "6s")  # of three phases
    arguments["impossible"] = ("--slo", str(impossible))
    arguments["no gRPC"] = ("--profile", "mixed", *usual, "--rpc", "127.0.0.1:1", "--patience", "5")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {name: pool.submit(_loaded, deployed, folder / name, *more) for name, more in arguments.items()}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_healthy_gateway_keeps_the_objectives_of_every_profile(
    profile: str, runs: Mapping[str, "Future[Done]"], folder: Path
) -> None:
    done = runs[profile].result()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"KEPT: {profile}" in done.stdout
    assert "<html" in (folder / profile / "report.html").read_text()
    assert (folder / profile / "stats_stats.csv").read_text().startswith("Type,Name,")


def test_an_objective_that_cannot_be_kept_ends_with_1_and_says_which(
    runs: Mapping[str, "Future[Done]"],
) -> None:
    done = runs["impossible"].result()
    assert done.returncode == 1, done.stdout + done.stderr
    missed = [line for line in done.stdout.splitlines() if "MISSED: p50" in line]
    assert [line.split()[0] for line in missed] == ["chat"], done.stdout


def test_calls_that_fail_are_errors_of_their_rows(runs: Mapping[str, "Future[Done]"]) -> None:
    """The gRPC door is not where it is said to be: its rows fail, HTTP's do not."""
    done = runs["no gRPC"].result()
    assert done.returncode == 1, done.stdout + done.stderr
    missed = {line.split("  ")[0] for line in done.stdout.splitlines() if "MISSED: errors 100" in line}
    assert missed == {"rpc classes", "rpc embedding", "rpc status"}, done.stdout
    assert "x rpc status: UNAVAILABLE" in done.stdout
