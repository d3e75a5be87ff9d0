"""`gateway worker` where it cannot work."""

import subprocess
import sys


def test_the_gateways_own_environment_is_refused_with_what_to_do() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "gateway", "worker"], capture_output=True, text=True, timeout=60
    )

    assert asked.returncode == 2
    assert "python3 -m scripts.bootstrap worker" in asked.stderr
