"""`python -m embeddings.training.archive --model .../NAME/model --output NAME.mar`, for TorchServe."""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from embeddings.errors import Unusable
from embeddings.training.network import TextConfig
from embeddings.training.whole import whole_file

PACKAGE = Path(__file__).resolve().parents[1]
HANDLER = PACKAGE / "training/torchserve/handler.py"
_DEADLINE_S = 300
# TorchServe gathers requests that come within the delay into one batch.
_SERVING = "minWorkers: 1\nmaxWorkers: 2\nbatchSize: 8\nmaxBatchDelay: 10\nresponseTimeout: 30\n"


def main(arguments: list[str] | None = None) -> int:
    """Returns 0, or 2 where the folder is no text classifier."""
    parser = argparse.ArgumentParser(prog="embeddings.training.archive", description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="ends in .mar")
    parser.add_argument("--version", default="1.0")
    asked = parser.parse_args(arguments)
    try:
        archive(asked.model, asked.output, asked.version)
    except Unusable as reason:
        sys.stderr.write(f"archive: {reason}\n")
        return 2
    return 0


def archive(model: Path, output: Path, version: str) -> None:
    """Packs the model, its tokenizer, the handler and the code that it needs. Raises Unusable."""
    if output.suffix != ".mar":
        raise Unusable("--output must end in .mar")
    _refuse_other_kinds(model)
    with TemporaryDirectory() as scratch:
        code, made, own = (Path(scratch) / name for name in ("code", "made", "tmp"))
        for folder in (code, made, own):
            folder.mkdir()
        for file in needed(HANDLER):
            there = code / file.relative_to(PACKAGE.parent)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, there)
        serving = Path(scratch) / "model-config.yaml"
        serving.write_text(_SERVING, encoding="utf-8")
        command = [sys.executable, "-m", "model_archiver.model_packaging"]
        command += ["--model-name", output.stem, "--version", version]
        command += ["--handler", str(HANDLER)]
        command += ["--serialized-file", str(model / "model.safetensors")]
        extra = (model / "config.json", model / "tokenizer.json", code)
        command += ["--extra-files", ",".join(map(str, extra))]
        command += ["--config-file", str(serving), "--export-path", str(made)]
        # The archiver empties TMPDIR/NAME before it works there.
        told = subprocess.run(  # noqa: S603 - our own command
            command,
            env=os.environ | {"TMPDIR": str(own)},
            capture_output=True,
            check=False,
            timeout=_DEADLINE_S,
        )
        if told.returncode:
            raise Unusable(f"torch-model-archiver ended with code {told.returncode}")
        with whole_file(output) as new:
            shutil.copyfile(made / output.name, new)


def needed(file: Path) -> set[Path]:
    """The project's own files that `file` imports, and those that they import: they travel with the model.
    TorchServe puts the archive's folder on its path."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        for one in _imported(waiting.pop()) - found:
            found.add(one)
            waiting.append(one)
    return found


def _imported(file: Path) -> set[Path]:
    """Files of the package, with the `__init__.py` above each."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            # `from package import module` and `from package.module import name` look alike.
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    files = {PACKAGE.parent / f"{name.replace('.', '/')}.py" for name in names}
    there = {one for one in files if one.is_file()}
    above = {
        folder / "__init__.py"
        for one in there
        for folder in one.parents
        if PACKAGE in (folder, *folder.parents)
    }
    return there | above


def _refuse_other_kinds(model: Path) -> None:
    try:
        kind = json.loads((model / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError):
        raise Unusable(f"{model} is no folder of a trained model") from None
    if kind != TextConfig.model_type:
        raise Unusable(f"the handler serves text classifiers; this model is {kind}")


if __name__ == "__main__":
    raise SystemExit(main())
