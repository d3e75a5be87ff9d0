"""A child process that works behind everything else on the machine and may eat no more than its share."""

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path


def step_back(nice: int) -> None:
    """Others come first, and where the machine has no memory left, this process is the first that goes.
    `nice`: 19 has what nobody else wants."""
    os.nice(nice - os.nice(0))
    if sys.platform == "linux":
        # Not SCHED_IDLE: beside it the gateway's p99 was twice what it is alone, at nice 19 the same
        # (benchmarks/training_load.py on two idle cores).
        # Where the kernel shares the processor between sessions first, this one's share is told here.
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(nice))
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


def bound_memory(memory: int) -> None:
    """What it may write to, in bytes. RLIMIT_AS would count libraries and reservations too: 1 GB before a fit
    begins, of which 0.3 GB are data."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    bound = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
