"""`python3 trim.py VENV IMAGE`, in a build: takes out of a virtual environment what the image never reads.

Each removal says why, and one that removes nothing ends the build: packages change, and a list that nobody
checks rots. Whether what is left works is shown by tests/ship/test_engine_images.py on the built images.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

# Of every package: tests, and what only a compiler or a type checker reads.
_NOT_RUN = ("**/tests", *(f"**/*.{kind}" for kind in ("pyi", "pyx", "pxd", "h", "hpp", "a", "c", "cpp")))

# Packages that the lock holds because another one asks for them, and that nothing here imports.
_SPACY = "presidio_analyzer names spaCy, which gateway/adapters/presidio/without_spacy.py keeps out"
_NATASHA = "of natasha only the data files are read (slovnet_names.py)"
_HUB = "the tokenizer is read from a file, never from the hub"
_PACKAGES: dict[str, dict[str, str]] = {
    "gateway": {
        "setuptools _distutils_hack": "spaCy and thinc name it, and nothing imports it",
        "spacy spacy_legacy spacy_loggers thinc blis cymem preshed murmurhash srsly catalogue": _SPACY,
        "confection wasabi weasel cloudpathlib smart_open typer rich shellingham": _SPACY,
        "markdown_it mdurl pygments": _SPACY,
        "pymorphy2 pymorphy2_dicts_ru yargy ipymarkup intervaltree sortedcontainers": _NATASHA,
        "hf_xet huggingface_hub": _HUB,
    },
    "predict": {"fastapi starlette uvicorn uvloop httptools": "there is no door"},
}

# Parts of packages.
_ONNXRUNTIME = {
    "onnxruntime/capi/libonnxruntime.so*": "a second copy of the runtime, for programs in C",
    "onnxruntime/transformers": "writes models, reads none",
    "onnxruntime/tools": "writes models, reads none",
    "onnxruntime/datasets": "examples",
}
_NUMPY = {"numpy/f2py": "compiles Fortran", "numpy/distutils": "builds packages"}
_PARTS: dict[str, dict[str, str]] = {
    "gateway": {
        **_ONNXRUNTIME,
        **_NUMPY,
        "distutils-precedence.pth": "setuptools' own",
        "onnxruntime/quantization": "writes models, reads none",
        "natasha/[!_]*.py": _NATASHA,
        "natasha/data/model/slovnet_[ms]*.tar": "morphology and syntax: only the names' tagger is loaded",
        "natasha/data/dict": "for natasha's own extractors",
        "phonenumbers/geodata": "where a number is registered is never asked",
        "phonenumbers/carrierdata": "whose a number is is never asked",
        "phonenumbers/tzdata": "a number's time zone is never asked",
        "sqlalchemy/dialects/m[sy]*sql": "the store is SQLite or PostgreSQL",
        "sqlalchemy/dialects/oracle": "the store is SQLite or PostgreSQL",
        "sqlalchemy/testing": "for those who write a dialect",
    },
    "embeddings": {**_ONNXRUNTIME, **_NUMPY, "onnx/backend/test": "onnx' own tests of backends"},
    "predict": {**_ONNXRUNTIME, **_NUMPY, "onnx/backend/test": "onnx' own tests of backends"},
    "ui": {**_NUMPY, "pyarrow/include": "headers", "pydeck": "maps: the dashboard shows none"},
}


def removed(site: Path, patterns: Iterable[str], *, each: bool) -> int:
    """Bytes that went. With `each`, a pattern that fits nothing raises SystemExit."""
    gone = 0
    for pattern in patterns:
        found = sorted(site.glob(pattern))
        if each and not found:
            raise SystemExit(f"trim: nothing is at {pattern}: take it off the list, or mend the pattern")
        for one in found:
            if one.is_dir() and not one.is_symlink():
                gone += sum(file.stat().st_size for file in one.rglob("*") if file.is_file())
                shutil.rmtree(one)
            elif one.exists():
                gone += one.stat().st_size
                one.unlink()
    return gone


def stripped(site: Path) -> int:
    """Bytes of symbols and debug sections of compiled modules. Those in NAME.libs were laid out anew by who
    packed the wheel, and some do not survive a second time."""
    before = after = 0
    for file in site.rglob("*.so*"):
        if file.parent.name.endswith(".libs") or file.read_bytes()[:4] != b"\x7fELF":
            continue
        before += file.stat().st_size
        subprocess.run(["strip", "--strip-unneeded", str(file)], check=True)  # noqa: S603, S607
        after += file.stat().st_size
    return before - after


def main(venv: str, image: str) -> int:
    (site,) = Path(venv).glob("lib/python3*/site-packages")
    steps = {
        "packages": removed(site, " ".join(_PACKAGES.get(image, ())).split(), each=True),
        "parts": removed(site, _PARTS.get(image, ()), each=True),
        # The worker's packages are many and large, and some import their tests: they stay whole.
        "not run": 0 if image == "worker" else removed(site, _NOT_RUN, each=False),
        "symbols": stripped(site),
    }
    (Path(venv) / ".lock").unlink()  # uv's, which everybody may write
    told = ", ".join(f"{what} {gone / 1e6:.0f} MB" for what, gone in steps.items())
    sys.stdout.write(f"trim: {told}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
