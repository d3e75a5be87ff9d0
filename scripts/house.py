"""House rules that no linter knows: part of `make check`.

No Python file over 400 lines; locks name no host, pin by hash, and hold every top-level name of their extras;
what lies in requirements/ is one of them, or what they are made from.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from scripts.lock import SETS

ROOT = Path(__file__).resolve().parent.parent
TOO_LONG = 400
_OTHERS = ("uv", "debian")  # the installer itself; packages of Debian
LOCKED_EXTRAS = {name: extras for name, (extras, _) in SETS.items()}


def too_long(files: Iterable[Path]) -> list[str]:
    lengths = {file: len(file.read_text().splitlines()) for file in files}
    return [f"{file}: {n} lines, {TOO_LONG} at most" for file, n in lengths.items() if n > TOO_LONG]


def plain_name(requirement: str) -> str:
    """`Foo_Bar[x]>=1 ; marker` -> `foo-bar`, as the locks spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;@]", requirement.strip(), maxsplit=1)[0]).lower()


def not_locked(wanted: Iterable[str], lock: str) -> list[str]:
    locked = set(re.findall(r"^([a-z0-9][a-z0-9-]*)==", lock, flags=re.MULTILINE))
    return sorted({plain_name(requirement) for requirement in wanted} - locked)


def places(lock: str) -> list[str]:
    """An address or an option that names one ties the lock to one machine's registry."""
    return re.findall(r"\S*://\S*|^-\S+.*|@ file:\S*", lock, flags=re.MULTILINE)


def without_hash(lock: str) -> list[str]:
    logical = lock.replace("\\\n", " ").splitlines()
    return [line.split()[0] for line in logical if "==" in line.split("#")[0] and "--hash=" not in line]


def lock_faults() -> list[str]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    faults = []
    for name, parts in LOCKED_EXTRAS.items():
        lock = (ROOT / f"requirements/{name}.txt").read_text()
        wanted = [requirement for part in parts for requirement in extras[part]]
        faults += [
            f"requirements/{name}.txt lacks {one}: run `make lock`" for one in not_locked(wanted, lock)
        ]
        faults += [f"requirements/{name}.txt names a place: {one}" for one in places(lock)]
        faults += [f"requirements/{name}.txt has no hash for {one}" for one in without_hash(lock)]
    files = {file.stem for file in (ROOT / "requirements").glob("*.txt")}
    faults += [f"requirements/{name}.txt is no set of scripts/lock.py" for name in files - {*SETS, *_OTHERS}]
    return faults


def python_files() -> list[Path]:
    """Everything but hidden folders: environments and caches are no work of ours."""
    rooms = [room for room in ROOT.iterdir() if room.is_dir() and not room.name.startswith(".")]
    return sorted(file for room in rooms for file in room.rglob("*.py"))


def main() -> int:
    faults = too_long(python_files()) + lock_faults()
    print("\n".join(faults) or "house rules: kept")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
