"""Runs the Procfile's processes with honcho until one ends or Ctrl-C stops all.

Not the `honcho start` command: that one overwrites PORT and lets `.env` win over the environment.
"""

import os
import signal
import sys
from pathlib import Path

import honcho.manager
from honcho.environ import parse_procfile
from honcho.manager import Manager

STOPS_WITHIN_S = 25  # the gateway finishes answers for 20; honcho's own 5 would cut it and vLLM short


def terminal_closed(_signal: int, _frame: object) -> None:
    """honcho knows Ctrl-C and SIGTERM only: a closed terminal would leave the model server behind."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    signal.signal(signal.SIGHUP, terminal_closed)
    honcho.manager.KILL_WAIT = STOPS_WITHIN_S
    manager = Manager()
    for name, command in parse_procfile(Path("Procfile").read_text()).processes.items():
        manager.add_process(name, command)
    manager.loop()
    return int(manager.returncode or 0)


if __name__ == "__main__":
    raise SystemExit(main())
