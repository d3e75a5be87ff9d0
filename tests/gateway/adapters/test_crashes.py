"""What the end of a process leaves behind."""

import json
import subprocess
import sys

import pytest


def ended(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)


def test_no_signal_makes_a_process_write_its_memory_down() -> None:
    done = ended(
        "import resource; from gateway.adapters.crashes import leave_no_dump\n"
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)); leave_no_dump()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert done.stdout == "(0, 0)\n", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the flag is Linux's")
def test_a_dump_that_is_piped_to_a_program_asks_a_flag_that_says_no() -> None:
    asked = "import ctypes; from gateway.adapters.crashes import leave_no_dump\n"
    told = "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    assert ended(f"{asked}{told}").stdout == "1\n"
    assert ended(f"{asked}leave_no_dump(); {told}").stdout == "0\n"


UNCAUGHT = {
    "ended a thread": "threading.Thread(target=fail).start()",
    "where none can be raised": "Fails()",
    "nobody caught": "fail()",
    "Task exception was never retrieved": "asyncio.run(lost())",
}


@pytest.mark.parametrize(("event", "failing"), UNCAUGHT.items(), ids=UNCAUGHT)
def test_an_exception_that_nobody_caught_is_told_by_type_and_place(event: str, failing: str) -> None:
    done = ended(f"""
import asyncio, gc, logging, sys, threading
from gateway.adapters.crashes import log_uncaught
from gateway.adapters.json_log import JsonFormatter

handler = logging.StreamHandler()
handler.setFormatter(JsonFormatter())
logging.basicConfig(handlers=[handler])
log_uncaught()

def fail(*_):
    raise ValueError("Anna Karenina")

class Fails:
    __del__ = fail
    __repr__ = lambda self: "Anna Karenina"

async def lost():
    task = asyncio.create_task(asyncio.to_thread(fail, "Anna Karenina"), name="Anna Karenina")
    await asyncio.wait({{task}})
    del task
    gc.collect()

{failing}
""")
    told = json.loads(done.stderr)
    assert event in told["event"]
    assert told["exception"] == "ValueError"
    assert told["at"][-1].endswith(" fail")
    assert "Anna" not in done.stderr
