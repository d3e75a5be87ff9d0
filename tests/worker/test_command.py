"""`gateway worker` as a process."""

import os
import signal
import subprocess
import sys
import threading


def test_a_signal_ends_a_worker_whose_store_never_opens() -> None:
    environment = {**os.environ, "DATABASE_URL": "postgresql://u:p@127.0.0.1:9/none"}
    worker = subprocess.Popen(
        [sys.executable, "-m", "gateway", "worker"], env=environment, stderr=subprocess.PIPE, text=True
    )
    killing = threading.Timer(60.0, worker.kill)
    killing.start()
    try:
        assert worker.stderr is not None
        for line in worker.stderr:
            if "the store is not ready" in line:
                worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    finally:
        killing.cancel()
        worker.kill()
        worker.communicate()
