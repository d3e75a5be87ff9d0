"""Generates gateway/rpc/gen from proto/. With --check writes nothing and tells what differs.

    .venv/bin/python -m scripts.protos [--check]

The modules lie flat in one package and import each other relatively: protoc's own imports would need proto/
to be a Python package, and one called `proto` would hide a library of that name.
"""

import argparse
import importlib.resources
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
GENERATED = ROOT / "gateway/rpc/gen"
_INIT = '"""What scripts/protos.py makes of proto/: never edited by hand."""\n'
# `import x_pb2 as y`, `from a.b import x_pb2 as y`; google's own stay as they are.
_IMPORT = re.compile(r"^(?:from (?!google\b)[\w.]+ )?import (\w+_pb2)( as \w+)?$", re.MULTILINE)
# grpc_python's second client, which nobody here uses, is half of its output.
_EXPERIMENTAL = re.compile(
    r"\n*^ # This class is part of an EXPERIMENTAL API\.\nclass .*?(?=^class |\Z)", re.MULTILINE | re.DOTALL
)


def generated() -> dict[str, str]:
    """The package's files by name. Raises RuntimeError when a .proto file is wrong."""
    # Loads protoc, which only this program needs.
    from grpc_tools import protoc  # noqa: PLC0415

    sources = sorted(str(file.relative_to(SOURCES)) for file in SOURCES.rglob("*.proto"))
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", f"-I{SOURCES}", f"-I{well_known}", *outputs, *sources]):
            raise RuntimeError("protoc refused the files in proto/")
        files = {file.name: _ours(file.read_text()) for file in Path(folder).rglob("*.py*")}
    return {"__init__.py": _INIT, **files}


def _ours(code: str) -> str:
    return _IMPORT.sub(r"from . import \1\2", _EXPERIMENTAL.sub("\n", code))


def differences(wanted: dict[str, str], folder: Path) -> list[str]:
    """Names of files that lack, differ or should not be there."""
    there = {file.name: file.read_text() for file in folder.glob("*.py*")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description="Generates gateway/rpc/gen from proto/.")
    parser.add_argument("--check", action="store_true", help="only compare, exit 1 when something differs")
    check = parser.parse_args().check
    wanted = generated()
    differ = differences(wanted, GENERATED)
    if check:
        print(
            "\n".join(f"{name}: run `python -m scripts.protos`" for name in differ) or "gRPC code: as proto/"
        )
        return 1 if differ else 0
    GENERATED.mkdir(parents=True, exist_ok=True)
    for name in differ:
        if name in wanted:
            (GENERATED / name).write_text(wanted[name])
        else:
            (GENERATED / name).unlink()
    print(f"gRPC code: {len(differ)} of {len(wanted)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
