"""`make audit`: the locked sets against published advisories, and a bill of materials (CycloneDX) of each.

Exit codes: 0 when no advisory is known, or when the advisories could not be reached, which is then said and
is no pass; 1 for an advisory; 2 for a set that cannot be read; with `--strict`, as CI runs it, 3 when a
package could not be looked up. pip-audit alone exits with 0 when not one was found where it asked.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lock import REQUIREMENTS, SETS

# Advisory -> why it does not concern us, and until when that is believed.
ACCEPTED: Mapping[str, str] = {}
_TIMEOUT_S = 900.0  # of a set: vLLM's has 200 packages, each of them a question
_ASK_S = 15
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", flags=re.MULTILINE)
# torch's CPU build is published under a version of its own, and its faults under torch's.
_LOCAL = re.compile(r"(?m)^([a-z0-9][a-z0-9._-]*==[^\s;\\+]+)\+[a-z0-9.]+")


class Unreadable(Exception):
    """A set is not one that can be audited."""


@dataclass(frozen=True)
class Findings:
    """What is known of one set."""

    advisories: list[str]  # package version: id, fixed in
    unknown: list[str]  # packages that could not be looked up


def audited(name: str) -> Findings:
    """Asks for every pin of a set. Raises Unreadable."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.txt")
        file.write_text(_LOCAL.sub(r"\1", lock_of(name).read_text("utf-8")), "utf-8")
        command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "-r", str(file)]
        command += [
            "--format",
            "json",
            "--desc",
            "off",
            "--progress-spinner",
            "off",
            "--timeout",
            str(_ASK_S),
        ]
        for advisory in ACCEPTED:
            command += ["--ignore-vuln", advisory]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Findings([], ["every package: no answer in time"])
    if not run.stdout.strip():
        if "require" in run.stderr and "hash" in run.stderr:
            raise Unreadable(f"{name}: a pin has no hash")
        return Findings([], ["every package: no service answered"])
    return findings_of(json.loads(run.stdout))


def findings_of(told: Mapping[str, Any]) -> Findings:
    """Of pip-audit's JSON."""
    advisories, unknown = [], []
    for package in told["dependencies"]:
        if "skip_reason" in package:
            unknown.append(package["name"])
        for fault in package.get("vulns", ()):
            fixed = ", ".join(fault.get("fix_versions", ())) or "no version"
            advisories.append(f"{package['name']} {package['version']}: {fault['id']}, fixed in {fixed}")
    return Findings(advisories, unknown)


def write_bill(name: str, folder: Path) -> int:
    """Writes what a set is made of; how many packages. Raises Unreadable."""
    out = folder / f"{name}.cdx.json"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible", "--no-validate"]
    command += ["--output-format", "JSON", "--output-file", str(out), str(lock_of(name))]
    run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if run.returncode:
        raise Unreadable(f"{name}: no bill of materials could be made")
    listed = {(part["name"], part["version"]) for part in json.loads(out.read_text())["components"]}
    if listed != pins(lock_of(name).read_text("utf-8")):
        raise Unreadable(f"{name}: the bill of materials does not list what is pinned")
    return len(listed)


def pins(lock: str) -> set[tuple[str, str]]:
    return set(_PIN.findall(lock))


def lock_of(name: str) -> Path:
    return REQUIREMENTS / f"{name}.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--out", type=Path, help="a folder for the bills of materials")
    parser.add_argument("--bills-only", action="store_true", help="ask nobody")
    parser.add_argument("--strict", action="store_true", help="exit 3 when a package could not be looked up")
    parser.add_argument("--sets", nargs="+", choices=["uv", *SETS], default=["uv", *SETS], metavar="SET")
    options = parser.parse_args(arguments)
    try:
        return _audit(options)
    except Unreadable as error:
        print(error, file=sys.stderr)
        return 2


def _audit(options: argparse.Namespace) -> int:
    found: dict[str, Findings] = {}
    for name in options.sets:
        told = []
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            told.append(f"{write_bill(name, options.out)} packages listed")
        if not options.bills_only:
            one = found[name] = audited(name)
            told.append(f"{len(one.advisories)} advisories, {len(one.unknown)} packages not looked up")
        print(f"{name}: {'; '.join(told) or 'nothing asked for'}", flush=True)
    return verdict(found, strict=options.strict)


def verdict(found: Mapping[str, Findings], *, strict: bool) -> int:
    """The exit code, and why."""
    advisories = sorted({f"  {line}" for one in found.values() for line in one.advisories})
    unknown = sorted({name for one in found.values() for name in one.unknown})
    if advisories:
        print("ADVISORIES:", *advisories, sep="\n")
    if unknown:
        few = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        print(f"NOT AUDITED: the advisories could not be reached for {few}. This is no pass.")
    if advisories:
        return 1
    if unknown and strict:
        return 3
    if found and not unknown:
        print("audit: no advisory is known for any pin")
    return 0


if __name__ == "__main__":
    sys.exit(main())
