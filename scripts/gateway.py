"""`python3 -m scripts.gateway COMMAND ...`: the gateway's commands with the settings of `make run`.

Standard library only; the arguments are the gateway's own (`python3 -m scripts.gateway --help`).
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from scripts import bootstrap, run
from scripts.bootstrap import ROOT, Refusal


def hand_over(settings: dict[str, str]) -> NoReturn:
    # The folder that the files' names are given from may be another one than the project's.
    settings["PYTHONPATH"] = str(ROOT)
    python = str(ROOT / ".venv/bin/python")
    os.execve(python, [python, "-m", "gateway", *sys.argv[1:]], settings)


def main() -> int:
    env_file = ROOT / ".env"
    try:
        bootstrap.make(["dev"])
        settings = run.read_settings(env_file) if env_file.exists() else dict(os.environ)
        settings = run.with_addresses(settings)
    except Refusal as refusal:
        print(f"gateway: {refusal}", file=sys.stderr)
        return 2
    hand_over(settings)


if __name__ == "__main__":
    raise SystemExit(main())
